"""Reading what ffmpeg says of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.errors import InputError
from imgcycle.media.video.ffmpeg import ProcessResult, run_ffmpeg
from imgcycle.media.video.probing.pixel_formats import carries_alpha, chroma_of, depth_of
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.probing.report import _ffmetadata, _rotations, _streams, read_header

PHONE = """\
  Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 163 kb/s (default)
    Metadata:
      handler_name    : Core Media Audio
  Stream #0:1[0x2](und): Audio: none (apac / 0x63617061), 48000 Hz, 4.0, 323 kb/s
  Stream #0:2[0x3](und): Video: hevc (Main 10) (hvc1 / 0x31637668), yuv420p10le(tv, bt2020nc/bt2020/arib-std-b67), \
1920x1080, 24.23 kb/s, 29.98 fps, 29.97 tbr, 600 tbn (default)
    Metadata:
      handler_name    : Core Media Video
      title           : one
                      : two
    Side data:
      DOVI configuration record: version: 1.0, profile: 8
      Display Matrix: rotation of -90.00 degrees
  Stream #0:3[0x4](und): Data: none (mebx / 0x7862656D), 0 kb/s (default)
  Stream #0:4[0x0]: Video: mjpeg (Baseline), yuvj420p(pc), 400x400, 90k tbr, 90k tbn (attached pic)
  Stream #0:5(deu): Subtitle: ass (ssa) (forced)
  Stream #0:6: Attachment: ttf""".splitlines()


def test_a_phones_clip() -> None:
    streams, rates, side_data = _streams(PHONE)
    assert [stream.kind for stream in streams] == ["audio", "audio", "video", "data", "video", "subtitle", "attachment"]
    assert [stream.codec for stream in streams] == ["aac", "none", "hevc", "none", "mjpeg", "ass", "ttf"]
    assert [stream.tag for stream in streams] == ["mp4a", "apac", "hvc1", "mebx", "", "", ""]
    assert [stream.cover for stream in streams] == [False] * 4 + [True, False, False]
    assert [stream.default for stream in streams] == [True, False, True, True, False, False, False]
    assert [stream.language for stream in streams] == [""] * 5 + ["deu", ""]
    assert streams[2].title == "one\ntwo"
    assert _rotations(side_data) == {2: 90}
    assert side_data[2][0] == "DOVI configuration record: version: 1.0, profile: 8"
    assert rates[2] == Fraction("29.98")
    assert [str(streams[n]) for n in (3, 5)] == ["data stream 3 (mebx)", "subtitle stream 5 (ass, deu)"]


VIDEO = "Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709, progressive), 64x48, 25 fps, 25 tbr, 12800 tbn"
REPORTS = {
    # A time code beside its film, as ffmpeg 9 lists it.
    "track reference": """\
  Stream group #0:0[0x3]: Track Reference:
    Stream #0:0[0x1](eng): {video} (default)
      Metadata:
        handler_name    : VideoHandler
        timecode        : 01:00:00:00
      Side data:
        Display Matrix: rotation of 180.00 degrees
    Stream #0:2[0x3](eng): Data: none (tmcd / 0x64636D74), 0 kb/s
      Metadata:
        timecode        : 01:00:00:00
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, mono, fltp, 70 kb/s (default)
    Metadata:
      handler_name    : SoundHandler""",
    # The same as ffmpeg 7 had it: what is told of a stream stands six spaces in.
    "flat": """\
  Stream #0:0[0x1](eng): {video} (default)
      Metadata:
        handler_name    : VideoHandler
        timecode        : 01:00:00:00
      Side data:
        displaymatrix: rotation of 180.00 degrees
        Display Matrix: rotation of 180.00 degrees
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, mono, fltp, 70 kb/s (default)
      Metadata:
        handler_name    : SoundHandler
  Stream #0:2[0x3](eng): Data: none (tmcd / 0x64636D74), 0 kb/s
      Metadata:
        timecode        : 01:00:00:00""",
    # Programs share streams, groups stand in groups, and what a group tells of itself belongs to no stream.
    "shared": """\
  Chapters:
    Chapter #0:0: start 0.000000, end 1.000000
      Metadata:
        title           : Stream #0:9: Video: none
  Program 1
    Metadata:
      service_name    : One
      Stream #0:0[0x1](eng): {video} (default)
            Metadata:
              handler_name    : VideoHandler
                              : Stream #0:7: Video: h264
              timecode        : 01:00:00:00
            Side data:
              Display Matrix: rotation of 180.00 degrees
  Program 2
    Stream #0:0[0x1](eng): {video} (default)
  Stream group #0:0[0x1]: IAMF Audio Element:
    Metadata:
      handler_name    : other
    Layer 0: stereo
      Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, mono, fltp, 70 kb/s (default)
        Metadata:
          handler_name    : SoundHandler
  Stream group #0:1[0x4]: Tile Grid: hevc (Main), yuv420p(tv), 4032x3024 (default)
  Stream group #0:2[0x5]: LCEVC: h264, yuv420p, 128x96
    Side data:
      Display Matrix: rotation of 90.00 degrees
  No Program
  Stream #0:2[0x3](eng): Data: none (tmcd / 0x64636D74), 0 kb/s""",
}


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_is_read_by_what_stands_below_what(kind: str) -> None:
    streams, rates, side_data = _streams(REPORTS[kind].format(video=VIDEO).splitlines())
    assert [(stream.index, stream.kind, stream.tag) for stream in streams] == [
        (0, "video", "avc1"),
        (1, "audio", "mp4a"),
        (2, "data", "tmcd"),
    ]
    assert [stream.language for stream in streams] == ["eng"] * 3
    assert streams[0].metadata["timecode"] == "01:00:00:00"
    assert streams[1].metadata == {"handler_name": "SoundHandler"}
    assert (_rotations(side_data), rates) == ({0: 180}, {0: Fraction(25)})


def test_any_language_and_any_kind_of_stream_is_read() -> None:
    lines = ["  Stream #0:0(zh-Hans-CN): Audio: aac (LC), 48000 Hz, mono", "  Stream #0:1[0x2]: Haptics: hapt"]
    streams, _, _ = _streams([*lines, "  Stream #0:2(): Video: h264, 4x4 (dependent)"])
    assert [(s.index, s.kind, s.language) for s in streams] == [
        (0, "audio", "zh-Hans-CN"),
        (1, "data", ""),
        (2, "video", ""),
    ]


def test_a_chapters_own_tags_do_not_move_it() -> None:
    section = [
        "[CHAPTER]",
        "TIMEBASE=1/1000",
        "START=500",
        "END=900",
        "title=One",
        "START=soon",
        "END=later",
        "TIMEBASE=0/0",
    ]
    _, chapters, count = _ffmetadata("\n".join([";FFMETADATA1", "[STREAM]", "title=x", *section]), Fraction(0))
    assert [(c.start, c.end, c.title) for c in chapters] == [(Fraction(1, 2), Fraction(9, 10), "One")]
    assert count == 1


def test_a_frame_in_many_minutes_has_no_rate() -> None:
    assert _streams(["  Stream #0:0: Video: h264, 4x4, 0k fps, 25 tbr"])[1] == {}


@pytest.mark.parametrize(
    ("word", "other", "said"),
    [
        ("Stream #0:0", "Track 0", r"2 streams are in it, and ffmpeg's report tells of 1 alone \(.*newer"),
        ("Video:", "Film:", r"ffmpeg finds a video in it, which its report does not name as one \(.*newer"),
        ("Video: h264 ", "Video: none ", r"video stream 0 \(avc1\) is coded in a way that ffmpeg does not know"),
    ],
)
def test_a_film_that_cannot_be_read_is_not_passed_over(
    steady: Path, monkeypatch: pytest.MonkeyPatch, word: str, other: str, said: str
) -> None:
    """A report in words of a later ffmpeg: its own count says that more is there."""
    assert [stream.kind for stream in read_header(steady).streams] == ["video", "audio"]

    def renamed(arguments: Sequence[str], **options: Any) -> ProcessResult:
        done = run_ffmpeg(arguments, **options)
        return replace(done, log=tuple((level, text.replace(word, other)) for level, text in done.log))

    monkeypatch.setattr("imgcycle.media.video.probing.report.run_ffmpeg", renamed)
    with pytest.raises(InputError, match=said):
        probe_video(steady)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=4), TEXT, st.integers(0, 9000), st.integers(0, 9000))
def test_metadata_come_back_whatever_they_hold(metadata: dict[str, str], title: str, start: int, end: int) -> None:
    def escaped(text: str) -> str:
        return "".join(f"\\{c}" if c in "=;#\\\n" else c for c in text)

    lines = [f"{escaped(key)}={escaped(value)}" for key, value in metadata.items()]
    lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={escaped(title)}"]
    found, chapters, _ = _ffmetadata(";FFMETADATA1\n" + "\n".join(lines) + "\n", Fraction(1, 2))
    assert found == metadata
    (chapter,) = chapters
    assert chapter.title == title
    assert (chapter.start, chapter.end) == (
        Fraction(start, 1000) - Fraction(1, 2),
        Fraction(end, 1000) - Fraction(1, 2),
    )


def test_pixel_formats() -> None:
    names = ["yuv420p", "yuvj422p", "nv12", "p010le", "yuv444p12le", "gbrp", "rgb48le", "x2rgb10le"]
    names += ["yuva444p16le", "gray10le", "bgra", "pal8"]
    assert [depth_of(name) for name in names] == [8, 8, 8, 10, 12, 8, 16, 10, 16, 10, 8, 8]
    assert [chroma_of(name) for name in names[:8]] == ["420", "422", "420", "420", "444", "444", "444", "444"]
    assert [name for name in names if carries_alpha(name)] == ["yuva444p16le", "bgra", "pal8"]
