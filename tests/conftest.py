"""What every test relies on: one torch thread, so that bytes do not depend on how busy the machine is."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
