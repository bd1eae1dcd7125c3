"""Tiny clips, made once a session with the real ffmpeg."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media.video.clips import make, subtitles, words


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def steady(folder: Path) -> Path:
    """48 frames at 24 a second, a key frame every 8 with open groups between, and a tone."""
    path = folder / "steady.mp4"
    make(
        *("-f", "lavfi", "-i", "testsrc2=s=64x36:r=24:d=2", "-f", "lavfi", "-i", "sine=440:d=2"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "veryfast", "-g", "8", "-x264-params", "open-gop=1"),
        *("-c:a", "aac", path),
    )
    return path


@pytest.fixture(scope="session")
def uneven(folder: Path) -> Path:
    """20 frames whose steps grow from 10 to 48 ms, at times a millisecond clock cannot tell; 4:4:4 and 65×37."""
    path = folder / "uneven.mp4"
    make(
        *("-f", "lavfi", "-i", "testsrc=s=65x37:r=25:d=0.8", "-vf", "settb=1/16000,setpts=N*(160+16*N)"),
        *("-fps_mode", "passthrough", "-enc_time_base", "1/16000", "-video_track_timescale", "16000"),
        *("-c:v", "libx264", "-pix_fmt", "yuv444p", "-preset", "veryfast", "-bf", "2", path),
    )
    return path


@pytest.fixture(scope="session")
def rich(folder: Path) -> Path:
    """Two languages of sound, subtitles, a font attached, chapters, a title; pixels are 128:117."""
    path = folder / "rich.mkv"
    subtitles(folder / "lines.srt")
    words(folder / "words.txt")
    (folder / "letters.ttf").write_bytes(b"not really a font")
    make(
        *("-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=1.2", "-f", "lavfi", "-i", "sine=440:d=1.2"),
        *("-f", "lavfi", "-i", "sine=880:d=1.2", "-i", folder / "lines.srt", "-i", folder / "words.txt"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map_metadata", "4", "-map_chapters", "4"),
        *("-vf", "setsar=sar=128/117:max=1000", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "veryfast"),
        *("-c:a:0", "aac", "-c:a:1", "libvorbis", "-c:s", "srt"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata:s:a:1", "title=Ton"),
        *("-metadata:s:s:0", "language=fra", "-attach", folder / "letters.ttf"),
        *("-metadata:s:t", "mimetype=font/ttf", "-metadata:s:t", "filename=letters.ttf", path),
    )
    return path
