"""Plain re-creations of the nets whose files we read, written from their papers and published names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": nn.InstanceNorm2d,
    "affine": lambda c: nn.InstanceNorm2d(c, affine=True),
    "batch": nn.BatchNorm2d,
}


class Block(nn.Module):
    """A residual block whose row of layers bears a given name."""

    def __init__(self, c: int, norm: str, name: str, bias: bool, dropout: bool = False) -> None:
        super().__init__()
        make = NORMS[norm]
        row = [nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=bias), make(c), nn.ReLU(True)]
        row += [nn.Dropout(0.5)] if dropout else []
        row += [nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=bias), make(c)]
        self.row = name
        self.add_module(name, nn.Sequential(*row))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.get_submodule(self.row)(x)  # type: ignore[no-any-return]


class Blur(nn.Module):
    """CUT's way down: reflected edges, taps 1 2 1, every second pixel."""

    def __init__(self, c: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filt", (torch.outer(taps, taps) / 16).repeat(c, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), self.get_buffer("filt"), stride=2, groups=x.shape[1])


class Spread(nn.Module):
    """CUT's way up: replicated edges, a transposed convolution with taps 1 3 3 1, cut back."""

    def __init__(self, c: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("filt", (torch.outer(taps, taps) / 64 * 4).repeat(c, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        wide = F.conv_transpose2d(
            F.pad(x, (1, 1, 1, 1), "replicate"), self.get_buffer("filt"), stride=2, padding=2, groups=x.shape[1]
        )
        return wide[:, :, 1:-1, 1:-1]


class Resnet(nn.Module):
    """The official code's ResNet generator, with CUT's and PyTorch-GAN's variations."""

    def __init__(
        self,
        blocks: int = 9,
        w: int = 4,
        norm: str = "instance",
        dropout: bool = False,
        row: str = "conv_block",
        down: str = "strided",
        up: str = "transposed",
        bias: bool | None = None,
        c: int = 3,
        downs: int = 2,
    ) -> None:
        super().__init__()
        make = NORMS[norm]
        bias = norm != "batch" if bias is None else bias
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(c, w, 7, bias=bias), make(w), nn.ReLU(True)]
        for n in (2**level for level in range(downs)):
            stride = 1 if down == "blur" else 2
            layers += [nn.Conv2d(n * w, 2 * n * w, 3, stride, 1, bias=bias), make(2 * n * w), nn.ReLU(True)]
            layers += [Blur(2 * n * w)] if down == "blur" else []
        layers += [Block(2**downs * w, norm, row, bias, dropout) for _ in range(blocks)]
        for n in (2**level for level in reversed(range(downs))):
            before, after = 2 * n * w, n * w
            if up == "transposed":
                layers.append(nn.ConvTranspose2d(before, after, 3, 2, 1, 1, bias=bias))
            else:
                layers += [Spread(before) if up == "blur" else nn.Upsample(scale_factor=2)]
                layers.append(nn.Conv2d(before, after, 3, 1, 1, bias=bias))
            layers += [make(after), nn.ReLU(True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(w, c, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)  # type: ignore[no-any-return]


class UnetBlock(nn.Module):
    """One level of the official U-Net, around the next."""

    def __init__(
        self, outer: int, inner: int, norm: str, deeper: UnetBlock | None, outermost: bool, drop: bool
    ) -> None:
        super().__init__()
        make, bias = NORMS[norm], norm != "batch"
        self.outermost = outermost
        down = nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)
        wide = inner if deeper is None else 2 * inner
        up = nn.ConvTranspose2d(wide, outer, 4, 2, 1, bias=bias or outermost)
        row: list[nn.Module]
        if outermost:
            assert deeper is not None
            row = [down, deeper, nn.ReLU(True), up, nn.Tanh()]
        elif deeper is None:
            row = [nn.LeakyReLU(0.2, True), down, nn.ReLU(True), up, make(outer)]
        else:
            row = [nn.LeakyReLU(0.2, True), down, make(inner), deeper, nn.ReLU(True), up, make(outer)]
            row += [nn.Dropout(0.5)] if drop else []
        self.model = nn.Sequential(*row)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class Unet(nn.Module):
    """The official U-Net generator, 2^depth pixels to a single one and back."""

    def __init__(self, depth: int, w: int, norm: str) -> None:
        super().__init__()
        block = UnetBlock(8 * w, 8 * w, norm, None, False, False)
        for _ in range(depth - 5):
            block = UnetBlock(8 * w, 8 * w, norm, block, False, True)
        for n in (4, 2, 1):
            block = UnetBlock(n * w, 2 * n * w, norm, block, False, False)
        self.model = UnetBlock(3, w, norm, block, True, False)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)  # type: ignore[no-any-return]


class ConvModule(nn.Module):
    """MMCV's triple of convolution, norm and activation."""

    def __init__(self, conv: nn.Module, norm: nn.Module | None, act: nn.Module | None, pad: int = 0) -> None:
        super().__init__()
        self.conv, self.norm, self.act, self.pad = conv, norm, act, nn.ReflectionPad2d(pad)

    def forward(self, x: Tensor) -> Tensor:
        for each in (self.pad, self.conv, self.norm, self.act):
            x = x if each is None else each(x)
        return x


class MMBlock(nn.Module):
    """MMagic's residual block."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            ConvModule(nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c), nn.ReLU(), 1),
            ConvModule(nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c), None, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)  # type: ignore[no-any-return]


class MMResnet(nn.Module):
    """MMagic's ResNet generator."""

    def __init__(self, w: int = 4, blocks: int = 9) -> None:
        super().__init__()
        norm = nn.InstanceNorm2d
        self.model = nn.Sequential(
            ConvModule(nn.Conv2d(3, w, 7), norm(w), nn.ReLU(), 3),
            ConvModule(nn.Conv2d(w, 2 * w, 3, 2, 1), norm(2 * w), nn.ReLU()),
            ConvModule(nn.Conv2d(2 * w, 4 * w, 3, 2, 1), norm(4 * w), nn.ReLU()),
            *(MMBlock(4 * w) for _ in range(blocks)),
            ConvModule(nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1), norm(2 * w), nn.ReLU()),
            ConvModule(nn.ConvTranspose2d(2 * w, w, 3, 2, 1, 1), norm(w), nn.ReLU()),
            ConvModule(nn.Conv2d(w, 3, 7), None, nn.Tanh(), 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)  # type: ignore[no-any-return]


class WholeNorm(nn.Module):
    """UNIT's layer norm."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(c))
        self.beta = nn.Parameter(torch.randn(c) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1)
        mean, std = rows.mean(1).view(-1, 1, 1, 1), rows.std(1).view(-1, 1, 1, 1)
        return (x - mean) / (std + 1e-5) * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class UnitBlock(nn.Module):
    """UNIT's residual block."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            ConvModule(nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c), nn.ReLU(), 1),
            ConvModule(nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c), None, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.model(x)  # type: ignore[no-any-return]


class Row(nn.Module):
    """Layers in a row under the name `model`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)  # type: ignore[no-any-return]


class UnitSide(nn.Module):
    """One side of UNIT's rewrite of 2018."""

    def __init__(self, w: int = 4, blocks: int = 4) -> None:
        super().__init__()
        norm = nn.InstanceNorm2d
        self.enc = Row(
            ConvModule(nn.Conv2d(3, w, 7), norm(w), nn.ReLU(), 3),
            ConvModule(nn.Conv2d(w, 2 * w, 4, 2), norm(2 * w), nn.ReLU(), 1),
            ConvModule(nn.Conv2d(2 * w, 4 * w, 4, 2), norm(4 * w), nn.ReLU(), 1),
            Row(*(UnitBlock(4 * w) for _ in range(blocks))),
        )
        self.dec = Row(
            Row(*(UnitBlock(4 * w) for _ in range(blocks))),
            nn.Upsample(scale_factor=2),
            ConvModule(nn.Conv2d(4 * w, 2 * w, 5), WholeNorm(2 * w), nn.ReLU(), 2),
            nn.Upsample(scale_factor=2),
            ConvModule(nn.Conv2d(2 * w, w, 5), WholeNorm(w), nn.ReLU(), 2),
            ConvModule(nn.Conv2d(w, 3, 7), None, nn.Tanh(), 3),
        )


class Lesson(nn.Module):
    """A lesson's generator (Machine-Learning-Collection): edges reflected everywhere."""

    class Part(nn.Module):
        def __init__(self, conv: nn.Module, c: int, act: bool = True) -> None:
            super().__init__()
            self.conv = nn.Sequential(conv, nn.InstanceNorm2d(c), nn.ReLU() if act else nn.Identity())

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)  # type: ignore[no-any-return]

    class Residual(nn.Module):
        def __init__(self, c: int) -> None:
            super().__init__()
            self.block = nn.Sequential(
                *(Lesson.Part(nn.Conv2d(c, c, 3, padding=1, padding_mode="reflect"), c, act) for act in (True, False))
            )

        def forward(self, x: Tensor) -> Tensor:
            return x + self.block(x)  # type: ignore[no-any-return]

    def __init__(self, w: int = 4, blocks: int = 9) -> None:
        super().__init__()
        part = Lesson.Part
        reflect: Literal["reflect"] = "reflect"
        self.initial = nn.Sequential(nn.Conv2d(3, w, 7, 1, 3, padding_mode=reflect), nn.InstanceNorm2d(w), nn.ReLU())
        self.down_blocks = nn.ModuleList(
            part(nn.Conv2d(n * w, 2 * n * w, 3, 2, 1, padding_mode=reflect), 2 * n * w) for n in (1, 2)
        )
        self.res_blocks = nn.Sequential(*(Lesson.Residual(4 * w) for _ in range(blocks)))
        self.up_blocks = nn.ModuleList(part(nn.ConvTranspose2d(2 * n * w, n * w, 3, 2, 1, 1), n * w) for n in (2, 1))
        self.last = nn.Conv2d(w, 3, 7, 1, 3, padding_mode=reflect)

    def forward(self, x: Tensor) -> Tensor:
        x = self.initial(x)
        for each in (*self.down_blocks, self.res_blocks, *self.up_blocks):
            x = each(x)
        return torch.tanh(self.last(x))


class Course(nn.Module):
    """A from-scratch net: the paper's architecture under names of its own."""

    def __init__(self, w: int = 4, blocks: int = 2, norm: str = "instance") -> None:
        super().__init__()
        make = NORMS[norm]
        self.entry_conv, self.entry_norm = nn.Conv2d(3, w, 7), make(w)
        self.shrink1, self.shrink1_n = nn.Conv2d(w, 2 * w, 3, 2, 1), make(2 * w)
        self.shrink2, self.shrink2_n = nn.Conv2d(2 * w, 4 * w, 3, 2, 1), make(4 * w)
        self.trunk = nn.ModuleList(Block(4 * w, norm, "seq", True) for _ in range(blocks))
        self.grow1, self.grow1_n = nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1), make(2 * w)
        self.grow2, self.grow2_n = nn.ConvTranspose2d(2 * w, w, 3, 2, 1, 1), make(w)
        self.exit_conv = nn.Conv2d(w, 3, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.entry_norm(self.entry_conv(F.pad(x, (3, 3, 3, 3), "reflect"))))
        x = F.relu(self.shrink1_n(self.shrink1(x)))
        x = F.relu(self.shrink2_n(self.shrink2(x)))
        for block in self.trunk:
            x = block(x)
        x = F.relu(self.grow1_n(self.grow1(x)))
        x = F.relu(self.grow2_n(self.grow2(x)))
        return torch.tanh(self.exit_conv(F.pad(x, (3, 3, 3, 3), "reflect")))


class Discriminator(nn.Module):
    """The official 70×70 discriminator."""

    def __init__(self, w: int = 4) -> None:
        super().__init__()
        self.model = nn.Sequential(
            *(nn.Conv2d(3, w, 4, 2, 1), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(w, 2 * w, 4, 2, 1), nn.InstanceNorm2d(2 * w), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(2 * w, 4 * w, 4, 2, 1), nn.InstanceNorm2d(4 * w), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(4 * w, 8 * w, 4, 1, 1), nn.InstanceNorm2d(8 * w), nn.LeakyReLU(0.2)),
            nn.Conv2d(8 * w, 1, 4, 1, 1),
        )


def lively(net: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights, factors, offsets and moments, so that no part of a net can be lost unseen."""
    torch.manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif name.endswith(("running_mean", "bias", "beta")):
            tensor.normal_(0, 0.1)
        elif name.endswith(("weight", "gamma")) and tensor.dim() == 1:
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("weight"):
            tensor.normal_(0, 0.08)
    return net.eval()
