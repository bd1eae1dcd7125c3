"""Files of taesungp/contrastive-unpaired-translation: CUT's and FastCUT's generator, with its blur filters inside.

The official names, shifted by the blurs: convolutions at `model.{1,4,8}`, blocks from `model.12` on, then
`model.{22,26,30}` for 9 blocks; `filt` buffers of 3×3 on the way down, of 4×4 on the way up.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble

_TAPS = {3: (1.0, 2.0, 1.0), 4: (1.0, 3.0, 3.0, 1.0)}


def _split(state: State) -> tuple[State, list[Tensor]]:
    rest = {name: t for name, t in state.items() if not name.endswith(".filt")}
    return rest, [t for name, t in state.items() if name.endswith(".filt")]


def _matches(state: State) -> bool:
    rest, filters = _split(state)
    named = fits(r"model\.\d+(\.conv_block\.\d+)?", rest)
    return bool(filters) and named and any(".conv_block." in name for name in rest)


def _convert(state: State, _: Asked) -> Converted:
    rest, filters = _split(state)
    down = [f for f in filters if f.shape[-1] == 3]
    up = [f for f in filters if f.shape[-1] == 4]
    for blur in filters:
        _check(blur)
    if len(down) not in (0, 2) or len(up) not in (0, 2):
        raise WeightsError(f"it has {len(down)} blurs on its way down and {len(up)} on its way up, CUT has two each")
    made = assemble(layers_of(ordered(rest)), "blur" if down else "strided", "linear" if up else "nearest")
    if up and made.config.up == "transposed":
        raise WeightsError("it has blurs and transposed convolutions on its way up")
    return made


def _check(blur: Tensor) -> None:
    """WeightsError unless the buffer is the filter that our stages apply."""
    taps = _TAPS.get(blur.shape[-1])
    if taps is not None and blur.dim() == 4:
        line = torch.tensor(taps)
        kernel = torch.outer(line, line)
        gain = 1.0 if len(taps) == 3 else 4.0
        if torch.allclose(blur.float(), (kernel / kernel.sum() * gain).expand(blur.shape), atol=1e-5):
            return
    raise WeightsError(f"a blur filter of shape {tuple(blur.shape)} is not one of CUT's")


CUT = TensorLayout("CUT and FastCUT", _matches, _convert)
