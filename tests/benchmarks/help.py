"""`imgcycle --help` against an empty Typer app of three commands: python -m tests.benchmarks.help"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.benchmarks.turns import in_turn, table

EMPTY = "import typer\napp = typer.Typer()\n" + "".join(
    f"@app.command()\ndef {name}() -> None:\n    pass\n" for name in ("one", "two", "three")
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY + "app()\n")
        commands = {"empty app": [str(empty), "--help"], "imgcycle --help": ["-m", "imgcycle", "--help"]}
        things = {
            name: partial(subprocess.run, [sys.executable, *words], capture_output=True, check=True)
            for name, words in commands.items()
        }
        print(table(in_turn(things, 10), "empty app"))


if __name__ == "__main__":
    main()
