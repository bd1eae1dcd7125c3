"""TrainConfig from the options of `imgcycle train`, with the precedence of settings."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from imgcycle.config import NET_NAMES, Augment, DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.config.legacy import current_train_options, current_train_settings
from imgcycle.config.recipes import recipe_names, training_recipe
from imgcycle.errors import UsageError, from_system

FOLDERS = ("a", "b", "val_a", "val_b", "sample_from")
DISCRIMINATORS = (
    "discriminator",
    "discriminator_layers",
    "discriminator_scales",
    "discriminator_width",
    "lr_discriminator",
    "gan",
    "lambda_gan",
)
"""Options about discriminators, which do not apply to a run without any."""
_TRANSLATED = frozenset({*FOLDERS, "net", "discriminator", "epochs", "recipe", "diff_augment"})
"""Options that differ from the field of TrainConfig of their name."""


def build_config(given: dict[str, Any], stored: dict[str, Any] | None = None) -> TrainConfig:
    """The config from, in rising precedence: general defaults, --paper, the method's, `stored`, options given.

    `given` holds only options on the command line; `stored` a run's or a `--config` file's settings.
    """
    from imgcycle.methods.registry import defaults_of, method_class, with_method_defaults

    stored = stored or {}
    method = given.get("method") or stored.get("method", TrainConfig.method)
    defaults = defaults_of(method, given.get("variant") or stored.get("variant"))
    _check_options(given, method)
    merged: dict[str, Any] = {}
    if given.get("paper"):
        published = {"size": 286, "crop": 256, "ema": 0.0, "weight_init": method_class(method).published_init}
        merged |= {name: value for name, value in published.items() if name not in defaults}
    merged |= {**stored, "method": method}
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    merged |= {name: given[name] for name in (fields - _TRANSLATED) & given.keys()}
    if "strokes_of" in given:
        merged.setdefault("size", "full")
    if "diff_augment" in given:
        merged["diff_augment"] = augmentations(given["diff_augment"])
    if "epochs" in given:
        merged |= {"epochs": given["epochs"] - given["epochs"] // 2, "epochs_decay": given["epochs"] // 2}
        merged |= {"steps": None, "minutes": None}
    elif "minutes" in given:
        merged["steps"] = None
    elif "steps" in given and not stored.get("steps"):
        merged["minutes"] = None
    merged |= {name: str(Path(given[name]).resolve()) for name in FOLDERS if name in given}
    complete = with_method_defaults(merged)
    if not complete.get("use_gan", True):
        for option in (option for option in DISCRIMINATORS if option in given):
            raise UsageError(f"{_spelt(option)} has no effect with --no-gan", "leave one of the two out")
    if not {"a", "b"} <= complete.keys():
        raise _two_folders_needed()
    stochastic = defaults.get("net", {}).get("test_time_stochastic", False)
    merged["net"] = _net(given, complete.get("net", {}), stochastic)
    merged["discriminator"] = _discriminator(given, complete.get("discriminator", {}))
    return TrainConfig.from_dict(merged)


def _check_options(given: Mapping[str, Any], method: str) -> None:
    """UsageError for contradictory options, and for those that do not apply to the method."""
    from imgcycle.methods.registry import owners

    lengths = [_spelt(name) for name in ("epochs", "steps", "minutes") if name in given]
    if len(lengths) > 1:
        raise UsageError(" and ".join(lengths) + " together", "a run has one length: leave all but one out")
    if given.get("direction") not in (None, "A2B") and method not in owners("direction"):
        raise UsageError(f"{method} has no --direction", "swap the folders: imgcycle train B/ A/")
    for option in given:
        if method not in owners(option):
            owning = " or ".join(owners(option))
            raise UsageError(f"{method} has no {_spelt(option)}", f"--method {owning} has")


def _spelt(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _net(given: dict[str, Any], stored: dict[str, Any], stochastic: bool) -> dict[str, Any]:
    if stored and "net" not in given:
        net = NetConfig.from_dict({**stored, **({"width": given["width"]} if "width" in given else {})})
        return (net.drawing_changes() if given.get("skip") else net).to_dict()
    usual = "resnet9" if given.get("paper") else "strokes" if "strokes_of" in given else "compact"
    name = given.get("net") or usual
    net = NetConfig.named(name, given.get("width"))
    net = net.replace(test_time_stochastic=stochastic and net.kind == "unet")
    return (net.drawing_changes() if given.get("skip") else net).to_dict()


def _discriminator(given: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    options = (
        ("kind", "discriminator"),
        ("layers", "discriminator_layers"),
        ("width", "discriminator_width"),
        ("scales", "discriminator_scales"),
    )
    if given.get("discriminator", stored.get("kind")) != stored.get(
        "kind"
    ):  # depth and sizes are those of another kind
        stored = {field: value for field, value in stored.items() if field not in ("layers", "scales")}
    return DiscriminatorConfig.from_dict({**stored, **{f: given[o] for f, o in options if o in given}}).to_dict()


def augmentations(words: str) -> list[str]:
    """Parse `cutout,color`: each once, in a fixed order; `none` is empty. UsageError for other words."""
    asked = {"colour" if word == "color" else word for word in words.replace(" ", "").split(",")} - {"none"}
    known = get_args(Augment)
    if unknown := sorted(asked - set(known)):
        said = f"--diff-augment knows no {', '.join(map(repr, unknown))}"
        raise UsageError(said, f"a list like {','.join(known)}, or none")
    return [name for name in known if name in asked]


def run_folder(first: str | Path | None, second: str | Path | None, method: str | None) -> Path:
    """Folder of a run without `-o`: named after its two domains, or after the one folder of its pairs."""
    a, b = (None if folder is None else Path(folder) for folder in (first, second))
    if a is not None and b is None and method == "pix2pix":
        return Path(f"{_name(a)}-pix2pix")
    if a is None or b is None:
        raise _two_folders_needed()
    return Path("2".join(domain_names(a, b)))


def domain_names(a: Path, b: Path) -> tuple[str, str]:
    """Names of two domains: of their folders, or of the folders above."""
    names = _name(a), _name(b)
    return names if names[0] != names[1] else (a.resolve().name, b.resolve().name)  # A/ and B/ in one folder


def _name(folder: Path) -> str:
    """Name of a domain: its folder's, or its parent's for the likes of `photo/train`."""
    resolved = folder.resolve()
    if resolved.is_file():
        return resolved.stem
    return resolved.parent.name if resolved.name.lower() in ("train", "images", "a", "b") else resolved.name


def _two_folders_needed() -> UsageError:
    return UsageError("two folders of images are needed", "imgcycle train A/ B/")


def check_resume(given: Mapping[str, Any]) -> None:
    """UsageError for options that a resumed run cannot take, or that only a resumed run can."""
    if not given.get("resume"):
        if given.get("changed_data"):
            raise UsageError("--changed-data is for --resume", "a new run takes the pictures as they are")
        return
    for option in ("config", "start_from", "paper", "recipe", "minutes"):
        if given.get(option):
            raise UsageError(f"{_spelt(option)} cannot be changed with --resume", "a run keeps its settings")
    if "output" not in given and not ("a" in given and ("b" in given or given.get("method") == "pix2pix")):
        raise UsageError("--resume needs a run", "name its folder with -o")


def new_run_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """What a new run is set before its options: by `--recipe` or `--config`; and the weights that it begins with.

    A recipe's own weights are for its own net; with another net, or `--start-from none`, a run begins from random ones.
    """
    start = given.get("start_from")
    asked_random = start == "none"
    if "recipe" not in given:
        stored = read_settings(given["config"]) if given.get("config") else None
        return stored, None if asked_random else start
    for option in ("config", "paper"):
        if given.get(option):
            raise UsageError(f"{_spelt(option)} together with --recipe", "both set everything: leave one out")
    recipe = training_recipe(given["recipe"])
    method = recipe.settings.get("method", TrainConfig.method)
    if given.get("method", method) != method:
        raise UsageError(f"--method {given['method']} with a recipe for {method}", "leave --method out")
    another_net = bool(given.keys() & {"net", "width"}) or bool(given.get("skip"))
    if start is None and not another_net:
        start = recipe.start_from
    start = None if asked_random else start
    settings = recipe.run_settings(start is None, given)
    if isinstance(said := settings.get("net"), Mapping):
        settings["net"] = _net_of_recipe(said, method)
    return settings, start


def _net_of_recipe(said: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Settings of a net; what a recipe leaves open is as the method has it, else as the first `--net` of that kind."""
    from imgcycle.methods.registry import defaults_of

    own = defaults_of(method).get("net", {})
    kind = said.get("kind", own.get("kind", NetConfig.kind))
    usual = next((net for name in NET_NAMES if (net := NetConfig.named(name)).kind == kind), None)
    return {**(usual.to_dict() if usual else {}), **(own if own.get("kind") == kind else {}), **said}


def list_recipes(json_lines: bool) -> None:
    """Print the recipes that come along, what each is for, where its file lies; `json_lines`: an object for each."""
    from imgcycle.cli.render.console import emit, emit_json

    for name in recipe_names():
        recipe = training_recipe(name)
        if json_lines:
            emit_json({"schema": 1, "recipe": name, "about": recipe.about, "file": str(recipe.path)})
            continue
        emit(f"{name:14}{recipe.about}\n{'':14}{recipe.path}")


def read_settings(path: Path) -> dict[str, Any]:
    """Settings in a `--config` file, or in a run's `config.json`; UsageError, with its name, if it has none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values = current_train_settings(values.get("config", values))
        TrainConfig.from_dict({**dict.fromkeys(("a", "b"), "."), **values})
    except OSError as error:
        raise from_system(UsageError, error, f"{path} cannot be read", "give a JSON file") from error
    except UsageError as error:
        raise error.at(str(path)) from error
    except json.JSONDecodeError as error:
        said = f"{path} cannot be read as settings: no JSON at line {error.lineno}, column {error.colno}"
        raise UsageError(said, "give a JSON file") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as settings", "give a JSON file of settings by name") from error
    return dict(values)


def shown_command() -> str:
    """The command line for a card: the data folder by its variable, no other absolute paths."""
    data = os.environ.get("IMGCYCLE_DATA", "")
    words = ["imgcycle"]
    for word in current_train_options(sys.argv[1:]):
        path = Path(word)
        if data and word.startswith(data):
            words.append("$IMGCYCLE_DATA" + word[len(data) :])
        elif path.is_absolute():
            words.append(shlex.quote("/".join(path.parts[-2:])))
        elif word != "--resume":
            words.append(shlex.quote(word))
    return " ".join(words)
