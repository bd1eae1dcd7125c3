"""Sources of frames: a clip, an animation, numbered images, or a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol

from imgcycle.errors import InputError
from imgcycle.jobs.images.cost import image_cost
from imgcycle.jobs.images.image import load_bytes
from imgcycle.jobs.ledger import file_digest
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.fingerprints import fingerprint
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.formats import PNG, by_suffix
from imgcycle.media.image.pixels import eight_bit
from imgcycle.media.image.read import measure_file
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import FrameReader, TimedFrame, scaled_size, within_height
from imgcycle.media.video.filters import StoredPlanes, stored_planes
from imgcycle.media.video.probing.clip import Clip
from imgcycle.media.video.probing.clock import jumps_note
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.sequences import ImageSequence as Pictures
from imgcycle.media.video.sequences import find_sequence, read_sequence
from imgcycle.media.video.y4m import Y4mFormat
from imgcycle.media.video.y4m_pipes import Pipes, Y4mReader

_STILL = "a picture that does not move"
_STILL_HINT = "imgcycle convert takes it"
_INTERLACED = "interlaced: both fields are converted as one picture"
_DEEP_CODECS = ("hevc", "av1", "ffv1")


class FrameSource(Protocol):
    """Frames to convert: number, size, and reading from any frame on.

    `span` are the frames' numbers, `frames` how many there are, `digest` identifies the input (of a file its SHA-256),
    `notes` are lines for the user before any work, `problems` errors found while reading. `stop` ends reading from any
    thread. `clip`, `animation` and `stream` are set if there is one; `stored` where frames can be read as planes of
    luma and colour, which `planes` asks for before `open`. Of a stream `frames` is 0, since nobody knows, and
    `span` ends with the last frame only when that was read.
    """

    start: Fraction | None
    end: Fraction | None
    span: range
    frames: int
    width: int
    height: int
    deep: bool
    sar: Fraction
    rate: Fraction
    digest: str
    notes: tuple[str, ...]
    problems: tuple[str, ...] = ()
    clip: Clip | None = None
    animation: Animation | None = None
    stream: Y4mFormat | None = None
    stored: StoredPlanes | None = None
    planes: bool = False

    def stop(self) -> None:
        """End reading, from whatever thread."""
        return  # where frames come at once nobody waits

    def name_of(self, number: int) -> int:
        """Number of a frame in the name of its image, by default counted from 1."""
        return number - self.span.start + 1

    def open(self, after: int | None, stop: int | None = None) -> AbstractContextManager[Iterator[TimedFrame]]:
        """Yield frames after number `after`, up to the one before number `stop`."""
        ...

    def ends(self, seconds: Fraction) -> Callable[[int], bool]: ...


@dataclass(frozen=True)
class OutputMedium:
    """Properties of the output: name, bits a channel, whether it consists of images, alpha."""

    name: str
    bits: int
    pictures: bool = False
    alpha: bool = False

    @classmethod
    def of(cls, task: ClipTask) -> OutputMedium:
        """Image format of a sequence, else the codec; for an animation its writer reports losses."""
        if task.output_kind == "stream":
            return cls("y4m", 16)
        if task.output_kind == "clip":
            return cls(task.options.codec, 10 if task.options.codec in _DEEP_CODECS else 8)
        format = by_suffix(task.output)
        if format is None:
            return cls("pictures", 8, True)
        if task.output_kind == "animation":
            return cls(format.name, 16, True, True)
        return cls(format.name, 16 if format.deep else 8, True, format.alpha)


def open_source(task: ClipTask, pipes: Pipes | None = None) -> FrameSource:
    """The frames of a task, a stream's from its pipe; InputError if there are none."""
    (start, end), medium = task.options.span, OutputMedium.of(task)
    height = None if task.output_kind == "animation" else task.options.max_height
    path = Path(task.input)
    if task.input_kind == "stream":
        assert pipes is not None
        assert pipes.reads is not None
        return StreamSource(Y4mReader(pipes.reads), start, end, height, medium)
    if task.input_kind == "sequence":
        return SequenceSource(find_sequence(path, Fraction(task.options.fps)), start, end, medium)
    if task.input_kind == "animation":
        return AnimationSource(path, start, end, height, medium)
    return ClipSource(probe_video(path), start, end, height, medium)


class FrameFacts(NamedTuple):
    """Width and height of a task's frames, whether they are 16-bit, and the bytes for reading (and for an animation
    writing) one of them beside the frames in the pipeline.
    """

    width: int
    height: int
    deep: bool
    held: int = 0


def measure_frames(task: ClipTask) -> FrameFacts:
    """Properties known before decoding; InputError if a task cannot be opened."""
    path, height = Path(task.input), task.options.max_height
    if task.input_kind == "sequence":
        pictures = find_sequence(path, Fraction(task.options.fps))
        return FrameFacts(pictures.width, pictures.height, pictures.deep)
    if task.input_kind == "clip":
        clip = probe_video(path)
        return FrameFacts(*scaled_size(clip, height), clip.depth > 8)
    facts, target = measure_file(path), by_suffix(task.output)
    if task.output_kind != "animation" or target is None:
        cost = image_cost(facts, path.stat().st_size, task.frames, PNG.name)
        return FrameFacts(*within_height(facts.width, facts.height, height), facts.deep, cost.reading)
    cost = image_cost(facts, path.stat().st_size, task.frames, target.name)
    return FrameFacts(facts.width, facts.height, facts.deep, max(cost.reading, cost.held + cost.writing))


def open_animation(path: Path) -> tuple[Animation, str]:
    """A file's animation, and the file's SHA-256; InputError for an image that is not animated."""
    data = load_bytes(path)
    found = read_picture(data)
    if not isinstance(found, Animation):
        raise InputError(_STILL, _STILL_HINT)
    return found, hashlib.sha256(data).hexdigest()


def timed_frames(animation: Animation, chosen: range) -> Iterator[TimedFrame]:
    """Frames of these numbers with the times at which viewers show them."""
    if not chosen:
        return
    for number, still in zip(range(chosen.stop), animation.frames(), strict=False):
        if number >= chosen.start:
            at, ends = animation.starts[number : number + 2]
            yield TimedFrame(at, still.pixels, ends - at, number, still.alpha)


class ClipSource(FrameSource):
    """Frames of a clip between two times, at most `height` lines high."""

    _reader: FrameReader | None = None

    def __init__(
        self, clip: Clip, start: Fraction | None, end: Fraction | None, height: int | None, medium: OutputMedium
    ) -> None:
        self.clip = self._clip = clip
        self.start, self.end = start, end
        self._height = height
        self.span = clip.span(start, end)
        self.frames = len(self.span)
        if not self.frames:
            raise InputError(f"no frame is in that part: the clip is {float(clip.end):.3f} s long")
        self.width, self.height = scaled_size(clip, height)
        self.sar, self.rate = clip.sar, clip.frame_rate
        self.deep = clip.depth > 8 and medium.bits > 8
        self.stored = stored_planes(clip, self.width, self.height)
        self.digest = file_digest(clip.path)
        self.notes = _clip_notes(clip, medium)

    @contextmanager
    def open(self, after: int | None, stop: int | None = None) -> Iterator[Iterator[TimedFrame]]:
        part = _part(self.span, after, stop)
        reader = FrameReader(
            self._clip,
            start=self.start,
            end=self.end,
            first=part.start,
            stop=part.stop,
            height=self._height,
            deep=self.deep,
            planes=self.planes,
        )
        self._reader = reader
        with reader:
            yield reader
            self.problems = reader.problems

    def stop(self) -> None:
        """End decoding."""
        if self._reader is not None:
            self._reader.close()

    def ends(self, seconds: Fraction) -> Callable[[int], bool]:
        clip, origin, last = self._clip, self._clip.time(self.span[0]), self.span[-1]
        return lambda n: n >= last or (clip.time(n + 1) - origin) // seconds > (clip.time(n) - origin) // seconds


class SequenceSource(FrameSource):
    """Numbered pictures at a constant rate."""

    def __init__(self, pictures: Pictures, start: Fraction | None, end: Fraction | None, medium: OutputMedium) -> None:
        self._pictures, self.start, self.end = pictures, start, end
        self.span = pictures.span(start, end)
        self.frames = len(self.span)
        if not self.frames:
            raise InputError(
                f"no picture is in that part: the sequence is {float(pictures.frames / pictures.rate):.3f} s long"
            )
        self.width, self.height, self.deep = pictures.width, pictures.height, pictures.deep
        self.sar, self.rate = Fraction(1), pictures.rate
        self.digest = fingerprint(pictures.pattern).digest
        self.notes = _sequence_notes(pictures, medium)

    def name_of(self, number: int) -> int:
        return self._pictures.numbers[number]

    @contextmanager
    def open(self, after: int | None, stop: int | None = None) -> Iterator[Iterator[TimedFrame]]:
        part = _part(self.span, after, stop)
        yield read_sequence(self._pictures, start=self.start, end=self.end, first=part.start, stop=part.stop)

    def ends(self, seconds: Fraction) -> Callable[[int], bool]:
        first, last, each = self.span[0], self.span[-1], self.rate * seconds
        return lambda n: n >= last or (n + 1 - first) // each > (n - first) // each


class AnimationSource(FrameSource):
    """Frames of an animation with their own times, at most `height` lines high."""

    def __init__(
        self, path: Path, start: Fraction | None, end: Fraction | None, height: int | None, medium: OutputMedium
    ) -> None:
        self._animation, self.digest = open_animation(path)
        self.animation = self._animation
        self.start, self.end = start, end
        self.span = self._animation.span(start, end)
        self.frames = len(self.span)
        starts = self._animation.starts
        if not self.frames:
            raise InputError(f"no frame is in that part: the animation is {float(starts[-1]):.3f} s long")
        self.width, self.height = within_height(*self._animation.size, height)
        self.deep = self._animation.deep and medium.bits > 8
        self.sar, self.rate = Fraction(1), (len(starts) - 1) / starts[-1]
        self.notes = _picture_notes(self._animation.deep, self._animation.alpha, medium)

    @contextmanager
    def open(self, after: int | None, stop: int | None = None) -> Iterator[Iterator[TimedFrame]]:
        part = _part(self.span, after, stop)
        yield map(self._fitted, timed_frames(self._animation, self.span[part.start : part.stop]))

    def _fitted(self, frame: TimedFrame) -> TimedFrame:
        """The frame in the wanted bit depth and size."""
        pixels, alpha = frame.frame, frame.alpha
        if self._animation.deep and not self.deep:
            pixels, alpha = eight_bit(pixels), None if alpha is None else eight_bit(alpha)
        if pixels.shape[:2] != (self.height, self.width):
            shape = (self.height, self.width)
            pixels = reduced(pixels, shape)
            alpha = None if alpha is None else reduced(alpha, shape)
        return frame._replace(frame=pixels, alpha=alpha)

    def ends(self, seconds: Fraction) -> Callable[[int], bool]:
        starts, last = self._animation.starts, self.span[-1]
        origin = starts[self.span.start]
        return lambda n: n >= last or (starts[n + 1] - origin) // seconds > (starts[n] - origin) // seconds


class StreamSource(FrameSource):
    """Frames of a y4m stream, read once; `stop` does not wait for the next one."""

    digest = ""

    def __init__(
        self, reader: Y4mReader, start: Fraction | None, end: Fraction | None, height: int | None, medium: OutputMedium
    ) -> None:
        self._reader, self.stream = reader, reader.format
        form = reader.format
        self.start, self.end = start, end
        self.span, self.frames = reader.span(start, end), 0
        self.width, self.height = within_height(form.width, form.height, height)
        self.deep = form.depth > 8 and medium.bits > 8
        self.sar, self.rate = form.sar, form.rate
        self.notes = _depth_notes(form.depth, medium)
        if form.order in "tb":
            self.notes += (_INTERLACED,)

    @contextmanager
    def open(self, after: int | None, stop: int | None = None) -> Iterator[Iterator[TimedFrame]]:
        assert after is None
        del stop  # which is its end, unknown until it is there
        yield self._timed()
        if self._reader.problem:
            self.problems = (self._reader.problem,)

    def _timed(self) -> Iterator[TimedFrame]:
        first, number = self.span.start, self.span.start - 1
        for number, frame in self._reader.read(self.span, self.width, self.height, deep=self.deep):
            yield TimedFrame(number / self.rate, frame, 1 / self.rate, number)
        self.span = range(first, number + 1)

    def stop(self) -> None:
        """End reading."""
        self._reader.stop()

    def ends(self, seconds: Fraction) -> Callable[[int], bool]:
        first, each = self.span.start, self.rate * seconds
        return lambda n: (n + 1 - first) // each > (n - first) // each


def _part(span: range, after: int | None, stop: int | None) -> range:
    """Places in a span of the frames after one of them and before another."""
    first = 0 if after is None else min(len(span), after + 1 - span.start)
    return range(first, len(span) if stop is None else min(len(span), stop - span.start))


def _clip_notes(clip: Clip, medium: OutputMedium) -> tuple[str, ...]:
    notes = [note] if (note := jumps_note(clip.jumps)) else []
    if clip.is_hdr:
        notes.append(f"HDR ({clip.colour.transfer}) becomes SDR (bt709), tone-mapped")
    else:
        notes += _depth_notes(clip.depth, medium)
    if clip.carries:
        notes.append(f"left out, as frames are coded anew: {', '.join(clip.carries)}")
    if clip.own_colours:
        notes.append("Dolby Vision profile 5 has colours of its own, which ffmpeg does not read: they will look wrong")
    if clip.has_alpha:
        notes.append("transparency, where there is any, is left out: clips are written without")
    if clip.interlaced:
        notes.append(_INTERLACED)
    return tuple(notes)


def _depth_notes(depth: int, medium: OutputMedium) -> tuple[str, ...]:
    """A line on bits that are not written."""
    if depth <= 8 or medium.bits > 8:
        return ()
    better = "" if medium.pictures else " (--codec hevc keeps 10)"
    return (f"{depth} bits a channel become 8, which is what {medium.name} keeps{better}",)


def _sequence_notes(pictures: Pictures, medium: OutputMedium) -> tuple[str, ...]:
    notes = []
    if pictures.gaps:
        follow = "" if medium.pictures else ": the next ones follow at once"
        notes.append(f"no pictures numbered {', '.join(pictures.gaps)}{follow}")
    return (*notes, *_picture_notes(pictures.deep, pictures.has_alpha, medium))


def _picture_notes(deep: bool, alpha: bool, medium: OutputMedium) -> tuple[str, ...]:
    """One line for each property of the images that is not written."""
    notes = []
    if deep and medium.bits < 16:
        notes.append(f"16 bits a channel become {medium.bits}, which is what {medium.name} keeps")
    if alpha and not medium.alpha:
        notes.append(f"transparency is left out: {medium.name} has none")
    return tuple(notes)
