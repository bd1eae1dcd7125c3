"""Each finding is spoken of when it holds, once, and not before it has held for a while."""

from __future__ import annotations

import pytest
import torch

from imgcycle.training.diagnosis import PATIENCE, Diagnosis, Probe, probe

WELL = Probe(luma=0.9, change=12.0, variety=0.9, colour=1.0)


def pictures() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(3, 3, 16, 16) * 2 - 1


def test_the_probe_knows_an_inversion_an_identity_and_a_collapse() -> None:
    x = pictures()
    inverted = probe(x, -x, x)
    assert inverted.luma == pytest.approx(-1, abs=1e-4)
    assert inverted.variety == pytest.approx(1, abs=1e-4)
    same = probe(x, x, x)
    assert same.change == 0
    assert same.luma == pytest.approx(1, abs=1e-4)
    assert probe(x, x[:1].expand(3, -1, -1, -1), x).variety == 0
    assert probe(x, x + 0.1, x).change == pytest.approx(12.75, rel=1e-3)


def test_colour_is_a_share_of_the_duller_domain_and_black_and_white_asks_for_none() -> None:
    x = pictures()
    grey = x.mean(1, keepdim=True).expand_as(x)
    dull = grey + (x - grey) * 0.25
    assert probe(x, x, x).colour == pytest.approx(1)
    assert probe(x, dull, x).colour == pytest.approx(0.25, abs=0.03)
    assert probe(x, dull, dull).colour == pytest.approx(1)  # B is as dull: what was asked for
    assert probe(dull, dull, x[:2, :, :8, :8]).colour == pytest.approx(1, abs=0.1)  # nothing was lost on the way
    assert probe(x, grey, x).colour < 0.05
    assert probe(grey, grey, x).colour == probe(x, grey, grey).colour == pytest.approx(1)


def heard(probes: list[Probe], losses: dict[str, float], gan: str = "lsgan") -> list[str]:
    diagnosis = Diagnosis()
    return [finding for p in probes for finding, _ in diagnosis.look({"A2B": p}, losses, gan)]


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (Probe(-0.8, 40, 1, 1), "inverting colours"),
        (Probe(1.0, 0.2, 1, 1), "gives its input back"),
        (Probe(0.1, 30, 0.02, 1), "nearly the same picture"),
        (Probe(0.9, 30, 1, 0.3), "losing its colours (30 %"),
    ],
)
def test_findings_are_patient_and_not_repeated(bad: Probe, word: str) -> None:
    assert heard([bad] * (PATIENCE - 1), {}) == []
    assert heard([bad] * (PATIENCE - 1) + [WELL] + [bad] * (PATIENCE - 1), {}) == []
    spoken = heard([bad] * 10, {})
    assert len(spoken) == 1
    assert word in spoken[0]


def test_a_discriminator_at_zero_is_named_but_not_under_wgangp() -> None:
    losses = {"discriminator_B": 0.001, "discriminator_A": 0.3}
    spoken = heard([WELL] * 5, losses)
    assert len(spoken) == 1
    assert spoken[0].startswith("discriminator_B")
    assert heard([WELL] * 5, losses, "wgangp") == []
