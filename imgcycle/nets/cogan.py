"""CoGAN's coupled generator: one code gives an image in two domains, and translating means finding the code.

Liu, Tuzel: Coupled Generative Adversarial Networks, NIPS 2016 (arXiv 1606.07536). The layers next to the code are
shared by both domains, the last ones are each domain's own (section 3). An image x of domain 1 is translated (section
4, cross-domain transformation) by

    z* = argmin over z of ‖g₁(z) − x‖²,  then g₂(z*)

There with L-BFGS; here with Adam, whose steps do not mix the images of a batch, from seeded starts.
"""

from __future__ import annotations

import copy
import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.nets.discriminators import PlainDiscriminator
from imgcycle.nets.layers import Generator
from imgcycle.nets.stages import widened

LATENT = 100
"""Values of a code, each in [-1, 1]."""
OWN = 2
"""Up- or downsamplings next to the pixels that are each domain's own."""
SMALLEST = 4
"""Side of the first planes."""
FIT_STEPS = 100
"""Steps of Adam for one picture."""
FIT_RATE = 0.1
"""Adam's initial learning rate; it decays to 0 by half a cosine, so that the last steps converge."""
CANDIDATES = 64
"""Random codes that are evaluated without optimisation."""
STARTS = 2
"""Number of best candidates from which codes are optimised; the better result counts."""
_AT_ONCE = 8
"""Candidates drawn at a time, which limits memory."""
_SEED = 0


class CoganGenerator(Generator):
    """The coupled pair as a translator from its `source` domain to its `target`.

    `depth` upsamplings from 4×4, so its output is a square of side 4·2^depth; `width` channels before the last
    convolution, twice as many for each halving up to 32 times. Width 32 and 5 upsamplings (128²) are the paper's for
    faces.
    """

    stride = min_size = 1
    streamable = False
    fixed_output_side: int

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        widths = [config.width * min(1 << n, 32) for n in range(config.depth, -1, -1)]
        shared = max(0, config.depth - OWN)
        self.fixed_output_side = SMALLEST << config.depth
        self.fit_steps = FIT_STEPS
        first = nn.ConvTranspose2d(LATENT, widths[0], SMALLEST, bias=False)
        self.trunk = nn.Sequential(first, nn.BatchNorm2d(widths[0]), nn.PReLU(), *_doublings(widths[: shared + 1]))
        self.source, self.target = (
            nn.Sequential(*_doublings(widths[shared:]), nn.Conv2d(widths[-1], config.channels, 3, padding=1))
            for _ in range(2)
        )
        self._picture = config.channels * self.fixed_output_side**2
        planes = sum(w * (SMALLEST << n) ** 2 for n, w in enumerate(widths))
        # Each layer's planes after convolution, norm and activation, and a gradient of each.
        self._values = 6 * (planes + self._picture)

    def stages(self) -> None:
        """None: the net does not map an image to an image stage by stage."""
        return

    def fixed_values(self) -> int:
        """Peak number of values while an image is fitted."""
        return _AT_ONCE * self._values + CANDIDATES * self._picture

    def share(self, other: CoganGenerator) -> None:
        """Become the reverse direction of `other`: the same layers, source and target exchanged."""
        self.trunk, self.source, self.target = other.trunk, other.target, other.source

    def draw(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """The images in [-1, 1] of codes (N, 100), in the source domain and in the target."""
        planes = self.trunk(codes[:, :, None, None])
        return torch.tanh(widened(self.source(planes))), torch.tanh(widened(self.target(planes)))

    @torch.enable_grad()
    def find(self, images: Tensor) -> Tensor:
        """Codes (N, 100) whose images in the source domain come nearest to `images` (float32, the net's side).

        Deterministic; each image independently of the rest of the batch.
        """
        with torch.no_grad():
            codes = self._starts(images)
        wanted = images.repeat_interleave(STARTS, 0)
        codes.requires_grad_()
        descent = torch.optim.Adam([codes], FIT_RATE)
        for step in range(self.fit_steps):
            descent.param_groups[0]["lr"] = FIT_RATE * 0.5 * (1 + math.cos(math.pi * step / self.fit_steps))
            (codes.grad,) = torch.autograd.grad(self._distances(codes, wanted).sum(), codes)
            descent.step()
            with torch.no_grad():
                codes.clamp_(-1, 1)
        with torch.no_grad():
            ends = self._distances(codes, wanted).view(-1, STARTS)
            best = ends.argmin(1) + STARTS * torch.arange(len(images), device=images.device)
            return codes.detach()[best]

    def _starts(self, images: Tensor) -> Tensor:
        """Best candidates of each image, (N × STARTS, 100)."""
        rng = torch.Generator().manual_seed(_SEED)  # on the CPU: the same on every device
        tried = (2 * torch.rand(CANDIDATES, LATENT, generator=rng) - 1).to(images.device)
        drawn = torch.cat([self._source(codes) for codes in torch.split(tried, _AT_ONCE)])
        distances = torch.stack([(drawn - image).square().mean((1, 2, 3)) for image in images])
        return tried[distances.topk(STARTS, largest=False).indices].flatten(0, 1)

    def _distances(self, codes: Tensor, wanted: Tensor) -> Tensor:
        return (self._source(codes) - wanted).square().mean((1, 2, 3))

    def _source(self, codes: Tensor) -> Tensor:
        return torch.tanh(self.source(self.trunk(codes[:, :, None, None])))

    def forward(self, x: Tensor) -> Tensor:
        """Translate images of any size: resized to the net's square, fitted, drawn, resized back.

        In float32 whatever the dtype of weights and images, and with gradients enabled whatever the caller's mode.
        """
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            # A tensor created in inference mode cannot take part in gradients; its copy can.
            images = _resized(x.clone().float(), self.fixed_output_side, self.fixed_output_side)
            narrow = any(p.dtype != torch.float32 for p in self.parameters())
            exact = copy.deepcopy(self).float() if narrow else self
            made = exact.draw(exact.find(images))[1]
            return _resized(made, *x.shape[2:]).to(x.dtype)


def couple(discriminator: PlainDiscriminator, other: PlainDiscriminator) -> None:
    """Share all layers of `other` except the `OWN` next to the pixels."""
    for n in range(OWN, len(discriminator.convs)):
        discriminator.convs[n] = other.convs[n]
    discriminator.last = other.last


def _doublings(widths: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inner, outer in itertools.pairwise(widths):
        layers += [nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.PReLU()]
    return layers


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    if x.shape[2:] == (height, width):
        return x
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)
