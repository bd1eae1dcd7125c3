"""What goes into which container."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imgcycle.errors import UsageError
from imgcycle.media.video.containers import copies, recoded
from imgcycle.media.video.probing.clip import Stream
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.streams import _fate, container_for, plan_streams, stream_arguments, suffix_for
from tests.media.video.probing.test_clip import made_up


def sound(codec: str) -> Stream:
    return Stream(1, "audio", codec)


def test_the_container_is_kept_where_it_can_be() -> None:
    clip = made_up([0, 3000], streams=(sound("aac"),))
    assert container_for(clip, "h264") == "mp4"
    assert container_for(replace(clip, path=Path("a.MOV")), "hevc") == "mov"
    matroska = replace(clip, container="matroska,webm", path=Path("a.mkv"))
    assert container_for(matroska, "ffv1") == "mkv"
    web = replace(matroska, path=Path("a.webm"))
    assert [container_for(web, codec) for codec in ("av1", "h264")] == ["webm", "mkv"]
    stream = replace(clip, container="mpegts", path=Path("a.MTS"))
    assert [container_for(stream, codec) for codec in ("h264", "av1")] == ["ts", "mp4"]
    assert suffix_for(stream, "ts") == ".MTS"
    assert suffix_for(stream, "mp4") == ".mp4"
    for name, codec, wanted in (("avi", "mp3", "mp4"), ("avi", "wmav2", "mkv"), ("gif", "aac", "mp4")):
        old = replace(made_up([0, 3000], streams=(sound(codec),)), container=name)
        assert container_for(old, "h264") == wanted
    assert container_for(clip, "h264", ".m4v") == "mp4"
    for container, codec, said in ((".webm", "h264", "webm"), ("gif", "h264", "no clip"), (".ts", "av1", "cannot go")):
        with pytest.raises(UsageError, match=said):
            container_for(clip, codec, container)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stream", "container", "copied", "instead"),
    [
        (sound("vorbis"), "mp4", False, "aac"),
        (sound("vorbis"), "webm", True, ""),
        (sound("flac"), "mov", False, "alac"),
        (sound("wmav2"), "mkv", True, ""),
        (sound("none"), "mkv", False, ""),
        (Stream(1, "subtitle", "subrip"), "mp4", False, "mov_text"),
        (Stream(1, "subtitle", "mov_text"), "mkv", False, "subrip"),
        (Stream(1, "subtitle", "hdmv_pgs_subtitle"), "mp4", False, ""),
        (Stream(1, "attachment", "ttf"), "mkv", True, ""),
        (Stream(1, "attachment", "ttf"), "mp4", False, ""),
        (Stream(1, "data", "bin_data", tag="gpmd"), "mp4", True, ""),
        (Stream(1, "data", "none", tag="mebx"), "mov", False, ""),
        (Stream(1, "video", "vp8"), "mp4", False, ""),
        (Stream(1, "video", "mjpeg", cover=True), "mp4", True, ""),
        (Stream(1, "video", "mjpeg", cover=True), "webm", False, ""),
    ],
)
def test_what_is_copied_and_what_is_turned_into_what(
    stream: Stream, container: str, copied: bool, instead: str
) -> None:
    assert copies(stream, container) is copied  # type: ignore[arg-type]
    if not copied:
        assert recoded(stream, container) == instead  # type: ignore[arg-type]


@pytest.mark.parametrize(("cover", "said"), [(False, "another track of pictures, which stays as it is"), (True, "")])
def test_a_second_track_of_pictures_is_spoken_of(cover: bool, said: str) -> None:
    second = Stream(1, "video", "mjpeg", cover=cover)
    fate = _fate(second, "mkv", made_up([0, 3600], streams=(second,)))
    assert (fate.way, fate.reason) == ("copy", said)


def check_every_loss_is_named(rich: Path) -> None:
    clip = probe_video(rich)
    assert plan_streams(clip, "mkv").notes == ()
    plan = plan_streams(clip, "mp4")
    assert [fate.way for fate in plan.fates] == ["convert", "copy", "recode", "recode", "drop"]
    assert plan.notes == (
        "audio stream 2 (vorbis, deu): mp4 cannot hold vorbis, so it becomes aac",
        "subtitle stream 3 (subrip, fra): mp4 cannot hold subrip, so it becomes its own kind of text (mov_text)",
        "attachment stream 4 (letters.ttf): mp4 cannot hold attachments, so it is left out (mkv can)",
    )
    silent = plan_streams(clip, "mkv", audio=False)
    assert [fate.way for fate in silent.fates] == ["convert", "drop", "drop", "copy", "copy"]
    words = " ".join(stream_arguments("mp4", plan.kept))
    assert "-map 0:v:0 -c:0 copy" in words
    assert "-c:2 aac" in words


def check_what_ffmpeg_refuses_is_found_out_beforehand(rich: Path) -> None:
    clip = probe_video(rich)
    # A table that is wrong about a codec must cost that stream, not the film.
    plan = plan_streams(replace(clip, streams=(*clip.streams[:3], replace(clip.streams[3], codec="mov_text"))), "mp4")
    assert plan.fates[3].way == "drop"
    assert "left out: " in plan.notes[-1]


def test_losses_are_named_beforehand(rich: Path) -> None:
    check_every_loss_is_named(rich)
    check_what_ffmpeg_refuses_is_found_out_beforehand(rich)
