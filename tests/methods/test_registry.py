"""A method's settings: its own defaults hold however a config is made, and what is stored stays as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.cli.commands.train_config import build_config
from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.config.fields import settings as settings_of
from imgcycle.errors import UsageError
from imgcycle.methods.registry import METHODS, build_method, owners

FOLDERS = {"a": Path("/data/x"), "b": Path("/data/y")}
VARIANTS = [(name, variant) for name, method in METHODS.items() for variant in (None, *method.variants)]


@pytest.mark.parametrize(("method", "variant"), VARIANTS)
def test_python_and_the_command_line_make_one_config(method: str, variant: Any) -> None:
    chosen = {"method": method, **({"variant": variant} if variant else {})}
    made = TrainConfig("/data/x", "/data/y", **chosen)
    assert made == build_config({**FOLDERS, **chosen})
    assert made == TrainConfig.from_dict({"a": "/data/x", "b": "/data/y", **chosen})
    for name, value in {**METHODS[method].defaults, **METHODS[method].variants.get(variant, {})}.items():
        if name not in ("net", "discriminator"):
            assert getattr(made, name) == value, name


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("changes", [{"crop": 128}, {"size": 143}, {"lr": 1e-3, "pool": 7}, {"steps": 9, "batch": 3}])
def test_what_is_given_wins_both_ways_alike(method: str, changes: dict[str, Any]) -> None:
    if "pool" in changes and method not in owners("pool"):
        changes = {"lr": 1e-3}
    made = TrainConfig("/data/x", "/data/y", method=method, **changes)
    assert made == build_config({**FOLDERS, "method": method, **changes})
    assert {name: getattr(made, name) for name in changes} == changes


def test_fastcut_from_python_is_fastcut() -> None:
    config = TrainConfig("a", "b", method="fastcut")
    assert (config.lambda_nce, config.nce_identity, config.flip_equivariance) == (10.0, False, True)
    assert (config.epochs, config.epochs_decay, config.pool) == (150, 50, 0)
    unit = TrainConfig("a", "b", method="unit", variant="2018")
    assert (unit.net, unit.discriminator) == (
        NetConfig("unit", 64, 4),
        DiscriminatorConfig("multiscale", layers=4, scales=3),
    )
    assert TrainConfig("a", "b", method="pix2pix").net.test_time_stochastic
    assert TrainConfig("pairs", method="pix2pix").b == "pairs"


@pytest.mark.parametrize("method", METHODS)
def test_a_config_of_defaults_can_be_built(method: str) -> None:
    small = {"net": {"width": 2}, "discriminator": {"width": 2}}
    config = TrainConfig.from_dict({"a": "a", "b": "b", "method": method, **small})
    assert (config.net.width, config.discriminator.width) == (2, 2)
    assert config.replace(
        net=TrainConfig("a", "b", method=method).net, discriminator=TrainConfig("a", "b", method=method).discriminator
    ) == (TrainConfig("a", "b", method=method))
    assert build_method(config).phases()


@given(
    st.sampled_from(VARIANTS),
    st.floats(1e-6, 1.0),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([None, "normal", "xavier"]),
)
def test_every_config_survives_json(chosen: Any, lr: float, batch: int, flip: bool, init: Any) -> None:
    method, variant = chosen
    config = TrainConfig("a", "b", method=method, variant=variant, lr=lr, batch=batch, flip=flip, weight_init=init)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert build_config({}, config.to_dict()) == config.replace(a=config.a, b=config.b)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_run_stored_is_what_it_goes_on_with(method: str) -> None:
    """A run that Python once began with the general defaults, whatever its method's are."""
    general = TrainConfig("/data/x", "/data/y").to_dict()
    stored = {**general, "method": method, "lambda_nce": 3.0}
    if method in ("unit", "cogan"):  # never began so: they have nets of their own
        return
    assert TrainConfig.from_dict(stored).to_dict() == stored
    assert build_config({}, stored).to_dict() == stored


def test_another_method_brings_its_own_defaults_and_keeps_what_was_chosen() -> None:
    base = TrainConfig("a", "b", lr=1e-3, net=NetConfig("resnet", 8, 2))
    assert base.replace(method="fastcut") == TrainConfig(
        "a", "b", method="fastcut", lr=1e-3, net=NetConfig("resnet", 8, 2)
    )
    assert base.replace(lr=2e-4, net=NetConfig.named("compact")) == TrainConfig("a", "b")
    crossed = TrainConfig("a", "b", method="cogan", crop=32).replace(method="cyclegan")
    assert crossed == TrainConfig("a", "b", crop=32)
    assert TrainConfig("a", "b", crop=128).replace(method="cut", steps=5) == (
        TrainConfig("a", "b", method="cut", crop=128, steps=5)
    )


def test_folders_may_be_paths_and_numbers_whole() -> None:
    assert TrainConfig(Path("x/a"), Path("x/b"), lr=1) == TrainConfig("x/a", "x/b", lr=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"method": "gan"}, "no method is called 'gan'"),
        ({"variant": "2018"}, "cyclegan has no variant '2018'"),
        ({"batch": "4"}, "TrainConfig.batch should be int"),
        ({"method": "cogan", "crop": 100}, "not of 100"),
        ({"method": "cut", "feature_loss": "vgg19"}, r"cut has no feature loss \(simgan has\)"),
        ({"crop": "wide"}, "TrainConfig.crop should be int"),
        ({"net": "compact"}, "NetConfig should be settings by name, not 'compact'"),
        ({"epochs": 9, "epochs_decay": -2}, "-2 epochs"),
    ],
)
def test_what_no_config_can_be_is_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TrainConfig("a", "b", **values)
    with pytest.raises(UsageError, match=said):
        TrainConfig.from_dict({"a": "a", "b": "b", **values})


def test_without_folders_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(UsageError, match="two folders of images are needed"):
        TrainConfig.from_dict({"a": "x"})
    with pytest.raises(TypeError):
        TrainConfig("a", "b", learning_rate=1)  # type: ignore[call-arg]


OWNED = sorted(set().union(*(method.settings for method in METHODS.values())))


def test_what_a_method_calls_its_own_are_fields() -> None:
    assert set(OWNED) <= set(TrainConfig("a", "b").to_dict())
    help = settings_of(TrainConfig)["method"].help
    assert all(re.search(rf"\b{name}\b", help) for name in METHODS)


def test_help_tells_the_defaults_that_are_a_methods_own() -> None:
    told = settings_of(TrainConfig)
    for method, variant in VARIANTS:
        own = METHODS[method].variants.get(variant, {}) if variant else METHODS[method].defaults
        for name, value in own.items():
            if name not in told or value == getattr(TrainConfig, name, None) or name in ("pool", "use_gan"):
                continue  # their own help says whose they are; gram has no discriminator to switch off
            said = told[name].also or ""
            assert (variant or method) in said, name
            assert (f"{value:g}" if isinstance(value, float) else str(value)) in said, name


@pytest.mark.parametrize(
    ("method", "values"), [("cyclegan", {"lambda_nce": 3.0}), ("cut", {"lambda_cycle": 5.0}), ("unit", {"pool": 9})]
)
def test_python_does_not_set_in_silence_what_the_method_never_reads(method: str, values: dict[str, Any]) -> None:
    (setting,) = values
    with pytest.raises(UsageError, match=f"{method} has no --{setting.replace('_', '-')}"):
        TrainConfig("a", "b", method=method, **values)
    # What a stored config holds at its default says nothing.
    assert TrainConfig.from_dict(TrainConfig("a", "b", method=method).to_dict()).method == method


def test_another_method_leaves_behind_what_it_never_reads() -> None:
    assert TrainConfig("a", "b", lambda_cycle=5.0).replace(method="cut", batch=2).lambda_cycle == 10.0


@pytest.mark.parametrize("method", METHODS)
def test_the_relativistic_loss_is_of_some(method: str) -> None:
    net = NetConfig("cogan", 4, 3, "batch") if method == "cogan" else NetConfig("compact", 4, 1)
    config = TrainConfig("a", "b", method=method, gan="relativistic", net=net, crop=32)
    if method in ("cut", "fastcut"):
        build_method(config)
    else:
        with pytest.raises(UsageError, match=f"{method} has no relativistic loss"):
            build_method(config)


@pytest.mark.parametrize("setting", [name for name in OWNED if name not in ("variant", "direction")])
def test_an_option_of_other_methods_is_refused(setting: str) -> None:
    value: Any = "vgg19" if setting == "feature_loss" else getattr(TrainConfig("a", "b"), setting)
    for method in METHODS:
        option = setting.replace("_", "-")
        if method in owners(setting):
            assert getattr(build_config({**FOLDERS, "method": method, setting: value}), setting) == value
        else:
            with pytest.raises(UsageError, match=f"{method} has no --{option} .*--method {owners(setting)[0]}"):
                build_config({**FOLDERS, "method": method, setting: value})
