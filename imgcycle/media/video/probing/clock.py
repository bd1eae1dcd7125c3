"""Concatenated recordings: detection of jumps in a clip's clock, and their removal.

Transport streams joined with `cat`, and files that a camera or receiver split and somebody joined, restart their
timestamps in the middle. The parts are found from the packets' timestamps, and each is shifted to where the one before
it ends: all its streams by the same time, which keeps sound and picture synchronous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from imgcycle.media.temporary_folder import TemporaryFolder
from imgcycle.media.video.ffmpeg import named, run_ffmpeg, source
from imgcycle.media.video.probing.clip import NO_TIME, Stream, Ticks
from imgcycle.media.video.probing.framecrc import read_packets

_LEAP = 10
"""Seconds that a clock may advance at once within one recording; ffmpeg has the same limit."""
_SLACK = 1
"""Seconds by which the starts and ends of one part's streams may differ."""
_LOOSE = ("mpegts", "mpeg", "flv", "ogg", "asf", "nut", "rm")
"""Containers whose packets carry the sender's timestamps. In others a gap is a frame of that duration."""
_FAR = 1 << 40
"""Offset in ticks, beyond any clip's length, that marks artificial timestamps."""


@dataclass(frozen=True)
class Clock:
    """ffmpeg's input arguments that make the clock continuous, and the times of its jumps.

    `jumps` are the times at which parts are joined, in seconds of the continuous clock.
    """

    arguments: tuple[str, ...] = ()
    jumps: tuple[Fraction, ...] = ()


@dataclass(frozen=True)
class _Track:
    """Packets of one stream in file order: tick of its clock, packet number, presentation and decoding times."""

    stream: Stream
    base: Fraction
    number: Ticks
    pts: Ticks
    dts: Ticks

    @property
    def step(self) -> int:
        """Duration of a packet in ticks (median)."""
        steps = np.diff(np.sort(self.pts))
        steps = steps[steps > 0]
        return int(np.median(steps)) if len(steps) else 1

    def seconds(self, ticks: int | np.int64) -> Fraction:
        return int(ticks) * self.base


@dataclass(frozen=True)
class _Part:
    """Start and end of a stream's share of a part, in its own clock."""

    start: Fraction
    end: Fraction

    def holds(self, seconds: Fraction) -> bool:
        return self.start - _SLACK <= seconds <= self.end + _SLACK


def may_jump(container: str, time_base: Fraction, dts: Ticks) -> bool:
    """True if the decoding times of the video, in file order, suggest joined parts.

    ffmpeg never returns one before the last: where time steps back, the last one is repeated.
    """
    steps = np.diff(dts[dts != NO_TIME])
    if not len(steps):
        return False
    far = container.startswith(_LOOSE) and int(steps.max()) * time_base > _LEAP
    return bool(far or (steps <= 0).any())


def jumps_note(jumps: Sequence[Fraction]) -> str:
    """One line on a clock that jumps at these times; "" without jumps."""
    if not jumps:
        return ""
    times = "once" if len(jumps) == 1 else f"{len(jumps):,} times"
    first = f"{float(jumps[0]):.3f} s"
    return f"the clock jumps {times}, first at {first}: recordings were joined, and follow each other at once"


def running_clock(path: Path, container: str, streams: Sequence[Stream], video: Stream) -> Clock:
    """Read all packet times, find the parts and how to shift them; an empty `Clock` without jumps."""
    timed = [stream for stream in streams if stream.kind != "attachment" and not stream.cover]
    tracks = _tracks(path, timed) or _tracks(path, [s for s in timed if s.kind in ("video", "audio")])
    seen = next((track for track in tracks if track.stream.index == video.index), None)
    if seen is None:
        return Clock()
    sounds = [track for track in tracks if track.stream.kind == "audio"]
    begins = _part_starts(seen, sounds, container.startswith(_LOOSE))
    if len(begins) == 1:
        return Clock()
    parts = [_part(seen, at, to) for at, to in zip(begins, [*begins[1:], len(seen.dts)], strict=True)]
    rows = {track.stream.index: begins if track is seen else _found(track, parts) for track in tracks}
    shifts = _shifts([seen, *sounds], rows, len(parts))
    arguments: list[str] = []
    for track in tracks:
        arguments += _moved(track, rows[track.stream.index], shifts)
    jumps = [part.start - shift for part, shift in zip(parts, shifts, strict=True)]
    return Clock(tuple(arguments), tuple(jumps[1:]))


def _tracks(path: Path, streams: Sequence[Stream]) -> list[_Track]:
    """Packets of every stream, in one pass; empty if ffmpeg cannot write one of them."""
    found: list[_Track] = []
    with TemporaryFolder() as folder:
        before: list[str] = []
        after: list[str] = []
        for stream in streams:
            # ffmpeg would correct the times under study: so decoding times become packet numbers, and the real ones are
            # passed in the duration field.
            rules = f"pts=PTS:dts=N-{_FAR}:duration=if(eq(DTS\\,NOPTS)\\,0\\,DTS+{_FAR})"
            before += [f"-bsf:{stream.index}", f"setts={rules}"]
            after += ["-map", f"0:{stream.index}", "-c", "copy", "-copyinkf", "-copy_unknown", "-f", "framecrc"]
            after += [named(folder / str(stream.index))]
        if run_ffmpeg(["-copyts", *source(path, *before), *after]).status != 0:
            return []
        for stream in streams:
            base, rows = read_packets((folder / str(stream.index)).read_bytes())
            pts, number, length = rows[:, 0], rows[:, 1] + _FAR, rows[:, 2]
            dts = np.where(length > 0, length - _FAR, pts)
            known = (dts != NO_TIME) & (number >= 0)
            pts, number, dts = pts[known], number[known], dts[known]
            if len(dts):
                # Only video is reordered; ffmpeg derives audio times from the decoding times.
                shown = np.where(pts == NO_TIME, dts, pts) if stream.kind == "video" else dts
                found.append(_Track(stream, base, number, shown, dts))
    return found


def _part_starts(video: _Track, sounds: Sequence[_Track], loose: bool) -> list[int]:
    """Rows at which parts begin; the first is 0."""
    steps = np.diff(video.dts)
    far = max(int(_LEAP / video.base), 20 * video.step)
    begins = [0]
    for n in np.flatnonzero((steps < 0) | (steps > far)):
        if steps[n] < 0 or (
            loose and not _has_sound_between(sounds, video.seconds(video.dts[n]), video.seconds(video.dts[n + 1]))
        ):
            begins.append(int(n) + 1)
    return begins


def _has_sound_between(sounds: Sequence[_Track], last: Fraction, first: Fraction) -> bool:
    """True if there is sound in a gap between two frames: then the frame is just long, and nothing was joined."""
    for track in sounds:
        low, high = (int(seconds / track.base) for seconds in (last + 2 * _SLACK, first - 2 * _SLACK))
        if ((track.dts > low) & (track.dts < high)).any():
            return True
    return False


def _part(track: _Track, row: int, to: int) -> _Part:
    pts = track.pts[row:to]
    return _Part(track.seconds(pts.min()), track.seconds(pts.max() + track.step))


def _found(track: _Track, parts: Sequence[_Part]) -> list[int]:
    """Row of a stream at which each part begins, from its own jumps and the times of the parts."""
    steps = np.diff(track.dts, prepend=track.dts[:1])
    slack = int(_SLACK / track.base)
    begins, part = [0], 0
    for n in (0, *np.flatnonzero((steps < 0) | (steps > slack))):
        seconds, step = track.seconds(track.dts[n]), track.seconds(steps[n])
        if step >= 0 and parts[part].holds(seconds):
            continue
        for other in range(part + 1, len(parts)):
            # A small step back is an error in the file, unless the video steps back as far.
            flaw = -_SLACK < step < 0 and abs(step - (parts[other].start - parts[part].end)) > _SLACK / 2
            if parts[other].holds(seconds) and not flaw:
                begins += [int(n)] * (other - part)
                part = other
                break
    return begins + [len(track.dts)] * (len(parts) - len(begins))


def _shifts(tracks: Sequence[_Track], rows: dict[int, list[int]], count: int) -> list[Fraction]:
    """Seconds to subtract from each part's times, so that no stream begins before its previous part has ended."""
    shifts = [Fraction(0)]
    ends: dict[int, Fraction] = {}
    for n in range(count):
        shares = {}
        for track in tracks:
            begins = [*rows[track.stream.index], len(track.dts)]
            if begins[n] < begins[n + 1]:
                shares[track.stream.index] = _part(track, begins[n], begins[n + 1])
        leads = [share.start - ends[index] for index, share in shares.items() if index in ends]
        if n:
            shifts.append(min(leads, default=shifts[-1]))
        for index, share in shares.items():
            ends[index] = max(share.end - shifts[n], ends.get(index, share.end - shifts[n]))
    return shifts


def _moved(track: _Track, rows: Sequence[int], shifts: Sequence[Fraction]) -> list[str]:
    """Packet filters that subtract each part's shift from a stream's times."""
    terms = []
    ticks = [round(shift / track.base) for shift in shifts]
    for n in range(1, len(rows)):
        step = ticks[n] - ticks[n - 1]
        if step and rows[n] < len(track.number):
            terms.append(f"gte(N\\,{track.number[rows[n]]})*{step}")
    if not terms:
        return []
    total = "+".join(terms).replace("+-", "-")
    rules = ":".join(f"{name.lower()}=if(eq({name}\\,NOPTS)\\,NOPTS\\,{name}-({total}))" for name in ("PTS", "DTS"))
    return [f"-bsf:{track.stream.index}", f"setts={rules}"]
