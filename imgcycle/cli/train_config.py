"""From the options of `imgcycle train` to a TrainConfig: which setting wins over which."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from imgcycle.config import SHIFT_METHODS, Augment, CriticConfig, NetConfig, TrainConfig
from imgcycle.errors import UsageError

PLAIN = frozenset(
    {
        "variant",
        "direction",
        "shared_blocks",
        "weight_init",
        "gan",
        "cycle",
        "lambda_gan",
        "lambda_cycle",
        "lambda_identity",
        "lambda_reconstruction",
        "lambda_kl",
        "lambda_vgg",
        "lambda_l1",
        "lambda_self",
        "feature_loss",
        "lambda_shift",
        "lambda_grid",
        "lambda_nce",
        "nce_patches",
        "nce_width",
        "pool",
        "batch",
        "lr",
        "lr_critic",
        "weight_decay",
        "schedule",
        "warmup",
        "ema",
        "grad_clip",
        "val_every",
        "sample_every",
        "save_every",
        "device",
        "precision",
        "seed",
        "steps",
        "size",
        "crop",
        "px_per_cm",
    }
)
"""Options that are a field of TrainConfig under the same name."""
PUBLISHED_INIT = {
    **dict.fromkeys(("cyclegan", "pix2pix", "simgan", "bigan", "cogan"), "normal"),
    **dict.fromkeys(("cut", "fastcut"), "xavier"),
}
OWNED = {
    **dict.fromkeys(("feature_loss", "lambda_self"), ("simgan",)),
    **dict.fromkeys(("lambda_shift", "lambda_grid"), SHIFT_METHODS),
}
"""Options that mean nothing to any method but these."""
CRITICS = ("critic", "critic_layers", "critic_scales", "critic_width", "lr_critic", "gan", "lambda_gan")
"""Options about critics, which a run without any cannot mean."""


def build_config(given: dict[str, Any], stored: dict[str, Any] | None = None) -> TrainConfig:
    """The config from, in rising order: general defaults, the method's, --paper, `stored`, options given.

    `given` holds only what stood on the command line; `stored` a run's or a `--config` file's settings.
    """
    from imgcycle.methods.registry import defaults_of, method_class

    stored = stored or {}
    method = given.get("method") or stored.get("method", "cyclegan")
    for option in given.keys() & OWNED.keys():
        if method not in OWNED[option]:
            owners = " or ".join(OWNED[option])
            raise UsageError(f"{method} has no --{option.replace('_', '-')}", f"--method {owners} has")
    defaults = defaults_of(method, given.get("variant") or stored.get("variant"))
    merged: dict[str, Any] = {}
    if given.get("paper"):
        merged |= {"size": 286, "crop": 256, "ema": 0.0, "weight_init": PUBLISHED_INIT.get(method)}
    merged |= {**defaults, **stored, "method": method}
    merged |= {name: given[name] for name in PLAIN & given.keys()}
    if "size" in given:
        merged["size"] = load_size(given["size"])
    if "diff_augment" in given:
        merged["diff_augment"] = augmentations(given["diff_augment"])
    merged |= _sizes(given, stored)
    defaults = {**defaults, **method_class(method).sized(merged.get("crop", TrainConfig.crop))}
    merged["net"] = _net(given, _part("net", defaults, stored), live=defaults.get("net", {}).get("live", False))
    merged["critic"] = _critic(given, _part("critic", defaults, stored))
    if "epochs" in given:
        merged["epochs"], merged["epochs_decay"] = given["epochs"] - given["epochs"] // 2, given["epochs"] // 2
    if given.get("no_gan"):
        merged["use_gan"] = False
    if not merged.get("use_gan", True):
        for option in (option for option in CRITICS if option in given):
            raise UsageError(f"--{option.replace('_', '-')}, and no critic", "leave it out, or --no-gan")
    merged |= {name: str(Path(given[name]).resolve()) for name in ("a", "b", "val_a", "val_b") if name in given}
    paired = method_class(method).paired
    if paired and "a" in merged:
        merged.setdefault("b", merged["a"])
    if "a" not in merged or "b" not in merged:
        raise _two_folders_needed()
    if merged.get("direction", "A2B") != "A2B" and not paired:
        raise UsageError(f"{method} has no --direction", "swap the folders: imgcycle train B/ A/")
    return TrainConfig.from_dict(merged)


def _part(name: str, defaults: Mapping[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """The net or the critic before any option: as stored, over the method's own unless a kind is named."""
    mine, theirs = stored.get(name, {}), defaults.get(name, {})
    return dict(mine) if "kind" in mine else {**theirs, **mine}


def _net(given: dict[str, Any], stored: dict[str, Any], live: bool) -> dict[str, Any]:
    if stored and "net" not in given:
        changes = {"width": given["width"]} if "width" in given else {}
        return {**stored, **changes, **({"skip": True} if given.get("skip") else {})}
    name = given.get("net") or ("resnet9" if given.get("paper") else "compact")
    net = NetConfig.named(name, given.get("width"))
    return net.replace(live=live and net.kind == "unet", skip=net.skip or given.get("skip", False)).to_dict()


def _critic(given: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    options = (("kind", "critic"), ("layers", "critic_layers"), ("width", "critic_width"), ("scales", "critic_scales"))
    if given.get("critic", stored.get("kind")) != stored.get("kind"):  # depth and sizes are those of another kind
        stored = {field: value for field, value in stored.items() if field not in ("layers", "scales")}
    return CriticConfig.from_dict({**stored, **{f: given[o] for f, o in options if o in given}}).to_dict()


def _sizes(given: dict[str, Any], stored: dict[str, Any]) -> dict[str, int]:
    """Load size and crop: one of them alone brings the other along, in the paper's proportion 286 to 256."""
    known = {**stored, **given}
    if "size" in known and "crop" not in known:
        size = load_size(known["size"])
        return {"crop": 128 if size == "full" else round(size * 256 / 286)}
    if "crop" in known and "size" not in known:
        return {"size": round(known["crop"] * 286 / 256)}
    return {}


def load_size(text: int | str) -> int | Literal["full"]:
    """`--size`: a number of pixels or `full`; UsageError for anything else."""
    if text == "full":
        return "full"
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--size {text!r} is no size", "a number of pixels, or full") from None


def augmentations(words: str) -> list[str]:
    """`cutout,color` as the field has it: each once, in a fixed order; `none` is none. UsageError for other words."""
    asked = {"colour" if word == "color" else word for word in words.replace(" ", "").split(",")} - {"none"}
    known = get_args(Augment)
    if unknown := sorted(asked - set(known)):
        said = f"--diff-augment knows no {', '.join(map(repr, unknown))}"
        raise UsageError(said, f"a list like {','.join(known)}, or none")
    return [name for name in known if name in asked]


def run_folder(a: Path | None, b: Path | None, method: str | None) -> Path:
    """Where a run without `-o` goes: named after its two domains, or after the one folder of its pairs."""
    if a is not None and b is None and method == "pix2pix":
        return Path(f"{_name(a)}-pix2pix")
    if a is None or b is None:
        raise _two_folders_needed()
    names = _name(a), _name(b)
    if names[0] == names[1]:  # A/ and B/ in one folder
        names = a.resolve().name, b.resolve().name
    return Path("2".join(names))


def _name(folder: Path) -> str:
    """What to call a domain: its folder's name, or the one above for the likes of `photo/train`."""
    resolved = folder.resolve()
    return resolved.parent.name if resolved.name.lower() in ("train", "images", "a", "b") else resolved.name


def _two_folders_needed() -> UsageError:
    return UsageError("two folders of images are needed", "imgcycle train A/ B/")


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a `--config` file, or in a run's `config.json`; UsageError when there are none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return dict(values.get("config", values))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read as settings: {error}", "give a JSON file") from error


def shown_command() -> str:
    """The command line as a card may show it: the data folder by its variable, no other absolute paths."""
    data = os.environ.get("IMGCYCLE_DATA", "")
    words = ["imgcycle"]
    for word in sys.argv[1:]:
        path = Path(word)
        if data and word.startswith(data):
            words.append("$IMGCYCLE_DATA" + word[len(data) :])
        elif path.is_absolute():
            words.append(shlex.quote("/".join(path.parts[-2:])))
        elif word != "--resume":
            words.append(shlex.quote(word))
    return " ".join(words)
