"""`imgcycle models`: known styles, their cards, and checks of their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgcycle.cli.options import JsonOption, QuietOption, VerboseOption
from imgcycle.config.program import Direction

if TYPE_CHECKING:
    from imgcycle.weights.find import FoundStyle
    from imgcycle.weights.index import IndexEntry, RemoteEntry

models = typer.Typer(
    help="Styles that are here, published, or your own: list, info, path, verify, get, add, import, remove.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
DirectionOption = Annotated[
    Direction, typer.Option("--direction", help="Direction of a run folder or of a weights file with two.")
]
_LONGEST = 4000
"""Characters shown of one fact; all of it with --json."""
Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A style, a weights file, a run folder, or a result.")]


@models.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_styles()


@models.command("list")
def list_styles(json_lines: JsonOption = False) -> None:
    """All styles known by name: those that are here, then those that `get` fetches."""
    from imgcycle.cli.prompt import say_damage
    from imgcycle.cli.render.console import emit, emit_json, say
    from imgcycle.weights.find import index_paths, known_styles, remote_styles

    styles = known_styles()
    here = {name for name, found in styles.items() if found.path.is_file()}
    remote = {name: entry for name, entry in remote_styles().items() if name not in here}
    if not styles and not remote and not json_lines:
        say(f"no style is installed; looked at {', '.join(map(str, index_paths()))}")
    width = max(map(len, (*styles, *remote)), default=0)
    for name, found in sorted(styles.items()):
        assert found.entry is not None
        if name in remote:
            continue
        if json_lines:
            where = {"path": str(found.path), "present": name in here}
            emit_json({"schema": 1, "name": name, **where, **_facts(found.entry)})
        else:
            state = "" if name in here else "  (weights not here)"
            emit(f"{name:<{width}}  {found.entry.direction or found.entry.data}{state}")
    for name, entry in sorted(remote.items()):
        if json_lines:
            emit_json({"schema": 1, **_remote_facts(entry)})
        else:
            emit(f"{name:<{width}}  {entry.direction or entry.data}  (to get)")
    if remote and not json_lines:
        say("(to get): imgcycle models get NAME, or name it in --to")
    say_damage()


@models.command()
def info(name: Name, json_lines: JsonOption = False) -> None:
    """The card of a style, or the recipe inside a result."""
    import json

    from imgcycle.cli.render.console import emit, emit_json
    from imgcycle.errors import InputError
    from imgcycle.media.paths import kind_of, shown
    from imgcycle.weights.contents import is_weights
    from imgcycle.weights.find import remote_styles

    path = Path(name)
    if kind_of(path) in ("still", "clip") and path.is_file() and not is_weights(path):
        from imgcycle.jobs.images.plan import read_recipe
        from imgcycle.jobs.video.plan import clip_recipe

        recipe = read_recipe(path) if kind_of(path) == "still" else clip_recipe(path)
        if recipe is None:
            raise InputError(f"{name} holds no recipe: imgcycle did not make it, or its metadata were taken out")
        facts = dict(recipe)
    else:
        facts = _card(name) or _remote_facts(remote_styles()[name])
    if json_lines:
        emit_json({"schema": 1, **facts})
        return
    for key, value in facts.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else str(value)
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
        emit(f"{shown(str(key))}: {shown(text)}")  # one line each, or a card could fake others


def _card(name: str) -> dict[str, Any] | None:
    """Facts of an installed style, None for one that is to be fetched."""
    from imgcycle.errors import StyleNotHere
    from imgcycle.weights.find import find_style, index_entry

    try:
        found = find_style(name)
    except StyleNotHere:
        return None
    facts: dict[str, Any] = {"name": found.label, "path": str(found.path)}
    if found.is_onnx:
        from imgcycle.weights.onnx.about import read_onnx

        net = read_onnx(found.path)
        return facts | {"recognised": net.origin, "card": net.card}
    if found.is_foreign:
        from imgcycle.weights.importers import import_checkpoint

        _, imported = import_checkpoint(found.path)
        return facts | {"recognised": imported.recognised, "net": imported.config.to_dict(), "notes": imported.notes}
    from imgcycle.weights.description import digest, inspect_weights

    about = inspect_weights(found.path)
    return facts | _facts(found.entry or index_entry(digest(found.path))) | {"net": about.config, "card": about.card}


@models.command()
def path(name: Name) -> None:
    """Path of a style's weights."""
    from imgcycle.cli.render.console import writing_out
    from imgcycle.weights.find import find_style

    with writing_out():
        typer.echo(str(find_style(name).path))  # unescaped: a script opens it


@models.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Styles; all when none is named.")
    ] = None,
) -> None:
    """Compare weights with the digests of their index, and read them."""
    import contextlib

    from imgcycle.cli.render.console import emit
    from imgcycle.errors import ImgcycleError, WeightsError
    from imgcycle.weights.description import digest
    from imgcycle.weights.fetch import check_origin
    from imgcycle.weights.find import find_style, index_damage, known_styles, repair_hint

    for name in names or ():
        with contextlib.suppress(WeightsError):  # of a known style, reported below
            find_style(name)
    bad = 0
    for name in names or sorted(known_styles()):
        try:
            found = find_style(name)
            if found.digest and digest(found.path) != found.digest:
                emit(f"{name}: {found.path} is not the file its index describes ({repair_hint(found)})")
                bad += 1
                continue
            check_origin(found)
            _read(found)
            emit(f"{name}: sound")
        except ImgcycleError as error:
            emit(f"{name}: {error}")
            bad += 1
    for line in () if names else index_damage():
        emit(line)
        bad += 1
    if bad:
        raise typer.Exit(1)


@models.command()
def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Published styles, as `list` names them.")],
    mirror: Annotated[
        list[str] | None,
        typer.Option("--mirror", metavar="URL", help="Look below this address first; also $IMGCYCLE_MIRROR."),
    ] = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    json_lines: JsonOption = False,
) -> None:
    """Download published styles to $IMGCYCLE_HOME, and compare them with their digests."""
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.console import emit_json, say
    from imgcycle.cli.render.models import fetching
    from imgcycle.errors import DownloadError
    from imgcycle.weights.fetch import check_names, get_style

    failed = 0
    with graceful_exit():
        check_names(names)
        with fetching(quiet=quiet, verbose=verbose, json_lines=json_lines) as listener:
            for name in dict.fromkeys(names):
                try:
                    get_style(name, mirror or (), listener)
                except DownloadError as error:
                    failed += 1
                    if json_lines:
                        emit_json({"schema": 1, "name": name, "status": "failed", "error": str(error)})
                    else:
                        say(f"imgcycle: {error}")
    if failed:
        raise typer.Exit(1)


@models.command("import")
def import_weights(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint of another program (.pth, .pt, …).")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The weights file to write (.safetensors).")
    ],
    direction: DirectionOption = "A2B",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it is there.")] = False,
) -> None:
    """Convert another program's checkpoint to a weights file of imgcycle's; its code is never run."""
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.console import say
    from imgcycle.errors import Interrupted, UsageError
    from imgcycle.weights.find import NATIVE
    from imgcycle.weights.importers import convert_checkpoint

    if output.suffix.lower() != NATIVE:
        raise UsageError(f"{output} should end in {NATIVE}")
    if output.exists() and not overwrite:
        raise UsageError(f"{output} is there already", "--overwrite replaces it")
    if output.exists() and source.exists() and output.samefile(source):
        raise UsageError(f"{output} is the file to import", "name another with -o")
    with graceful_exit(lambda: Interrupted("interrupted; nothing was written")):
        about = convert_checkpoint(source, output, direction)
    for line in (f"recognised as {about.recognised}", *about.notes, f"written to {output}"):
        say(line)


@models.command()
def add(
    source: Annotated[str, typer.Argument(metavar="WEIGHTS|RUN", help="A weights file of any program, a run folder.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What --to will call it.")],
    direction: DirectionOption = "A2B",
) -> None:
    """Keep weights under a name, so that --to NAME finds them."""
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.console import say
    from imgcycle.errors import Interrupted
    from imgcycle.weights.user_styles import add_style

    with graceful_exit(lambda: Interrupted("interrupted; nothing was added")):
        entry, notes = add_style(source, name, direction)
    for line in (*notes, f"{name} is kept at {entry.path}: imgcycle convert PHOTOS --to {name}"):
        say(line)


@models.command()
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="A style of your own.")]) -> None:
    """Forget a style that was added, and delete its weights."""
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.console import say
    from imgcycle.weights.user_styles import remove_style

    with graceful_exit():
        gone = remove_style(name)
    say(f"{gone} is deleted")


def _read(found: FoundStyle) -> None:
    from imgcycle.weights.importers import import_checkpoint
    from imgcycle.weights.native import load_generator

    if found.is_onnx:
        from imgcycle.weights.onnx.about import read_onnx

        read_onnx(found.path)
    elif found.is_foreign:
        import_checkpoint(found.path)
    else:
        load_generator(found.path)


def _remote_facts(entry: RemoteEntry) -> dict[str, Any]:
    """Facts in the index on a published style that is not installed."""
    import dataclasses

    from imgcycle.weights.find import NATIVE, homes

    facts = dataclasses.asdict(entry)
    said = {key: value for key, value in facts.items() if key not in ("file", "bases") and value not in ("", None)}
    return {
        "name": entry.name,
        "path": str(homes()[0] / f"{entry.name}{NATIVE}"),
        "present": False,
        "get": f"imgcycle models get {entry.name}",
        **said,
        "urls": list(entry.urls),
    }


def _facts(entry: IndexEntry | None) -> dict[str, object]:
    """Facts in an index on a style, without its path."""
    import dataclasses

    if entry is None:
        return {}
    facts = dataclasses.asdict(entry)
    return {key: value for key, value in facts.items() if key not in ("name", "path") and value not in ("", None, {})}
