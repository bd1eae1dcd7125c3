"""`imgcycle models`: which styles there are, what is known of them, whether their files are sound."""

from __future__ import annotations

from typing import Annotated

import typer

from imgcycle.cli import options as o

models = typer.Typer(
    help="The styles known here: list, info, path, verify.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A style, a weights file, a run folder, or a result.")]


@models.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_styles()


@models.command("list")
def list_styles(json_lines: o.JsonOption = False) -> None:
    """All styles known by name."""
    from imgcycle.cli.console import emit, emit_json, say
    from imgcycle.weights.find import index_paths, known_styles

    styles = known_styles()
    if not styles and not json_lines:
        say(f"no style is installed; looked at {', '.join(map(str, index_paths()))}")
    width = max(map(len, styles), default=0)
    for name, found in sorted(styles.items()):
        assert found.entry is not None
        there = found.path.is_file()
        if json_lines:
            emit_json({"schema": 1, "name": name, "path": str(found.path), "present": there, **_facts(name)})
        else:
            state = "" if there else "  (weights not here)"
            emit(f"{name:<{width}}  {found.entry.direction or found.entry.data}{state}")


@models.command()
def info(name: Name, json_lines: o.JsonOption = False) -> None:
    """The card of a style, or the recipe inside a result."""
    import json
    from pathlib import Path

    from imgcycle.cli.console import emit, emit_json
    from imgcycle.errors import InputError
    from imgcycle.media.paths import kind_of
    from imgcycle.weights.find import find_style

    path = Path(name)
    if kind_of(path) == "still" and path.is_file():
        from imgcycle.jobs.planning import read_recipe

        recipe = read_recipe(path)
        if recipe is None:
            raise InputError(f"{name} holds no recipe: imgcycle did not make it, or its metadata were taken out")
        facts = dict(recipe)
    else:
        from imgcycle.weights.native import inspect_weights

        found = find_style(name)
        about = inspect_weights(found.path)
        facts = {"name": found.label, "path": str(found.path)}
        facts |= _facts(name) if found.entry else {}
        facts |= {"net": about.config, "card": about.card}
    if json_lines:
        emit_json({"schema": 1, **facts})
        return
    for key, value in facts.items():
        emit(f"{key}: {json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value}")


@models.command()
def path(name: Name) -> None:
    """Where a style's weights lie."""
    from imgcycle.cli.console import emit
    from imgcycle.weights.find import find_style

    emit(str(find_style(name).path))


@models.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Styles; all when none is named.")
    ] = None,
) -> None:
    """Compare weights with the digests of their index, and read them."""
    from imgcycle.cli.console import emit
    from imgcycle.errors import ImgcycleError
    from imgcycle.weights.find import find_style, known_styles
    from imgcycle.weights.native import digest, load_generator

    bad = 0
    for name in names or sorted(known_styles()):
        try:
            found = find_style(name)
            if found.digest and digest(found.path) != found.digest:
                emit(f"{name}: not the file its index describes ({found.path})")
                bad += 1
                continue
            load_generator(found.path)
            emit(f"{name}: sound")
        except ImgcycleError as error:
            emit(f"{name}: {error}")
            bad += 1
    if bad:
        raise typer.Exit(1)


def _facts(name: str) -> dict[str, object]:
    """What the index says of a style, apart from where it lies."""
    import dataclasses

    from imgcycle.weights.find import known_styles

    found = known_styles().get(name)
    if found is None or found.entry is None:
        return {}
    facts = dataclasses.asdict(found.entry)
    return {key: value for key, value in facts.items() if key not in ("name", "path") and value not in ("", None, {})}
