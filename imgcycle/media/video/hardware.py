"""Hardware video encoders, detected by encoding one frame."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

from imgcycle.media.video.ffmpeg import Running

_SIZE = (256, 144)


@dataclass(frozen=True)
class HardwareEncoder:
    """ffmpeg's encoder, the arguments that open its device, and the filter that uploads frames to it."""

    encoder: str
    device: tuple[str, ...] = ()
    upload: str = ""

    def quality(self, crf: int) -> tuple[str, ...]:
        """Options closest to a constant quality of `crf`."""
        if self.encoder.endswith("nvenc"):
            return ("-rc", "vbr", "-cq", str(crf), "-b:v", "0")
        if self.encoder.endswith("videotoolbox"):
            # Its scale runs from 1 to 100, best last.
            return ("-q:v", str(max(1, round(100 - crf * 1.6))))
        if self.encoder.endswith("qsv"):
            return ("-global_quality", str(crf))
        return ("-rc_mode", "CQP", "-qp", str(crf))


@cache
def find_hardware(codec: str) -> HardwareEncoder | None:
    """First encoder for `codec` (h264, hevc, av1) that works on this machine; None if there is none."""
    return next((encoder for encoder in _candidates(codec) if _works(encoder)), None)


def _candidates(codec: str) -> list[HardwareEncoder]:
    if sys.platform == "darwin":
        return [HardwareEncoder(f"{codec}_videotoolbox")]
    found = [HardwareEncoder(f"{codec}_nvenc"), HardwareEncoder(f"{codec}_qsv")]
    if sys.platform == "linux":
        device = ("-vaapi_device", "/dev/dri/renderD128")
        found.append(HardwareEncoder(f"{codec}_vaapi", device, "format=nv12|p010,hwupload"))
    return found


def _works(encoder: HardwareEncoder) -> bool:
    width, height = _SIZE
    chain = ["-vf", encoder.upload] if encoder.upload else []
    with Running(
        [
            *encoder.device,
            *("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-i", "pipe:0"),
            *(*chain, "-frames:v", "1", "-c:v", encoder.encoder, *encoder.quality(24), "-f", "null", "-"),
        ],
        stdin=True,
    ) as run:
        try:
            run.stdin.write(bytes(width * height * 3 // 2))
            run.stdin.close()
        except OSError:
            return False
        return run.wait() == 0
