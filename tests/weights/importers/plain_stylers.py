"""Plain re-creations of the nets with which people stylise photographs, written from their published names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Edged(nn.Module):
    """A convolution under a given name, all its edges reflected, with a norm under another where there is one."""

    def __init__(self, name: str, i: int, o: int, k: int, stride: int = 1, norm: str = "", batch: bool = False) -> None:
        super().__init__()
        self.names = (name, norm)
        self.around = k // 2
        self.add_module(name, nn.Conv2d(i, o, k, stride))
        if norm:
            self.add_module(norm, nn.BatchNorm2d(o) if batch else nn.InstanceNorm2d(o, affine=True))

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self.names
        x = self.get_submodule(conv)(F.pad(x, (self.around,) * 4, "reflect"))
        return self.get_submodule(norm)(x) if norm else x


class ExampleBlock(nn.Module):
    """A residual block of PyTorch's example."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Edged("conv2d", c, c, 3), nn.InstanceNorm2d(c, affine=True)
        self.conv2, self.in2 = Edged("conv2d", c, c, 3), nn.InstanceNorm2d(c, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))  # type: ignore[no-any-return]


class Example(nn.Module):
    """fast_neural_style of PyTorch's examples: levels from 0 to 255 in, about as many out."""

    def __init__(self, w: int = 4, blocks: int = 5, ends: int = 9) -> None:
        super().__init__()
        for n, (i, o, k, stride) in enumerate(((3, w, ends, 1), (w, 2 * w, 3, 2), (2 * w, 4 * w, 3, 2)), 1):
            self.add_module(f"conv{n}", Edged("conv2d", i, o, k, stride))
            self.add_module(f"in{n}", nn.InstanceNorm2d(o, affine=True))
        for n in range(1, blocks + 1):
            self.add_module(f"res{n}", ExampleBlock(4 * w))
        for n, (i, o) in enumerate(((4 * w, 2 * w), (2 * w, w)), 1):
            self.add_module(f"deconv{n}", Edged("conv2d", i, o, 3))
            self.add_module(f"in{n + 3}", nn.InstanceNorm2d(o, affine=True))
        self.deconv3 = Edged("conv2d", w, 3, ends)
        self.blocks = blocks

    def forward(self, x: Tensor) -> Tensor:
        def named(name: str, y: Tensor) -> Tensor:
            return self.get_submodule(name)(y)  # type: ignore[no-any-return]

        for n in (1, 2, 3):
            x = F.relu(named(f"in{n}", named(f"conv{n}", x)))
        for n in range(1, self.blocks + 1):
            x = named(f"res{n}", x)
        for n in (1, 2):
            x = F.relu(named(f"in{n + 3}", named(f"deconv{n}", F.interpolate(x, scale_factor=2))))
        return named("deconv3", x)


class RowBlock(nn.Module):
    """A residual block of rrmina's net."""

    def __init__(self, c: int, batch: bool) -> None:
        super().__init__()
        self.conv1 = Edged("conv_layer", c, c, 3, norm="norm_layer", batch=batch)
        self.conv2 = Edged("conv_layer", c, c, 3, norm="norm_layer", batch=batch)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))  # type: ignore[no-any-return]


class Doubling(nn.Module):
    """A transposed convolution and its norm."""

    def __init__(self, i: int, o: int, batch: bool) -> None:
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(i, o, 3, 2, 1, 1)
        self.norm_layer = nn.BatchNorm2d(o) if batch else nn.InstanceNorm2d(o, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm_layer(self.conv_transpose(x))  # type: ignore[no-any-return]


class Rows(nn.Module):
    """rrmina's fast-neural-style-pytorch: BGR levels in, 150 · tanh out."""

    def __init__(self, w: int = 4, blocks: int = 5, batch: bool = False) -> None:
        super().__init__()
        layers = [
            Edged("conv_layer", i, o, k, stride, "norm_layer", batch)
            for i, o, k, stride in ((3, w, 9, 1), (w, 2 * w, 3, 2), (2 * w, 4 * w, 3, 2))
        ]
        self.ConvBlock = nn.Sequential(*(each for layer in layers for each in (layer, nn.ReLU())))
        self.ResidualBlock = nn.Sequential(*(RowBlock(4 * w, batch) for _ in range(blocks)))
        ups = [Doubling(4 * w, 2 * w, batch), nn.ReLU(), Doubling(2 * w, w, batch), nn.ReLU()]
        self.DeconvBlock = nn.Sequential(*ups, Edged("conv_layer", w, 3, 9), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return 150 * self.DeconvBlock(self.ResidualBlock(self.ConvBlock(x)))  # type: ignore[no-any-return]


class ScaleShift(nn.Module):
    """CartoonGAN's instance norm, with an eps that lets faint planes through."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(c)), nn.Parameter(torch.zeros(c))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        return (x - mean) / (variance + 1e-9).sqrt() * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)


class Cartoon(nn.Module):
    """CartoonGAN as it was carried over from Torch7: BGR in [-1, 1]."""

    def __init__(self, w: int = 4) -> None:
        super().__init__()

        def layer(name: str, i: int, o: int, k: int, stride: int = 1, pad: int = 0) -> None:
            self.add_module(name, nn.Conv2d(i, o, k, stride, pad))

        layer("conv01_1", 3, w, 7)
        for n, (i, o) in ((2, (w, 2 * w)), (3, (2 * w, 4 * w))):
            layer(f"conv{n:02}_1", i, o, 3, 2, 1)
            layer(f"conv{n:02}_2", o, o, 3, 1, 1)
        for n in range(4, 12):
            for k in (1, 2):
                layer(f"conv{n:02}_{k}", 4 * w, 4 * w, 3)
                self.add_module(f"in{n:02}_{k}", ScaleShift(4 * w))
        for n, (i, o) in ((1, (4 * w, 2 * w)), (2, (2 * w, w))):
            self.add_module(f"deconv{n:02}_1", nn.ConvTranspose2d(i, o, 3, 2, 1, 1))
            layer(f"deconv{n:02}_2", o, o, 3, 1, 1)
        layer("deconv03_1", w, 3, 7)
        for n, c in ((1, w), (2, 2 * w), (3, 4 * w), (12, 2 * w), (13, w)):
            self.add_module(f"in{n:02}_1", ScaleShift(c))

    def forward(self, x: Tensor) -> Tensor:
        def through(y: Tensor, *names: str, pad: int = 0) -> Tensor:
            y = F.pad(y, (pad,) * 4, "reflect") if pad else y
            for name in names:
                y = self.get_submodule(name)(y)
            return y

        x = F.relu(through(x, "conv01_1", "in01_1", pad=3))
        for place in ("02", "03"):
            x = F.relu(through(x, f"conv{place}_1", f"conv{place}_2", f"in{place}_1"))
        for n in range(4, 12):
            inner = F.relu(through(x, f"conv{n:02}_1", f"in{n:02}_1", pad=1))
            x = x + through(inner, f"conv{n:02}_2", f"in{n:02}_2", pad=1)
        for up, norm in (("deconv01", "in12_1"), ("deconv02", "in13_1")):
            x = F.relu(through(x, f"{up}_1", f"{up}_2", norm))
        return torch.tanh(through(x, "deconv03_1", pad=3))


class Leaky(nn.Sequential):
    """Convolutions over zeros, each with a LeakyReLU after it, but perhaps the last."""

    def __init__(self, *shapes: tuple[int, int, int, int], bare: bool = False) -> None:
        layers: list[nn.Module] = []
        for i, o, k, stride in shapes:
            layers += [nn.Conv2d(i, o, k, stride, k // 2), nn.LeakyReLU(0.2)]
        super().__init__(*layers[: -1 if bare else None])


class WhiteBlock(nn.Module):
    """A residual block without norms."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.block = Leaky((c, c, 3, 1), (c, c, 3, 1), bare=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)  # type: ignore[no-any-return]


class WhiteBox(nn.Module):
    """White-box cartoonization in its PyTorch version."""

    def __init__(self, w: int = 4, blocks: int = 4) -> None:
        super().__init__()
        self.initial_down = Leaky((3, w, 7, 1))
        self.down1, self.down2 = (
            Leaky((w, w, 3, 2), (w, 2 * w, 3, 1)),
            Leaky((2 * w, 2 * w, 3, 2), (2 * w, 4 * w, 3, 1)),
        )
        self.res_blocks = nn.Sequential(*(WhiteBlock(4 * w) for _ in range(blocks)))
        self.up1, self.up2 = Leaky((4 * w, 2 * w, 3, 1)), Leaky((2 * w, 2 * w, 3, 1), (2 * w, w, 3, 1))
        self.last = Leaky((w, w, 3, 1), (w, 3, 7, 1), bare=True)

    def forward(self, x: Tensor) -> Tensor:
        full = self.initial_down(x)
        half = self.down1(full)
        x = doubled(self.up1(self.res_blocks(self.down2(half))))
        return torch.tanh(self.last(full + doubled(self.up2(half + x))))


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class AnimeConv(nn.Sequential):
    """Padding, convolution, a norm over the whole picture, LeakyReLU."""

    def __init__(self, i: int, o: int, k: int = 3, stride: int = 1, groups: int = 1, bias: bool = False) -> None:
        pad = nn.ReflectionPad2d((0, 1, 0, 1) if stride == 2 else k // 2)
        conv = nn.Conv2d(i, o, k, stride, groups=groups, bias=bias)
        super().__init__(pad, conv, nn.GroupNorm(1, o), nn.LeakyReLU(0.2))


class AnimeBlock(nn.Module):
    """An inverted residual block."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        wide = 2 * i
        self.layers = nn.Sequential(
            *(AnimeConv(i, wide, 1), AnimeConv(wide, wide, groups=wide, bias=True)),
            *(nn.Conv2d(wide, o, 1, bias=False), nn.GroupNorm(1, o)),
        )
        self.same = i == o

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.same else self.layers(x)  # type: ignore[no-any-return]


class Anime(nn.Module):
    """AnimeGANv2 in its PyTorch version; doublings have half-pixel centres."""

    def __init__(self, w: int = 4) -> None:
        super().__init__()
        conv = AnimeConv
        self.block_a = nn.Sequential(conv(3, w, 7), conv(w, 2 * w, stride=2), conv(2 * w, 2 * w))
        self.block_b = nn.Sequential(conv(2 * w, 4 * w, stride=2), conv(4 * w, 4 * w))
        blocks = (AnimeBlock(4 * w, 8 * w), *(AnimeBlock(8 * w, 8 * w) for _ in range(3)))
        self.block_c = nn.Sequential(conv(4 * w, 4 * w), *blocks, conv(8 * w, 4 * w))
        self.block_d = nn.Sequential(conv(4 * w, 4 * w), conv(4 * w, 4 * w))
        self.block_e = nn.Sequential(conv(4 * w, 2 * w), conv(2 * w, 2 * w), conv(2 * w, w, 7))
        self.out_layer = nn.Sequential(nn.Conv2d(w, 3, 1, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        x = self.block_c(self.block_b(self.block_a(x)))
        return self.out_layer(self.block_e(doubled(self.block_d(doubled(x)))))  # type: ignore[no-any-return]


class Enhancer(nn.Module):
    """The names of pix2pixHD's local enhancer."""

    def __init__(self, inner: nn.Sequential) -> None:
        super().__init__()
        self.model = inner
        self.model1_1 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, 2, 7))
        self.model1_2 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(2, 3, 7))
