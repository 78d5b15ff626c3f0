"""Holds the size caps: a module at most 400 lines, a function at most 80; over 250 and 40 it warns. Exits 1 when a cap is broken.

python tools/check_sizes.py [FOLDER ...]      # default: src tests tools benchmarks examples
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("src", "tests", "tools", "benchmarks", "examples")


@dataclass(frozen=True)
class Limit:
    """Lines that are wished for, and lines that are never passed."""

    aim: int
    cap: int


MODULE, FUNCTION = Limit(250, 400), Limit(40, 80)


def sizes(path: Path) -> Iterator[tuple[str, int, Limit]]:
    """Name, lines and limit of a module and of each function in it, methods and inner functions too."""
    source = path.read_text(encoding="utf-8")
    yield str(path), len(source.splitlines()), MODULE
    for node in ast.walk(ast.parse(source, filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1, FUNCTION


def main(folders: list[str]) -> int:
    """Print what is long, the cases over a cap last, and return the exit code."""
    found = [size for folder in folders for path in sorted(Path(folder).rglob("*.py")) for size in sizes(path)]
    for name, lines, limit in sorted(found, key=lambda size: size[1] > size[2].cap):
        if lines > limit.cap:
            print(f"error: {name} has {lines} lines; the cap is {limit.cap}. Split it.")
        elif lines > limit.aim:
            print(f"warning: {name} has {lines} lines; aim at {limit.aim}.")
    broken = sum(lines > limit.cap for _, lines, limit in found)
    print(f"Sizes: {len(found)} modules and functions, {broken} over their cap.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [folder for folder in FOLDERS if Path(folder).is_dir()]))
