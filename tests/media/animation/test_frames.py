"""Frames composed and written, against what is known of them, byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from imgcycle.errors import InputError, OutputError
from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.animation.writer import AnimationWriter
from imgcycle.media.formats import Format
from imgcycle.media.image import colour_management
from imgcycle.media.image.still import Still
from tests.media.animation import made
from tests.media.animation.made import Array, Part, Seen, apng, gif, gif_blocks, loop_block, seen, webp
from tests.media.pictures import scene, wide_profile

RED, GREEN, BLUE, NONE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)
THREE = np.array([RED[:3], GREEN[:3], BLUE[:3]])
SIZE = (6, 4)


def flat(value: int, width: int = 6, height: int = 4) -> Array:
    return np.full((height, width), value, np.uint8)


def moving(data: bytes) -> Animation:
    found = read_picture(data)
    assert isinstance(found, Animation)
    return found


def rgba(still: Still) -> Array:
    most = np.iinfo(still.pixels.dtype).max
    alpha = np.full(still.pixels.shape[:2], most, still.pixels.dtype) if still.alpha is None else still.alpha
    return np.dstack([still.pixels, alpha])


def written(data: bytes, target: Format, **options: Any) -> tuple[bytes, tuple[str, ...]]:
    found, out = moving(data), io.BytesIO()
    writer = AnimationWriter(out, found, target, cover=found.cover, **options)
    for still, delay in zip(found.frames(), found.delays, strict=True):
        writer.add(still, delay)
    writer.finish()
    return out.getvalue(), writer.notes


def noisy(count: int, alpha: bool = False, size: tuple[int, int] = (24, 30), kind: type = np.uint8) -> list[Array]:
    chance = np.random.default_rng(count)
    shape = (count, *size, 4 if alpha else 3)
    return list(chance.integers(0, np.iinfo(kind).max + 1, shape).astype(kind))


# Plays and delays


@pytest.mark.parametrize("name", [b"NETSCAPE2.0", b"ANIMEXTS1.0"])
@pytest.mark.parametrize(("count", "plays"), [(None, 1), (0, 0), (1, 2), (2, 3), (65535, 65536)])
def test_gif_counts_repetitions(count: int | None, plays: int, name: bytes) -> None:
    blocks = [gif_blocks(flat(n % 3)) for n in range(2)]
    loop = [] if count is None else [loop_block(count, name)]
    assert moving(gif(SIZE, *loop, *blocks, palette=THREE)).plays == plays
    assert moving(gif(SIZE, blocks[0], *loop, blocks[1], palette=THREE)).plays == plays


@pytest.mark.parametrize("plays", [0, 1, 2, 7])
@pytest.mark.parametrize("source", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("target", [formats.GIF, formats.PNG, formats.WEBP, formats.AVIF])
def test_as_many_plays_in_every_format(plays: int, source: str, target: Format) -> None:
    loop = [] if plays == 1 else [loop_block(max(plays - 1, 0))]
    pictures = noisy(2)
    data = {
        "GIF": lambda: gif(SIZE, *loop, gif_blocks(flat(0)), gif_blocks(flat(1)), palette=THREE),
        "PNG": lambda: apng(*(Part(p) for p in pictures), plays=plays),
        "WEBP": lambda: webp(pictures, [100, 100], plays),
    }[source]()
    assert seen(data).plays == plays
    made_, _ = written(data, target)
    assert seen(made_).plays == plays
    assert moving(made_).plays == plays


def test_plays_beyond_a_formats_counting_are_said() -> None:
    data = apng(*(Part(p) for p in noisy(2)), plays=100000)
    found, notes = written(data, formats.WEBP)
    assert seen(found).plays == 65535
    assert notes == ("it plays 65535 times, not 100000: WEBP counts no further",)
    found, notes = written(data, formats.GIF)
    assert seen(found).plays == 65536
    assert notes == ("it plays 65536 times, not 100000: GIF counts no further",)
    assert written(data, formats.PNG)[1] == ()


def test_delays_of_every_kind_stay_what_they_were() -> None:
    hundredths = [0, 1, 2, 3, 4, 10, 65535]
    data = gif(SIZE, *(gif_blocks(flat(n % 3), delay=d) for n, d in enumerate(hundredths)), palette=THREE)
    for target in (formats.GIF, formats.PNG, formats.WEBP):
        found, notes = written(data, target)
        assert seen(found).delays == [Fraction(d, 100) for d in hundredths]
        assert notes == ()
    data = webp(noisy(5), [0, 1, 10, 33, 2**24 - 1])
    found, notes = written(data, formats.WEBP)
    assert seen(found).delays == [Fraction(d, 1000) for d in (0, 1, 10, 33, 2**24 - 1)]
    assert notes == ()
    parts = [(1, 24), (1001, 30000), (0, 0), (3, 0), (65535, 1), (1, 65535), (0, 7)]
    data = apng(*(Part(p, delay) for p, delay in zip(noisy(7), parts, strict=True)))
    found, notes = written(data, formats.PNG)
    assert seen(found).delays == seen(data).delays == [Fraction(n, d or 100) for n, d in parts]
    assert notes == ()


def test_fractions_that_a_format_cannot_hold_are_said() -> None:
    data = apng(*(Part(p, (1, 24)) for p in noisy(24)))
    found, notes = written(data, formats.WEBP)
    assert sum(seen(found).delays) == 1
    assert notes == ("delays are rounded to thousandths of a second, which is what the format holds",)
    found, notes = written(data, formats.GIF)
    assert sum(seen(found).delays) == 1
    assert notes == ("delays are rounded to hundredths of a second, which is what the format holds",)
    long = webp(noisy(2), [2**24 - 1, 40])
    found, notes = written(long, formats.PNG)
    assert abs(seen(found).delays[0] - Fraction(2**24 - 1, 1000)) < 1
    assert seen(found).delays[1] == Fraction(40, 1000)
    assert notes == ("delays are rounded to fractions of 16 bits, which is what the format holds",)


@pytest.mark.parametrize("target", [formats.GIF, formats.PNG, formats.WEBP])
def test_frames_that_show_the_same_stay_frames(target: Format) -> None:
    """A writer that merges them would add their delays and shift what anybody cut to frames."""
    one, other = noisy(2, size=(12, 12))
    one, other = one // 64 * 64, other // 64 * 64
    data = webp([one, one, one, other, other, one], [40, 40, 70, 80, 40, 40], 3)
    found, _ = written(data, target)
    assert seen(found) == Seen(target.name, (12, 12), 3, [Fraction(d, 1000) for d in (40, 40, 70, 80, 40, 40)])
    for back, before in zip(moving(found).frames(), (one, one, one, other, other, one), strict=True):
        assert np.array_equal(back.pixels, before)
    for pillow, before in zip(made.composed(found), (one, one, one, other, other, one), strict=True):
        assert np.array_equal(pillow[..., :3], before)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_avif_there_and_back(plays: int, alpha: bool) -> None:
    """Plays and fractions of a second exact, frames that show the same still frames, shapes exact, colours near."""
    frames = [np.roll(scene(), 3 * n // 2, 1) for n in range(4)]
    frames[3] = frames[2]
    if alpha:
        shape = np.arange(56)[None].repeat(40, 0)
        frames = [np.dstack([p, np.where(shape < 9 + n // 2, 0, 255)]).astype(np.uint8) for n, p in enumerate(frames)]
    delays = [(1, 24), (1001, 30000), (1, 10), (1, 24)]
    data = apng(*(Part(p, delay) for p, delay in zip(frames, delays, strict=True)), plays=plays)
    made_, notes = written(data, formats.AVIF)
    assert notes == ()
    assert seen(made_) == Seen("AVIF", (56, 40), plays, [Fraction(*delay) for delay in delays])
    found = moving(made_)
    assert (found.plays, found.delays, found.alpha) == (plays, moving(data).delays, alpha)
    for before, after in zip(frames, found.frames(), strict=True):
        visible = before[..., 3] > 0 if alpha else np.ones(before.shape[:2], np.bool_)
        assert np.abs(after.pixels.astype(int) - before[..., :3])[visible].mean() < 3
        assert after.alpha is None if not alpha else np.array_equal(after.alpha, before[..., 3])  # type: ignore[arg-type]
    assert seen(written(made_, formats.PNG)[0]) == Seen("PNG", (56, 40), plays, [Fraction(*d) for d in delays])


def test_avif_has_no_frames_without_a_delay() -> None:
    data = webp(noisy(3), [0, 40, 100])
    made_, notes = written(data, formats.AVIF)
    assert notes == ("AVIF has no frames without a delay: they are given the shortest",)
    assert seen(made_).delays[0] < Fraction(1, 500)
    assert seen(made_).delays[1:] == [Fraction(40, 1000), Fraction(100, 1000)]
    clocks = [(1, 65521), (1, 65519), (1, 65497)]
    data = apng(*(Part(p, delay) for p, delay in zip(noisy(3), clocks, strict=True)))
    assert written(data, formats.AVIF)[1] == (
        "delays are rounded to thousandths of a second, which is what the format holds",
    )


# GIF


def test_gif_palettes_disposal_and_parts() -> None:
    own = np.array([(9, 8, 7), (200, 100, 50)])
    data = gif(
        SIZE,
        gif_blocks(flat(0)),
        gif_blocks(flat(1, 2, 2), at=(1, 1), disposal=2),
        gif_blocks(flat(1, 3, 2), own, at=(3, 0), disposal=3),
        gif_blocks(flat(2, 1, 1), at=(0, 0), disposal=1),
        gif_blocks(np.array([[0, 1]], np.uint8), own, at=(4, 3), clear=1),
        palette=THREE,
    )
    wanted = np.empty((5, 4, 6, 4), np.uint8)
    wanted[:] = RED
    wanted[1, 1:3, 1:3] = GREEN
    wanted[2:, 1:3, 1:3] = NONE
    wanted[2, 0:2, 3:6] = (200, 100, 50, 255)
    wanted[3:, 0, 0] = BLUE
    wanted[4, 3, 4] = (9, 8, 7, 255)
    for one, still in zip(wanted, moving(data).frames(), strict=True):
        assert np.array_equal(rgba(still), one)


def test_gif_shows_nothing_where_nothing_was_drawn() -> None:
    data = gif(SIZE, gif_blocks(flat(0, 2, 2), at=(1, 1)), gif_blocks(flat(1, 1, 1)), palette=THREE, background=2)
    first, second = (rgba(still) for still in moving(data).frames())
    assert np.array_equal(first[0, 0], NONE)
    assert np.array_equal(first[1, 1], RED)
    assert np.array_equal(second[0, 0], GREEN)
    assert moving(data).alpha


@pytest.mark.parametrize(("clear", "left"), [(None, RED), (2, NONE)])
def test_gif_goes_back_before_the_first_frame(clear: int | None, left: tuple[int, ...]) -> None:
    """To nothing where there can be nothing; an opaque first frame stays, as Pillow has it."""
    data = gif(SIZE, gif_blocks(flat(0), disposal=3, clear=clear), gif_blocks(flat(1, 1, 1), disposal=3), palette=THREE)
    _, second = (rgba(still) for still in moving(data).frames())
    assert np.array_equal(second[0, 0], GREEN)
    assert np.array_equal(second[2, 2], left)
    pillow = made.composed(data)[1]
    assert np.array_equal(pillow * (pillow[..., 3:] > 0), second)


def test_gif_disposal_counts_for_its_own_frame_alone() -> None:
    """A frame that says nothing of its disposal stays, whatever the one before said."""
    data = gif(
        SIZE,
        gif_blocks(flat(0), disposal=2),
        gif_blocks(flat(1), disposal=0),
        gif_blocks(flat(2, 1, 1), control=False),
        palette=THREE,
    )
    last = [rgba(still) for still in moving(data).frames()][2]
    assert np.array_equal(last[3, 5], GREEN)
    assert moving(data).delays[2] == 0


def test_gif_interlaced_and_beyond_the_canvas() -> None:
    rows = np.arange(11, dtype=np.uint8)[:, None].repeat(6, 1) % 3
    data = gif(
        (6, 11),
        gif_blocks(rows, interlaced=True),
        gif_blocks(flat(1, 9, 9), at=(4, 8)),
        gif_blocks(flat(2, 3, 3), at=(40, 50)),
        palette=THREE,
    )
    first, second, third = (rgba(still)[..., :3] for still in moving(data).frames())
    assert np.array_equal(first, THREE[rows])
    assert np.array_equal(second[8:, 4:], np.broadcast_to(GREEN[:3], (3, 2, 3)))
    assert np.array_equal(second[:8], first[:8])
    assert np.array_equal(third, second)


def many_colours(count: int, at: int = 0) -> tuple[Array, Array]:
    """Indices (16, 16) and a palette of 256, of which `count` are used."""
    number = np.arange(256) % count + at
    palette = np.stack([number & 255, number >> 8, (number * 7) & 255], 1)
    return (np.arange(256) % count).astype(np.uint8).reshape(16, 16), palette


def test_every_one_of_256_colours_is_kept() -> None:
    indices, palette = many_colours(256)
    data = gif((16, 16), gif_blocks(indices, palette), gif_blocks(indices[::-1], palette), palette=palette)
    found, _ = written(data, formats.GIF)
    for picture, wanted in zip(made.composed(found), (indices, indices[::-1]), strict=True):
        assert np.array_equal(picture[..., :3], palette[wanted])


def test_every_one_of_256_colours_is_kept_around_what_does_not_change() -> None:
    indices, palette = many_colours(256)
    first = np.insert(indices, 8, indices[0], 0)
    second = first[:, ::-1].copy()
    second[8] = first[8]
    data = gif((16, 17), gif_blocks(first, palette), gif_blocks(second, palette), palette=palette)
    found, _ = written(data, formats.GIF)
    for picture, wanted in zip(made.composed(found), (first, second), strict=True):
        assert np.array_equal(picture[..., :3], palette[wanted])


def test_more_than_256_colours_through_palettes_of_frames() -> None:
    """Four quarters of 256 colours each, drawn one after the other, are 1024 on the last frame."""
    blocks = []
    wanted = np.zeros((32, 32, 3), np.uint8)
    for n, (x, y) in enumerate([(0, 0), (16, 0), (0, 16), (16, 16)]):
        indices, palette = many_colours(256, 256 * n)
        wanted[y : y + 16, x : x + 16] = palette[indices]
        blocks.append(gif_blocks(indices, palette, at=(x, y), delay=0 if n < 3 else 50, disposal=1))
    data = gif((32, 32), *blocks, palette=THREE)
    assert len(np.unique(wanted.reshape(-1, 3), axis=0)) == 1024
    found, _ = written(data, formats.GIF)
    assert np.array_equal(made.composed(found)[3][..., :3], wanted)
    assert np.array_equal(list(moving(found).frames())[3].pixels, wanted)
    assert seen(found).delays == [0, 0, 0, Fraction(1, 2)]


def test_clear_places_come_and_go() -> None:
    """A sprite that moves, with 255 colours of its own beside what is clear."""
    indices, palette = many_colours(255)
    frames = []
    for n in range(4):
        sprite = np.full((16, 16), 255, np.uint8)
        sprite[:, 3 * n :] = indices[:, 3 * n :] if n < 3 else indices[:, ::-1][:, 3 * n :]
        frames.append(sprite)
    back = [*frames, *frames[::-1]]
    data = gif((16, 16), *(gif_blocks(f, palette, clear=255, disposal=2) for f in back), palette=palette)
    found, notes = written(data, formats.GIF)
    assert notes == ()
    assert len(seen(found).delays) == 8
    wanted = [np.where((f == 255)[..., None], 0, np.dstack([palette[f % 255], np.full(f.shape, 255)])) for f in back]
    for one, still, pillow in zip(wanted, moving(found).frames(), made.composed(found), strict=True):
        assert np.array_equal(rgba(still) * (one[..., 3:] > 0), one)
        assert np.array_equal(rgba(still)[..., 3], one[..., 3])
        assert np.array_equal(pillow[..., 3], one[..., 3])
        assert np.array_equal(pillow * (one[..., 3:] > 0), one)


def test_half_transparency_in_gif_is_said() -> None:
    data = apng(*(Part(p) for p in noisy(2, alpha=True)))
    found, notes = written(data, formats.GIF)
    assert notes == ("GIF knows no half transparency: each pixel is opaque or clear",)
    for before, after in zip(moving(data).frames(), moving(found).frames(), strict=True):
        assert before.alpha is not None
        assert after.alpha is not None
        assert np.array_equal(after.alpha == 255, before.alpha >= 128)


# PNG


def test_png_disposal_and_blending() -> None:
    whole = np.broadcast_to(np.array(RED, np.uint8), (4, 6, 4)).copy()
    half = np.broadcast_to(np.array((0, 0, 255, 128), np.uint8), (2, 2, 4)).copy()
    data = apng(
        Part(whole, disposal=1),
        Part(half, at=(1, 1), blend=1, disposal=2),
        Part(half, at=(3, 2), blend=0),
        Part(np.dstack([half[..., :3], np.zeros((2, 2), np.uint8)]), at=(3, 2), blend=1),
        Part(half, at=(3, 2), blend=1),
    )
    found = [rgba(still) for still in moving(data).frames()]
    assert np.array_equal(found[0], whole)
    # Over nothing, half transparent blue is half transparent blue.
    assert np.array_equal(found[1][1, 1], (0, 0, 255, 128))
    assert np.array_equal(found[1][0, 0], NONE)
    assert np.array_equal(found[2][1, 1], NONE)
    assert np.array_equal(found[2][2, 3], (0, 0, 255, 128))
    assert np.array_equal(found[3], found[2])
    assert np.array_equal(found[4][2, 3], (0, 0, 255, 192))


def test_png_half_over_opaque() -> None:
    whole = np.broadcast_to(np.array(RED, np.uint8), (4, 6, 4)).copy()
    half = np.broadcast_to(np.array((0, 0, 255, 51), np.uint8), (2, 2, 4)).copy()
    _, second = moving(apng(Part(whole), Part(half, at=(2, 1), blend=1))).frames()
    assert np.array_equal(rgba(second)[1, 2], (204, 0, 51, 255))
    assert second.alpha is None


def test_png_keeps_its_16_bits() -> None:
    pictures = noisy(3, size=(12, 10), kind=np.uint16)
    data = apng(*(Part(p) for p in pictures))
    found, notes = written(data, formats.PNG)
    assert notes == ()
    assert found[24] == 16
    for before, after in zip(pictures, moving(found).frames(), strict=True):
        assert np.array_equal(after.pixels, before)
    _, notes = written(data, formats.WEBP)
    assert notes == ("16 bits a channel became 8: WEBP has no more",)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_png(channels: int, kind: type) -> None:
    pictures = [p[..., :channels] for p in noisy(3, kind=kind)]
    found, _ = written(apng(*(Part(p) for p in pictures)), formats.PNG)
    for before, after in zip(pictures, moving(found).frames(), strict=True):
        assert np.array_equal(after.pixels, before[..., :1].repeat(3, 2))
        if channels == 2:
            assert after.alpha is not None
            assert np.array_equal(after.alpha, before[..., 1])


def test_png_with_a_palette() -> None:
    indices = [np.arange(24, dtype=np.uint8).reshape(4, 6, 1) % 3, np.full((4, 6, 1), 2, np.uint8)]
    table = made.chunk(b"PLTE", THREE.astype(np.uint8).tobytes()) + made.chunk(b"tRNS", b"\xff\x80\0")
    data = apng(*(Part(p) for p in indices), extra=table)
    kind = struct.pack(">IIBBBBB", 6, 4, 8, 3, 0, 0, 0)
    data = data[:8] + made.chunk(b"IHDR", kind) + data[33:]
    for still, wanted in zip(moving(data).frames(), indices, strict=True):
        assert np.array_equal(still.pixels, THREE[wanted[..., 0]])
        assert still.alpha is not None
        assert np.array_equal(still.alpha, np.array([255, 128, 0])[wanted[..., 0]])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_picture_that_is_no_frame_stays_one(count: int) -> None:
    cover, *pictures = noisy(count + 1)
    data = apng(*(Part(p, (n + 1, 24)) for n, p in enumerate(pictures)), plays=2, cover=cover)
    found = moving(data)
    assert found.cover is not None
    assert np.array_equal(found.cover.pixels, cover)
    result, _ = written(data, formats.PNG)
    assert seen(result) == seen(data)
    kinds = [kind for kind, _ in made.chunks(result) if kind in (b"IDAT", b"fcTL")]
    assert kinds.index(b"IDAT") < kinds.index(b"fcTL")
    again = moving(result)
    assert again.cover is not None
    assert np.array_equal(again.cover.pixels, cover)
    for still, wanted in zip(again.frames(), pictures, strict=True):
        assert np.array_equal(still.pixels, wanted)
    # What knows no such picture holds the frames alone.
    assert len(list(moving(data).frames())) == count


# WebP


@pytest.mark.parametrize("target", [formats.PNG, formats.WEBP])
@pytest.mark.parametrize("alpha", [False, True])
def test_no_value_is_lost_without_loss(target: Format, alpha: bool) -> None:
    pictures = noisy(4, alpha)
    pictures[2][:7] = pictures[1][:7]
    pictures[3][:, 5:] = pictures[2][:, 5:]
    for data in (webp(pictures, [50] * 4), apng(*(Part(p) for p in pictures))):
        found, notes = written(data, target)
        assert notes == ()
        for still, wanted, pillow in zip(moving(found).frames(), pictures, made.composed(found), strict=True):
            shown = wanted if alpha else np.dstack([wanted, np.full(wanted.shape[:2], 255, np.uint8)])
            assert np.array_equal(rgba(still)[shown[..., 3] > 0], shown[shown[..., 3] > 0])
            assert np.array_equal(rgba(still)[..., 3], shown[..., 3])
            assert np.array_equal(pillow[..., 3], shown[..., 3])


def test_gif_into_webp_loses_no_colour_unless_asked() -> None:
    data = gif(SIZE, gif_blocks(flat(0)), gif_blocks(flat(1, 2, 3), at=(1, 1)), palette=THREE)
    exact, _ = written(data, formats.WEBP)
    for before, after in zip(moving(data).frames(), moving(exact).frames(), strict=True):
        assert np.array_equal(before.pixels, after.pixels)
    assert b"VP8L" in exact
    assert b"VP8L" not in written(data, formats.WEBP, quality=50)[0]


def test_gif_holds_no_profile_and_gets_the_colours_of_srgb() -> None:
    packed = zlib.compress(wide_profile())
    pictures = noisy(2)
    data = apng(*(Part(p) for p in pictures), extra=made.chunk(b"iCCP", b"wide\0\0" + packed))
    like = moving(data).like
    assert like.metadata.icc
    found, _ = written(data, formats.GIF)
    for still, picture in zip(moving(found).frames(), pictures, strict=True):
        wanted = colour_management.in_srgb(picture, like.metadata.icc).astype(int)
        near = np.abs(wanted.mean((0, 1)) - still.pixels.mean((0, 1)))
        assert near.max() < 2 < np.abs(wanted.mean((0, 1)) - picture.mean((0, 1))).max()
    kept, _ = written(data, formats.WEBP)
    assert moving(kept).like.metadata.icc == like.metadata.icc


def test_what_is_larger_than_a_format_can_hold() -> None:
    wide = np.zeros((2, 17000, 3), np.uint8)
    with pytest.raises(OutputError, match="17000×2 is more than WebP can hold"):
        written(apng(Part(wide), Part(wide)), formats.WEBP)
    data = apng(*(Part(np.zeros((1, 65536, 3), np.uint8)) for _ in range(2)))
    with pytest.raises(OutputError, match="65536×1 is more than GIF can hold"):
        written(data, formats.GIF)


# Damage


def test_a_first_frame_smaller_than_the_canvas_leaves_it_clear() -> None:
    """Only beside a picture that is no frame may it be so, but files that are damaged are as well."""
    small, large = np.full((4, 5, 3), 200, np.uint8), np.zeros((12, 9, 3), np.uint8)
    data = apng(Part(small, at=(2, 3)), Part(small, at=(0, 0)), cover=large)
    assert moving(data).alpha
    found, _ = written(data, formats.PNG)
    for still in moving(found).frames():
        assert still.alpha is not None
        assert (still.alpha == 0).sum() in (12 * 9 - 20, 12 * 9 - 37)


def animations() -> dict[str, bytes]:
    pictures = noisy(6)
    return {
        "GIF": gif(SIZE, *(gif_blocks(flat(n % 3)) for n in range(6)), palette=THREE),
        "PNG": apng(*(Part(p) for p in pictures)),
        "WEBP": webp(pictures, [50] * 6),
    }


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_what_was_cut_off_is_said_or_whole(format_: str) -> None:
    data = animations()[format_]
    whole = [rgba(still) for still in moving(data).frames()]
    said = set()
    for end in range(len(data) - len(data) // 8 if format_ == "GIF" else len(data) // 2, len(data)):
        try:
            found = read_picture(data[:end])
            assert isinstance(found, Animation)
            frames = [rgba(still) for still in found.frames()]
        except InputError as error:
            said.add(str(error))
            continue
        if format_ == "GIF":
            # Cut between two frames nothing is known of those that are gone.
            assert end == len(data) - 1 or len(frames) < 6
            for one, other in zip(frames, whole, strict=False):
                assert np.array_equal(one, other)
        else:
            assert len(frames) == 6
    assert said
    if format_ == "GIF":
        assert "the file ends in the middle of frame 6" in said
        assert "frame 5 of 5: the file ends in the middle of it" in said
    elif format_ == "PNG":
        assert "the file ends after 5 of 6 frames" in said
        assert "frame 6 of 6: it is damaged, or the file ends in the middle of it" in said


def test_damage_names_its_frame() -> None:
    data = animations()["PNG"]
    at = data.rindex(b"fdAT") + 40
    broken = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    found = moving(broken).frames()
    for _ in range(5):
        next(found)
    with pytest.raises(InputError, match="frame 6 of 6: it is damaged"):
        next(found)


def test_png_frames_out_of_order_or_place() -> None:
    pictures = noisy(3)
    data = apng(*(Part(p) for p in pictures))
    at = data.rindex(b"fcTL") + 4
    body = struct.pack(">I", 9) + data[at + 4 : at + 26]
    with pytest.raises(InputError, match="out of order after 2"):
        read_picture(data[: at - 8] + made.chunk(b"fcTL", body) + data[at + 30 :])
    outside = apng(Part(pictures[0]), Part(pictures[1][:4, :4], at=(29, 0)))
    with pytest.raises(InputError, match="frame 2 of 2: it does not lie within the picture"):
        list(moving(outside).frames())


def test_each_frame_is_bounded_not_their_sum() -> None:
    data = animations()["PNG"]
    assert isinstance(read_picture(data, 24 * 30), Animation)
    with pytest.raises(InputError, match="--max-pixels 720 allows it"):
        read_picture(data, 24 * 30 - 1)
    huge = gif(
        SIZE,
        gif_blocks(flat(0)),
        gif_blocks(flat(1), at=(0, 0)).replace(struct.pack("<HH", *SIZE), struct.pack("<HH", 60000, 60000)),
        palette=THREE,
    )
    found = moving(huge).frames()
    next(found)
    with pytest.raises(InputError, match="frame 2 of 2: 60000×60000 pixels"):
        next(found)


def test_frames_are_decoded_one_at_a_time() -> None:
    """A thousand frames take what a few take: they are made when they are asked for, and nobody keeps them."""
    import tracemalloc

    picture = np.zeros((200, 200, 3), np.uint8)
    data = apng(*(Part(picture) for _ in range(300)))
    found, out = moving(data), io.BytesIO()
    writer = AnimationWriter(out, found, formats.WEBP)
    tracemalloc.start()
    try:
        for still, delay in zip(found.frames(), found.delays, strict=True):
            writer.add(still, delay)
        writer.finish()
        assert tracemalloc.get_traced_memory()[1] < 40 * picture.nbytes
    finally:
        tracemalloc.stop()
    assert len(seen(out.getvalue()).delays) == 300
