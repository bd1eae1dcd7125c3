"""Headers of y4m streams, and their frames as ffmpeg itself makes and reads them."""

from __future__ import annotations

import io
import threading
from fractions import Fraction

import numpy as np
import pytest

from imgcycle.errors import InputError, OutputError
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.video.y4m import Y4mFormat, tag_for, y4m_format
from imgcycle.media.video.y4m_pipes import Y4mReader, Y4mWriter
from tests.media.video.clips import ffmpeg

COLOURS = np.array(
    [(255, 0, 0), (0, 170, 0), (0, 0, 255), (128, 128, 128), (20, 200, 240), (250, 240, 5), (3, 3, 3), (255, 255, 255)],
    np.uint8,
)
"""A 16-pixel square of each, side by side."""
WIDE, HIGH = 16 * len(COLOURS), 16


def pictured(n: int = 0) -> Pixels:
    return np.repeat(np.repeat(np.roll(COLOURS, n, 0)[None], 16, 0), 16, 1)


def streamed(
    pixel_format: str, frames: int = 3, matrix: str = "smpte170m", spread: str = "tv", sar: str = "1"
) -> bytes:
    """The squares, moved by one from frame to frame, as ffmpeg streams them."""
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDE}x{HIGH}", "-r", "30000/1001", "-i", "-")
    scaled = f"scale=out_color_matrix={matrix}:out_range={spread}:flags=accurate_rnd+full_chroma_int"
    chain = f"{scaled},format={pixel_format},setparams=range={spread},setsar=sar={sar}:max=1000"
    told = ("-strict", "-1", "-f", "yuv4mpegpipe", "-")
    return ffmpeg(*raw, "-vf", chain, *told, data=b"".join(pictured(n).tobytes() for n in range(frames)))


def middles(frame: Pixels) -> np.ndarray:
    return frame[8, 8::16].astype(np.int64)


@pytest.mark.parametrize(
    ("pixel_format", "spread", "off"),
    [
        ("yuv420p", "tv", 2),
        ("yuv422p", "tv", 2),
        ("yuv444p", "tv", 2),
        ("yuv420p", "pc", 2),
        ("yuv420p10le", "tv", 0.6),
        ("yuv422p10le", "tv", 0.6),
        ("yuv444p12le", "tv", 0.3),
    ],
)
def test_frames_as_ffmpeg_streams_them(pixel_format: str, spread: str, off: float) -> None:
    data = streamed(pixel_format, spread=spread, sar="128/117")
    reader = Y4mReader(io.BytesIO(data))
    form = reader.format
    assert (form.width, form.height, form.rate, form.range) == (WIDE, HIGH, Fraction(30000, 1001), spread)
    assert (form.pixel_format, form.sar) == (pixel_format, Fraction(128, 117))
    deep = form.depth > 8
    frames = list(reader.read(reader.span(None, None), WIDE, HIGH, deep=deep))
    assert [n for n, _ in frames] == [0, 1, 2]
    assert (reader.frames, reader.problem) == (3, "")
    for n, frame in frames:
        assert frame.dtype == (np.uint16 if deep else np.uint8)
        assert np.abs(middles(frame) / (257 if deep else 1) - np.roll(COLOURS, n, 0)).max() <= off

    # And out again: what ffmpeg makes of the stream is the picture that went in.
    made: list[bytes] = []
    writer = Y4mWriter(lambda block: made.append(bytes(block)), form)
    for _, frame in frames:
        writer.put(frame)
    writer.close()
    again = y4m_format(made[0])
    assert again == form
    chain = f"scale=in_color_matrix=smpte170m:in_range={spread}:out_range=pc:flags=accurate_rnd+full_chroma_int"
    seen = ffmpeg("-i", "-", "-vf", f"{chain},format=rgb24", "-f", "rawvideo", "-", data=b"".join(made))
    found = np.frombuffer(seen, np.uint8).reshape(-1, HIGH, WIDE, 3)
    assert len(found) == 3
    for n, frame in enumerate(found):
        assert np.abs(middles(frame) - np.roll(COLOURS, n, 0)).max() <= 2 + (form.chroma != "444")
    # The samples themselves come back, in the middle of each square.
    luma = slice(0, WIDE * HIGH)
    kind = "<u2" if deep else np.uint8
    before, after = (np.frombuffer(d, kind)[luma] for d in (data.split(b"FRAME\n", 1)[1], made[2]))
    assert np.abs(before.reshape(HIGH, WIDE)[8, 8::16].astype(int) - after.reshape(HIGH, WIDE)[8, 8::16]).max() <= 1


def test_grey_frames_stay_grey_and_large_ones_have_another_matrix() -> None:
    reader = Y4mReader(io.BytesIO(streamed("gray", 1, spread="pc")))
    assert (reader.format.tag, reader.format.range) == ("mono", "pc")
    ((_, frame),) = reader.read(reader.span(None, None), WIDE, HIGH, deep=False)
    greys = np.rint(COLOURS @ np.array([0.299, 0.587, 0.114]))
    assert np.abs(middles(frame) - greys[:, None]).max() <= 1
    assert reader.format.coloured().tag == "420jpeg"
    for lines, matrix in ((719, "smpte170m"), (720, "bt709")):
        assert Y4mFormat(64, lines, Fraction(25)).colour.matrix == matrix


def test_a_part_of_a_stream() -> None:
    data = streamed("yuv444p", 6)
    reader = Y4mReader(io.BytesIO(data))
    rate = Fraction(30000, 1001)
    span = reader.span(2 / rate, 5 / rate)
    assert span == range(2, 5)
    found = list(reader.read(span, WIDE // 2, HIGH // 2, deep=False))
    assert [n for n, _ in found] == [2, 3, 4]
    for n, frame in found:
        assert frame.shape == (HIGH // 2, WIDE // 2, 3)
        assert np.abs(frame[4, 4::8].astype(int) - np.roll(COLOURS, n, 0)).max() <= 4


def test_odd_sizes_have_whole_samples_of_colour() -> None:
    sizes = [
        Y4mFormat(5, 3, Fraction(1), tag).frame_bytes for tag in ("420jpeg", "422", "444", "mono", "420p10", "mono16")
    ]
    assert sizes == [15 + 2 * 6, 15 + 2 * 9, 45, 15, 2 * (15 + 12), 30]
    assert [len(Y4mFormat(5, 3, Fraction(1), tag).neutral) for tag in ("420jpeg", "mono", "mono10")] == [0, 12, 24]
    head = b"YUV4MPEG2 W5 H3 C420jpeg\nFRAME\n"
    reader = Y4mReader(io.BytesIO(head + bytes([120] * 15 + [128] * 12)))
    ((_, frame),) = reader.read(reader.span(None, None), 5, 3, deep=False)
    assert frame.shape == (3, 5, 3)
    assert np.abs(frame.astype(int) - round((120 - 16) * 255 / 219)).max() <= 1


@pytest.mark.parametrize(
    ("line", "form"),
    [
        (b"YUV4MPEG2 W64 H36\n", Y4mFormat(64, 36, Fraction(25))),
        (b"YUV4MPEG2 W64 H36 F0:0 A0:0 I?\n", Y4mFormat(64, 36, Fraction(25), order="?")),
        (
            b"YUV4MPEG2 H36 W64 F24000:1001 It A64:45 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=FULL XAbc d\n",
            Y4mFormat(64, 36, Fraction(24000, 1001), "420mpeg2", Fraction(64, 45), "pc", "t"),
        ),
        (b"YUV4MPEG2 W64 H36 F25:1 Ip XYSCSS=422P10\n", Y4mFormat(64, 36, Fraction(25), "422p10")),
        (b"YUV4MPEG2 W64 H36 Cmono10 XCOLORRANGE=LIMITED\n", Y4mFormat(64, 36, Fraction(25), "mono10")),
    ],
)
def test_headers(line: bytes, form: Y4mFormat) -> None:
    assert y4m_format(line) == form
    assert y4m_format(form.header()) == form


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "no frames came"),
        (b"hello\n", "no y4m stream"),
        (b"YUV4MPEG2 W64 H36", "no y4m stream"),
        (b"YUV4MPEG3 W64 H36\n", "no y4m stream"),
        (b"YUV4MPEG2 W64\n", "a size of ''"),
        (b"YUV4MPEG2 W0 H36\n", "a size of '0'"),
        (b"YUV4MPEG2 W64 H999999999\n", "a size of"),
        (b"YUV4MPEG2 W64 H36 C411\n", "kind '411' are not read"),
        (b"YUV4MPEG2 W64 H36 C420p11\n", "kind '420p11' are not read"),
        (b"YUV4MPEG2 W64 H36 C444alpha\n", "kind '444alpha' are not read"),
        (b"YUV4MPEG2 W64 H36 Im\n", "frames and fields mixed"),
    ],
)
def test_what_is_no_header(line: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Y4mReader(io.BytesIO(line))


@pytest.mark.parametrize(
    ("rest", "frames", "problem"),
    [
        (b"", 1, ""),
        (b"FRAME Ip Xa\n" + bytes(27), 2, ""),
        (b"FRAME\n" + bytes(20), 1, "the stream ends within frame 2"),
        (b"FRAME\n", 1, "the stream ends within frame 2"),
        (b"FRAM", 1, "frame 2 does not begin like one, so the stream ends there"),
        (b"FRAMES\n" + bytes(27), 1, "frame 2 does not begin like one, so the stream ends there"),
        (b"x" * 5000, 1, "frame 2 does not begin like one, so the stream ends there"),
    ],
)
def test_where_streams_end(rest: bytes, frames: int, problem: str) -> None:
    reader = Y4mReader(io.BytesIO(b"YUV4MPEG2 W5 H3\nFRAME\n" + bytes(27) + rest))
    assert len(list(reader.read(reader.span(None, None), 5, 3, deep=False))) == frames
    assert reader.problem == problem


def test_what_a_clip_becomes() -> None:
    kinds = [("420", 8), ("422", 8), ("444", 8), ("other", 8), ("420", 10), ("444", 12)]
    assert [tag_for(*kind) for kind in kinds] == ["420mpeg2", "422", "444", "420mpeg2", "420p10", "444p12"]


def test_what_the_stream_says_is_raised_where_frames_are_put() -> None:
    def refuse(block: bytes | memoryview) -> None:
        if len(block) == WIDE * HIGH * 3:
            raise BrokenPipeError(32, "gone")

    writer = Y4mWriter(refuse, Y4mFormat(WIDE, HIGH, Fraction(25), "444"))
    with pytest.raises(BrokenPipeError):  # noqa: PT012 - at the next frame, or at the end
        for n in range(100):
            writer.put(pictured(n))
        writer.close()
    with pytest.raises(ValueError, match="a frame of shape"):
        writer.put(pictured()[1:])


def test_a_reader_that_does_not_read_holds_nobody_up_who_stops() -> None:
    reads = threading.Event()
    writer = Y4mWriter(lambda _: reads.wait(60), Y4mFormat(WIDE, HIGH, Fraction(25), "444"))
    ended: list[str] = []

    def put() -> None:
        with pytest.raises(OutputError) as caught:  # noqa: PT012 - once all pipes are full
            while True:
                writer.put(pictured())
        ended.append(caught.value.message)

    putting = threading.Thread(target=put)
    putting.start()
    writer.abort()
    while not ended:  # it may not have begun when it was stopped
        putting.join(0.05)
        writer.abort()
    putting.join()
    assert ended == ["stopped"]
    reads.set()
