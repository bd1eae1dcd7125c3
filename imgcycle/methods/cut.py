"""CUT and FastCUT: one-way translation that preserves content by contrastive learning on patches.

Park, Efros, Zhang, Zhu: Contrastive Learning for Unpaired Image-to-Image Translation, ECCV 2020 (arXiv 2007.15651).
Objective, eq. 4:

    CUT      GAN + λ·½·(PatchNCE(a, G(a)) + PatchNCE(b, G(b))),  λ = 1
    FastCUT  GAN + λ·PatchNCE(a, G(a)),  λ = 10, inputs mirrored half the time (flip equivariance)

and for either, off by default, λ_shift·(the shift term of G on a), λ_grid·(the grid term of G) and λ_path·(the path
term of G on a).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import Logits, discriminator_loss, gan_loss, make_discriminator, relativistic_loss
from imgcycle.methods.base import Batch, Losses, Method, Phase, Recorded, make_generator
from imgcycle.methods.equivariance import shift_loss
from imgcycle.methods.grid import grid_loss
from imgcycle.methods.path import path_loss
from imgcycle.methods.projected import FeatureDiscriminator
from imgcycle.nets.layers import Generator, initialise
from imgcycle.nets.stages import run_stages


class PatchHeads(nn.Module):
    """For each tapped layer a two-layer perceptron from its channels to unit vectors of `width` values."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            [nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels]
        )

    def forward(self, planes: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """NCHW planes and the positions (P,) of H·W chosen in each → (N, P, width), float32."""
        projected = []
        for head, plane, place in zip(self.heads, planes, places, strict=True):
            chosen = plane.flatten(2)[:, :, place].transpose(1, 2)
            projected.append(F.normalize(head(chosen).float(), dim=-1))
        return projected


def patch_nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """InfoNCE over the patches of each image (eq. 3): −log exp(q·k⁺/τ) / Σ exp(q·k/τ), mean.

    (N, P, C) each, rows of length 1, float32. Keys carry no gradient; negatives come from the same image.
    """
    logits = query.float() @ key.detach().float().transpose(1, 2) / temperature
    target = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[0], -1)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


class DiscriminatorPhase(Phase):
    """The discriminator first: real images of B against fresh translations, no pool."""

    name, trains, recordable = "discriminator", ("discriminator_B",), ("A2B",)

    def forward(self, batch: Batch) -> Losses:
        """Term discriminator_B; mirrors the batch for FastCUT, for the generator's phase as well."""
        if self.config.flip_equivariance:
            batch.mirrored = bool(torch.rand(()) < 0.5)
            if batch.mirrored:
                batch.a, batch.b = batch.a.flip(-1), batch.b.flip(-1)
        discriminator, batched = self.net("discriminator_B"), self.config.discriminator.norm != "batch"
        features: list[Tensor] | None = None
        if self.shares_passes:
            recorded = self._record(batch, batched)
            fake = recorded.translated[: len(batch.a)].detach()
            if recorded.features is not None:
                recorded.of_real = cast(FeatureDiscriminator, discriminator).features(batch.b)
                pairs = zip(recorded.of_real, recorded.features, strict=True)
                features = [torch.cat([real, fake.detach()]) for real, fake in pairs]
        else:
            with torch.no_grad():
                fake = self.net("A2B")(batch.a)
        real, fake = self.augment(batch.b), self.augment(fake)
        return {"discriminator_B": discriminator_loss(self.config.gan, discriminator, real, fake, batched, features)}

    def _record(self, batch: Batch, batched: bool) -> Recorded:
        """The generator's pass, and what the frozen net sees in its result, once for both phases.

        Between them only the discriminator's own weights change. Augmented images are others in each phase.
        """
        generator, discriminator = cast(Generator, self.net("A2B")), self.net("discriminator_B")
        source = torch.cat([batch.a, batch.b]) if self.config.nce_identity else batch.a
        translated, planes = run_stages(generator.chain(), source, generator.feature_taps())
        features: list[Tensor] | None = None
        if isinstance(discriminator, FeatureDiscriminator) and batched and not self.augment.changes:
            features = discriminator.features(translated[: len(batch.a)])
        batch.recorded = Recorded(translated, planes, features)
        return batch.recorded


class GeneratorPhase(Phase):
    """Generator and heads: adversarial loss, and each patch closer to its source than to any other."""

    name, trains = "generator", ("A2B", "heads")

    def forward(self, batch: Batch) -> Losses:
        """Terms gan_A2B, nce_A, and if enabled nce_B (the identity of CUT), shift_A2B, grid_A2B, path_A2B."""
        config = self.config
        generator = cast(Generator, self.net("A2B"))
        taps = generator.feature_taps()
        features: list[Tensor] | None = None
        if batch.recorded is None:
            source = torch.cat([batch.a, batch.b]) if config.nce_identity else batch.a
            translated, keys = run_stages(generator.chain(), source, taps)
        else:
            translated, keys, features = batch.recorded.translated, batch.recorded.planes, batch.recorded.features
        queries = generator.encode(translated, taps)
        if config.flip_equivariance and batch.mirrored:
            keys = [k.flip(-1) for k in keys]
            queries = [q.flip(-1) for q in queries]
        fake = translated[: len(batch.a)]
        batch.fake["B"] = fake.detach()
        places = [torch.randperm(k.shape[2] * k.shape[3], device=k.device)[: config.nce_patches] for k in keys]
        heads = self.net("heads")
        with torch.no_grad():
            key_rows = heads(keys, places)
        pairs = list(zip(heads(queries, places), key_rows, strict=True))
        share = config.lambda_nce / len(pairs)
        discriminator = self.net("discriminator_B")
        if features is None:
            logits = discriminator(self.augment(fake))
        else:
            logits = cast(FeatureDiscriminator, discriminator).judge(fake, features)
        losses = {"gan_A2B": config.lambda_gan * self._adversarial(logits, batch)}
        if config.lambda_shift:
            losses["shift_A2B"] = config.lambda_shift * shift_loss(generator, batch.a, fake)
        if config.lambda_grid:
            losses["grid_A2B"] = config.lambda_grid * grid_loss(generator, batch.a)
        if config.lambda_path:
            losses["path_A2B"] = config.lambda_path * path_loss(generator.chain(), batch.a)
        if not config.nce_identity:
            losses["nce_A"] = share * self._sum(pairs, slice(None))
            return losses
        half = len(batch.a)
        losses["nce_A"] = 0.5 * share * self._sum(pairs, slice(None, half))
        losses["nce_B"] = 0.5 * share * self._sum(pairs, slice(half, None))
        return losses

    def _adversarial(self, on_fake: Logits, batch: Batch) -> Tensor:
        if self.config.gan != "relativistic":
            return gan_loss(self.config.gan, on_fake, True)
        discriminator, known = self.net("discriminator_B"), batch.recorded and batch.recorded.of_real
        with torch.no_grad():
            on_real = (
                cast(FeatureDiscriminator, discriminator).judge(batch.b, known)
                if known
                else discriminator(self.augment(batch.b))
            )
        return relativistic_loss(on_fake, on_real)

    def _sum(self, pairs: list[tuple[Tensor, Tensor]], images: slice) -> Tensor:
        terms = [patch_nce(q[images], k[images], self.config.nce_temperature) for q, k in pairs]
        return torch.stack(terms).sum()


class Cut(Method):
    """One-way method, A→B."""

    directions = ("A2B",)
    published_init = "xavier"
    interleaves = True
    relativistic = True
    settings = frozenset(
        {
            "lambda_nce", "nce_identity", "nce_temperature", "nce_patches", "nce_width", "flip_equivariance",
            "lambda_shift", "lambda_grid", "lambda_path",
        }
    )  # fmt: skip
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 200, "epochs_decay": 200, "pool": 0}

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if not config.use_gan:
            raise UsageError(f"{config.method} without its discriminator only copies", "leave --no-gan out")
        generator = make_generator(config)
        if generator.stages() is None:
            raise UsageError(f"CUT needs a generator with stages, not a {config.net.kind}", "--net compact or resnet9")
        discriminator = make_discriminator(config, "xavier")
        heads = PatchHeads(tapped_channels(generator), config.nce_width)
        initialise(heads, config.weight_init or "xavier", config.init_gain)
        self._nets: dict[str, nn.Module] = {"A2B": generator, "discriminator_B": discriminator, "heads": heads}

    def nets(self) -> dict[str, nn.Module]:
        """Nets A2B, discriminator_B, heads."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """Discriminator first, then generator and heads, as in the reference."""
        return [DiscriminatorPhase(self.config, self._nets), GeneratorPhase(self.config, self._nets)]


class FastCut(Cut):
    """CUT without identity, with ten times the weight and mirrored inputs: half the work."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "epochs": 150,
        "epochs_decay": 50,
        "pool": 0,
        "lambda_nce": 10.0,
        "nce_identity": False,
        "flip_equivariance": True,
    }


def tapped_channels(generator: Generator) -> list[int]:
    """Channel counts at a generator's feature taps, from a pass over a tiny blank image.

    The reference learns them from the first batch and builds its heads then; asking the net itself makes the heads part
    of it from the start, so that saving, resuming and wrapping for several devices need no exception.
    """
    blank = torch.zeros(1, 3, 2 * generator.min_size, 2 * generator.min_size)
    with torch.no_grad():
        return [plane.shape[1] for plane in generator.encode(blank, generator.feature_taps())]
