"""Codecs that each video container can hold, and what streams are re-encoded to if they cannot be copied."""

from __future__ import annotations

from typing import Literal

from imgcycle.media.video.probing.clip import Clip, Stream

Container = Literal["mp4", "mov", "mkv", "webm", "ts"]
CONTAINERS: tuple[Container, ...] = ("mp4", "mov", "mkv", "webm", "ts")
MUXERS: dict[Container, str] = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "ts": "mpegts"}
"""ffmpeg's muxer names."""
SUFFIXES: dict[str, Container] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".qt": "mov",
    ".mkv": "mkv",
    ".mk3d": "mkv",
    ".webm": "webm",
    ".ts": "ts",
    ".m2ts": "ts",
    ".mts": "ts",
}
"""Container of each file suffix."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONVERTED: dict[Container, frozenset[str]] = {
    "mp4": _words("h264 hevc av1 ffv1"),
    "mov": _words("h264 hevc av1 ffv1"),
    "mkv": _words("h264 hevc av1 ffv1"),
    "webm": _words("av1"),
    "ts": _words("h264 hevc"),
}
"""Video codecs of results in each container."""

_MP4_VIDEO = "h264 hevc av1 ffv1 vp9 vvc mpeg4 mpeg2video mpeg1video mjpeg png"
_VIDEO: dict[Container, frozenset[str]] = {
    "mp4": _words(_MP4_VIDEO),
    "mov": _words("h264 hevc av1 mpeg4 mpeg2video mjpeg png prores dnxhd qtrle rawvideo v210 h263 svq3 dvvideo cfhd"),
    "webm": _words("vp8 vp9 av1"),
    "ts": _words("h264 hevc mpeg2video mpeg1video mpeg4 vvc"),
}
_PCM = "pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be"
_AUDIO: dict[Container, frozenset[str]] = {
    "mp4": _words(f"aac mp3 mp2 ac3 eac3 ac4 alac opus flac dts truehd {_PCM}"),
    "mov": _words(f"aac mp3 mp2 ac3 eac3 alac adpcm_ima_qt pcm_u8 pcm_s8 pcm_mulaw pcm_alaw {_PCM}"),
    "webm": _words("opus vorbis"),
    "ts": _words("aac mp3 mp2 ac3 eac3 dts truehd opus"),
}
_SUBTITLES: dict[Container, frozenset[str]] = {
    "mp4": _words("mov_text dvd_subtitle"),
    "mov": _words("mov_text eia_608"),
    "mkv": _words("subrip ass ssa webvtt text dvd_subtitle hdmv_pgs_subtitle dvb_subtitle hdmv_text_subtitle"),
    "webm": _words("webvtt"),
    "ts": _words("dvb_subtitle dvb_teletext"),
}
_DATA: dict[tuple[str, Container], str] = {("bin_data", "mp4"): "gpmd", ("bin_data", "mov"): "gpmd"}
"""Data codecs that can be copied only under one tag."""
_FREE_DATA: dict[Container, frozenset[str]] = {"ts": _words("klv scte_35 timed_id3"), "mov": _words("klv")}
_TEXT = _words("subrip srt ass ssa webvtt text mov_text microdvd sami subviewer stl jacosub realtext mpl2")
_AUDIO_INTO: dict[Container, str] = {"mp4": "aac", "mov": "aac", "mkv": "flac", "webm": "libopus", "ts": "aac"}
_TEXT_INTO: dict[Container, str] = {"mp4": "mov_text", "mov": "mov_text", "mkv": "subrip", "webm": "webvtt"}
_COVERS = {"mjpeg": "image/jpeg", "png": "image/png"}


def copies(stream: Stream, container: Container) -> bool:
    """True if a stream can be copied into a container."""
    codec = stream.codec
    if stream.kind == "attachment":
        return container == "mkv"
    if stream.kind == "data":
        tag = _DATA.get((codec, container))
        return (tag is not None and tag == stream.tag) or codec in _FREE_DATA.get(container, ())
    if codec == "none":
        return False
    if stream.cover:
        return codec in _COVERS and container in ("mp4", "mov", "mkv")
    if stream.kind == "subtitle":
        return codec in _SUBTITLES[container]
    table = _AUDIO if stream.kind == "audio" else _VIDEO
    # Matroska takes every named video and audio codec.
    return container == "mkv" or codec in table[container]


def recoded(stream: Stream, container: Container) -> str:
    """ffmpeg's encoder for a stream that cannot be copied; "" if none would do."""
    if stream.kind == "audio" and stream.codec != "none":
        lossless = stream.codec in ("flac", "alac", "tta", "wavpack", "mlp", "ape") or stream.codec.startswith("pcm_")
        return "alac" if lossless and container == "mov" else _AUDIO_INTO[container]
    if stream.kind == "subtitle" and stream.codec in _TEXT:
        return _TEXT_INTO.get(container, "")
    return ""


def cover_type(stream: Stream) -> str:
    """Media type of cover art."""
    return _COVERS.get(stream.codec, "application/octet-stream")


def own_container(clip: Clip) -> Container | None:
    """Container of a clip, from its format and, where several share one, its suffix; None for another."""
    if clip.container.startswith("mov,"):
        brand = clip.metadata.get("major_brand", "").strip()
        suffix = SUFFIXES.get(clip.path.suffix.lower())
        return suffix if suffix in ("mp4", "mov") else ("mov" if brand == "qt" else "mp4")
    if clip.container.startswith("matroska"):
        return "webm" if clip.path.suffix.lower() == ".webm" else "mkv"
    return "ts" if clip.container == "mpegts" else None
