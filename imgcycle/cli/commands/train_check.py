"""`imgcycle train --check`: a look at both folders before they are learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgcycle.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from imgcycle.config import TrainConfig
    from imgcycle.metrics.features import FeatureNet


def check_before(config: TrainConfig, clean: Path | None, *, quiet: bool, json_lines: bool) -> None:
    """Look at the folders of a config and say what is there; with `clean`, copy what belongs to that folder.

    UsageError when a cleaned copy is asked for and cannot be made.
    """
    from imgcycle.cli.commands.train_config import domain_names
    from imgcycle.cli.render.check import tell_check
    from imgcycle.cli.render.reporter import Bar, reporting
    from imgcycle.methods.registry import method_class
    from imgcycle.training.check.clean import copy_clean
    from imgcycle.training.check.look import check_folders

    if clean is not None and method_class(config.method).paired:
        raise UsageError("--clean is not for pairs", "it is for two folders of one look each")
    net, missing = _features(required=clean is not None)
    names = domain_names(Path(config.a), Path(config.b))
    with reporting(quiet=quiet, json_lines=json_lines) as reporter:

        def heard(done: int, total: int) -> None:
            reporter.bar(Bar("looking", done, total, f"{done}/{total}"))

        report = check_folders(config, net, heard)
        reporter.no_bar("looking")
    counts = {} if clean is None else copy_clean(report, names, clean)
    tell_check(report, missing, json_lines=json_lines)
    if clean is not None and not json_lines:
        from imgcycle.cli.render.console import say

        kept = ", ".join(f"{count:,} in {clean / name}" for name, count in counts.items())
        say(f"copied without what does not belong: {kept}; what was left out is in {clean / 'dropped.tsv'}")


def _features(required: bool) -> tuple[FeatureNet | None, str]:
    """The net whose features tell what does not belong, or why there is none."""
    from imgcycle.device import resolve_device
    from imgcycle.metrics.features import FeatureNet
    from imgcycle.training.check.features import check_extra

    try:
        check_extra()
        return FeatureNet(resolve_device("auto")), ""
    except MissingExtra as error:
        if required:
            raise
        return None, str(error)
