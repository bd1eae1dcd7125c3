"""Plan for a clip's other streams: copied, re-encoded or dropped, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from imgcycle.errors import UsageError
from imgcycle.media.temporary_folder import TemporaryFolder
from imgcycle.media.video.containers import (
    CONTAINERS,
    CONVERTED,
    MUXERS,
    SUFFIXES,
    Container,
    copies,
    own_container,
    recoded,
)
from imgcycle.media.video.encoder import VideoCodec
from imgcycle.media.video.ffmpeg import named, run_ffmpeg, source
from imgcycle.media.video.probing.clip import Clip, Stream
from imgcycle.media.video.probing.timecode import timecode_of

Way = Literal["convert", "copy", "recode", "drop"]

_SPOKEN = {"libopus": "opus", "mov_text": "its own kind of text (mov_text)", "subrip": "srt"}
_FLAGS = re.findall(
    r"\w+",
    "default dub original comment lyrics karaoke forced captions descriptions dependent metadata"
    " hearing_impaired visual_impaired clean_effects attached_pic timed_thumbnails still_image non_diegetic",
)
_ABLE: tuple[Container, ...] = ("mkv", "mov", "mp4", "ts")
_MOV_LANGUAGES = {
    **{"deu": "ger", "nld": "dut", "zho": "chi", "ell": "gre", "fas": "per", "isl": "ice", "sqi": "alb"},
    **{"cze": "ces", "rum": "ron", "slo": "slk", "fre": "fra"},
}
"""Languages that QuickTime's list knows by only one of their two codes."""
_STALE = re.compile(r"(?i)^(encoder|duration|bps|number_of_(frames|bytes)|_statistics_.*|rotate)(-\w+)?$")
"""Tags of a stream that are no longer true after conversion."""


@dataclass(frozen=True)
class StreamFate:
    """Plan for one stream: "convert" for the picture, "copy", "drop", or "recode" with `codec` (ffmpeg's encoder).

    `reason` says in one line why it is re-encoded or dropped, or what one might not expect; "" for nothing to say.
    """

    stream: Stream
    way: Way
    codec: str = ""
    reason: str = ""


@dataclass(frozen=True)
class StreamPlan:
    """Plan for every stream of a clip in a container, in the source's order."""

    container: Container
    fates: tuple[StreamFate, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for every stream that has another fate than one would expect."""
        return tuple(f"{fate.stream}: {fate.reason}" for fate in self.fates if fate.reason)

    @property
    def kept(self) -> tuple[StreamFate, ...]:
        """Streams of the result, in order."""
        return tuple(fate for fate in self.fates if fate.way != "drop")


def container_for(clip: Clip | None, codec: VideoCodec, wanted: str | None = None) -> Container:
    """Container of the result: `wanted` (a name or a suffix), else the source's if it can hold the codec.

    Otherwise mp4, or mkv if sound would have to be re-encoded for mp4. UsageError if `wanted` is unknown or cannot hold
    the codec. `clip` None stands for images, without other streams.
    """
    if wanted is not None:
        word = wanted.lower().removeprefix(".")
        container = SUFFIXES.get(f".{word}")
        if container is None:
            raise UsageError(f"no clip is written as {wanted!r}", f"choose {', '.join(CONTAINERS)}")
        if codec not in CONVERTED[container]:
            fitting = [name for name in CONTAINERS if codec in CONVERTED[name]]
            instead = sorted(CONVERTED[container])
            raise UsageError(
                f"{codec} cannot go into {container}", f"--codec {'|'.join(instead)}, or a file in {', '.join(fitting)}"
            )
        return container
    own = None if clip is None else own_container(clip)
    if own is not None and codec in CONVERTED[own]:
        return own
    if own == "webm":
        return "mkv"
    sounds = [stream for stream in clip.streams if stream.kind == "audio"] if clip else []
    return "mp4" if all(copies(stream, "mp4") for stream in sounds) else "mkv"


def suffix_for(clip: Clip, container: Container) -> str:
    """Suffix of the result: the clip's own if it names the same container."""
    own = clip.path.suffix
    return own if SUFFIXES.get(own.lower()) == container else f".{container}"


def plan_streams(clip: Clip, container: Container, *, audio: bool = True) -> StreamPlan:
    """Plan each stream; tested with ffmpeg on the first second, so that the final muxing cannot fail."""
    fates = []
    for stream in clip.streams:
        if stream.index == clip.video.index:
            fates.append(StreamFate(stream, "convert"))
        elif stream.kind == "audio" and not audio:
            fates.append(StreamFate(stream, "drop", reason="left out, as asked"))
        else:
            fates.append(_fate(stream, container, clip))
    return _accepted_by_ffmpeg(clip, StreamPlan(container, tuple(fates)))


def _fate(stream: Stream, container: Container, clip: Clip) -> StreamFate:
    if copies(stream, container):
        another = stream.kind == "video" and not stream.cover
        return StreamFate(stream, "copy", reason="another track of pictures, which stays as it is" if another else "")
    name = "a transport stream" if container == "ts" else container
    encoder = recoded(stream, container)
    if encoder:
        spoken = _SPOKEN.get(encoder, encoder)
        return StreamFate(stream, "recode", encoder, f"{name} cannot hold {stream.codec}, so it becomes {spoken}")
    if stream.kind == "data" and _is_rewritten(stream, container, clip):
        return StreamFate(stream, "drop")
    return StreamFate(stream, "drop", reason=_loss(stream, name))


def _loss(stream: Stream, name: str) -> str:
    """Reason why a container called `name` cannot hold a stream."""
    if stream.kind == "attachment":
        return f"{name} cannot hold attachments, so it is left out (mkv can)"
    if stream.tag == "tmcd":
        return f"{name} has no place for a time code, so it is left out (mov has)"
    if stream.codec == "none" or stream.kind == "data":
        return "ffmpeg cannot carry it over, so it is left out"
    able = next((container for container in _ABLE if copies(stream, container)), None)
    what = "cover art" if stream.cover else stream.codec
    return f"{name} cannot hold {what}, so it is left out{f' ({able} can)' if able else ''}"


def _is_rewritten(stream: Stream, container: Container, clip: Clip) -> bool:
    """True if the muxer writes a data stream's content anew: chapter titles, the time code."""
    if stream.codec == "bin_data" and stream.tag == "text" and clip.chapters:
        return True
    return stream.tag == "tmcd" and container != "ts" and bool(timecode_of(clip))


def stream_arguments(
    container: Container, fates: tuple[StreamFate, ...], timing: dict[str, str] | None = None
) -> list[str]:
    """ffmpeg's arguments for the kept streams from input 1 (input 0 is the picture): maps, codecs, tags, flags.

    `timing` holds the filters that cut streams to length: bitstream filters for copied "audio" and "video" (others like
    audio; "" for none), and the audio filter of "recode".
    """
    timing = timing or {}
    arguments: list[str] = []
    for n, fate in enumerate(fates):
        stream = fate.stream
        arguments += ["-map", "0:v:0" if fate.way == "convert" else f"1:{stream.index}"]
        arguments += [f"-c:{n}", fate.codec if fate.way == "recode" else "copy"]
        arguments += [f"-map_metadata:s:{n}", f"1:s:{stream.index}", f"-disposition:{n}", _flags(stream)]
        for key in stream.metadata:
            if _STALE.match(key) and (fate.way == "convert" or key.lower() == "duration"):
                arguments += [f"-metadata:s:{n}", f"{key}="]
        if stream.title:
            # MP4 reads a title back as "name", which no muxer accepts as one.
            arguments += [f"-metadata:s:{n}", f"title={stream.title}"]
        if container == "mov" and stream.language in _MOV_LANGUAGES:
            arguments += [f"-metadata:s:{n}", f"language={_MOV_LANGUAGES[stream.language]}"]
        if fate.way == "recode" and stream.kind == "audio":
            arguments += _sound(n, fate, timing.get("recode", ""))
        elif fate.way != "convert" and timing:
            moving = stream.kind == "video" and not stream.cover
            rule = timing["video" if moving else "audio"]
            if rule and stream.kind != "attachment" and not stream.cover:
                arguments += [f"-bsf:{n}", rule]
    return arguments


def _sound(n: int, fate: StreamFate, trim: str) -> list[str]:
    layouts = "aformat=channel_layouts=7.1|5.1|quad|stereo|mono" if fate.codec == "libopus" else ""
    filters = ",".join(part for part in (trim, layouts) if part)
    arguments = [f"-filter:{n}", filters] if filters else []
    if fate.codec in ("aac", "libopus"):
        arguments += [f"-b:{n}", f"{96 * _channels(fate.stream)}k"]
    return arguments


def _channels(stream: Stream) -> int:
    for word, count in (("7.1", 8), ("6.1", 7), ("5.1", 6), ("5.0", 5), ("quad", 4), ("stereo", 2), ("mono", 1)):
        if re.search(rf", {re.escape(word)}", stream.details):
            return count
    counted = re.search(r", (\d+) channels", stream.details)
    return int(counted[1]) if counted else 2


def _flags(stream: Stream) -> str:
    said = {word.replace(" ", "_") for word in re.findall(r"\(([a-z ]+)\)", stream.details)}
    if "attached_pic" not in said and stream.cover:
        said.add("attached_pic")
    return "+".join(flag for flag in _FLAGS if flag in said) or "0"


def _accepted_by_ffmpeg(clip: Clip, plan: StreamPlan) -> StreamPlan:
    """The plan without streams that this ffmpeg refuses, with its message as the reason."""
    others = tuple(fate for fate in plan.kept if fate.way != "convert")
    if not others or not _refusal(clip, plan.container, others):
        return plan
    refused = {fate.stream.index: why for fate in others if (why := _refusal(clip, plan.container, (fate,)))}
    fates = tuple(
        replace(fate, way="drop", reason=f"left out: {refused[fate.stream.index]}")
        if fate.stream.index in refused
        else fate
        for fate in plan.fates
    )
    return replace(plan, fates=fates)


def _refusal(clip: Clip, container: Container, fates: tuple[StreamFate, ...]) -> str:
    """ffmpeg's reason for refusing these streams; "" if it accepts them."""
    with TemporaryFolder() as folder:
        done = run_ffmpeg(
            [
                # Input 0 stands for the picture; nothing is read from it.
                *("-t", "1", *source(clip.path), "-t", "1", *source(clip.path)),
                *stream_arguments(container, fates),
                *("-strict", "experimental", "-f", MUXERS[container], "-y", named(folder / "rehearsal")),
            ]
        )
    return "" if done.status == 0 else done.reason
