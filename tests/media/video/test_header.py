"""Reading what ffmpeg says of a file."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from imgcycle.media.video.header import _ffmetadata, _streams
from imgcycle.media.video.pixel_formats import chroma_of, depth_of, has_alpha

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
    streams, rotations, rates = _streams(PHONE)
    assert [stream.kind for stream in streams] == ["audio", "audio", "video", "data", "video", "subtitle", "attachment"]
    assert [stream.codec for stream in streams] == ["aac", "none", "hevc", "none", "mjpeg", "ass", "ttf"]
    assert [stream.tag for stream in streams] == ["mp4a", "apac", "hvc1", "mebx", "", "", ""]
    assert [stream.cover for stream in streams] == [False] * 4 + [True, False, False]
    assert [stream.default for stream in streams] == [True, False, True, True, False, False, False]
    assert [stream.language for stream in streams] == [""] * 5 + ["deu", ""]
    assert streams[2].title == "one\ntwo"
    assert rotations == {2: 90}
    assert rates[2] == Fraction("29.98")
    assert [str(streams[n]) for n in (3, 5)] == ["data stream 3 (mebx)", "subtitle stream 5 (ass, deu)"]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=4), TEXT, st.integers(0, 9000), st.integers(0, 9000))
def test_metadata_come_back_whatever_they_hold(metadata: dict[str, str], title: str, start: int, end: int) -> None:
    def escaped(text: str) -> str:
        return "".join(f"\\{c}" if c in "=;#\\\n" else c for c in text)

    lines = [f"{escaped(key)}={escaped(value)}" for key, value in metadata.items()]
    lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={escaped(title)}"]
    found, chapters = _ffmetadata(";FFMETADATA1\n" + "\n".join(lines) + "\n", Fraction(1, 2))
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
    assert [name for name in names if has_alpha(name)] == ["yuva444p16le", "bgra", "pal8"]
