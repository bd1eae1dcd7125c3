"""The tests of clips with the oldest ffmpeg that pyproject.toml allows: `pytest tests/drills/test_oldest_ffmpeg.py`.

`.ci/run` has the newest. The wheel is fetched with pip into a folder of its own; nothing installed changes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIPS = (
    *(
        "tests/media/video",
        "tests/jobs/video/test_run.py",
        "tests/jobs/video/test_plan.py",
        "tests/jobs/evaluation/test_flicker.py",
    ),
    *("tests/jobs/test_video_kills.py", "tests/jobs/video/test_pipeline.py", "tests/cli/test_video.py"),
)


def test_clips_with_the_oldest_ffmpeg(tmp_path: Path) -> None:
    required = re.search(r'"imageio-ffmpeg>=([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert required is not None
    wheels = ("-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", tmp_path)
    subprocess.run([sys.executable, *wheels, f"imageio-ffmpeg=={required[1]}"], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if re.search(r"/binaries/ffmpeg-[^/]+$", name))
        executable = Path(packed.extract(name, tmp_path))
    executable.chmod(0o755)
    tests = [sys.executable, "-m", "pytest", "-q", *CLIPS]
    done = subprocess.run(tests, cwd=ROOT, env={**os.environ, "IMAGEIO_FFMPEG_EXE": str(executable)}, check=False)
    assert done.returncode == 0
