"""Configs go through JSON unchanged and refuse what they do not know."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.config import ConvertOptions, DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.device import parse_size
from imgcycle.errors import ImgcycleError, Interrupted, MissingExtra, UsageError


@given(
    st.integers(1, 1024),
    st.integers(5, 64),
    st.sampled_from(["compact", "unet"]),
    st.sampled_from(["instance", "batch"]),
)
def test_nets_survive_json(width: int, depth: int, kind: str, norm: str) -> None:
    config = NetConfig(kind, width, depth, norm)  # type: ignore[arg-type]
    assert NetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_run_survives_json_with_all_its_parts() -> None:
    config = TrainConfig(
        "a",
        "b",
        method="cut",
        steps=5,
        grad_clip=1.0,
        lr_discriminator=1e-4,
        discriminator=DiscriminatorConfig("pixel"),
    )
    config = config.replace(diff_augment=("colour", "cutout"), lambda_shift=0.5)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_description_of_before_is_read_as_it_was_meant() -> None:
    before = {"kind": "resnet", "width": 64, "depth": 9, "norm": "instance", "channels": 3, "down": "strided"}
    assert NetConfig.from_dict(before) == NetConfig.named("resnet9")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "compact", "ends": 9}, "a compact generator has no ends to choose"),
        ({"kind": "animegan", "norm": "layer", "head": "clamp"}, "no head to choose"),
        ({"kind": "animegan"}, "animegan generator cannot have instance norms"),
        ({"kind": "whitebox", "norm": "layer"}, "whitebox generator cannot have layer norms"),
        ({"kind": "resnet", "ends": 8}, "kernels 8 wide"),
        ({"kind": "resnet", "ends": 17}, "ends is 17"),
        ({"kind": "resnet", "downs": 0}, "downs is 0"),
        ({"kind": "resnet", "convs": 3}, "convs is 3"),
        ({"kind": "resnet", "eps": 0.0}, "eps is 0"),
        ({"kind": "resnet", "head": "softmax"}, "head is 'softmax'"),
    ],
)
def test_nets_that_make_no_sense_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        NetConfig.from_dict(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"a": "x", "b": "y", "learning_rate": 1}, "no setting 'learning_rate'"),
        ({"a": "x", "b": 3}, "TrainConfig.b should be str"),
        ({"a": "x", "b": "y", "gan": "hinge"}, "one of lsgan, vanilla, wgangp, relativistic"),
        ({"a": "x", "b": "y", "batch": True}, "should be int"),
        ({"a": "x", "b": "y", "net": {"width": "wide"}}, "NetConfig.width should be int"),
    ],
)
def test_what_it_does_not_know_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TrainConfig.from_dict(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seed": -1}, "a seed of -1"),
        ({"seed": 2**63}, "a seed of 9223372036854775808"),
        ({"lr_discriminator": 0.0}, "discriminators' learning rate of 0.0"),
        ({"lr_discriminator": float("nan")}, "discriminators' learning rate of nan"),
        ({"lr": float("inf")}, "--lr is inf"),
        ({"lambda_cycle": float("nan")}, "--lambda-cycle is nan"),
        ({"lambda_identity": -0.5}, r"--lambda-identity is -0.5 \(0 or more\)"),
        ({"lambda_shift": -1}, "--lambda-shift is -1"),
        ({"nce_patches": 0, "method": "cut"}, "a contrastive loss of nothing"),
        ({"nce_width": 0, "method": "cut"}, "a contrastive loss of nothing"),
    ],
)
def test_numbers_that_no_run_can_use(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TrainConfig.from_dict({"a": "A", "b": "B", **values})


def test_options_of_convert_are_checked() -> None:
    assert ConvertOptions.from_dict({"work_size": 512}).work_size == 512
    assert ConvertOptions.from_dict({"work_size": "full"}).work_size == "full"
    for bad in ({"strength": 2.1}, {"strength": float("nan")}, {"detail": -0.1}, {"work_size": 3}, {"quality": 0}):
        with pytest.raises(UsageError):
            ConvertOptions(**bad)


@pytest.mark.parametrize(("text", "size"), [("512M", 2**29), ("4g", 2**32), ("1.5 GiB", 3 * 2**29), ("100", 100)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "-1G", "1X", "4 G B"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


def test_errors_carry_their_exit_codes_and_hints() -> None:
    codes = {e: e.exit_code for e in (ImgcycleError, UsageError, Interrupted)}
    assert codes == {ImgcycleError: 1, UsageError: 2, Interrupted: 130}
    assert str(MissingExtra("metrics", "this")) == "this needs an optional package (pip install 'imgcycle[metrics]')"
