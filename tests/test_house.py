"""The rules of the house: what is public, what an import costs, which way imports go, how long things may be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bicross

ROOT = Path(__file__).parent.parent
PUBLIC = ["BicrossError", "Document", "Hit", "Passage", "Query", "Run", "load_encoder", "load_reranker", "open"]
HEAVY = {
    "bm25s",
    "faiss",
    "fastapi",
    "huggingface_hub",
    "ir_measures",
    "numpy",
    "openvino",
    "pydantic",
    "rjieba",
    "scipy",
    "tokenizers",
    "torch",
    "trafilatura",
    "transformers",
}


def test_the_public_names_are_these() -> None:
    assert sorted(bicross.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(bicross, name).__name__ in {name, f"{name}_collection"}


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="load_reranker"):
        bicross.search  # noqa: B018 - reading the name is the test


def test_importing_bicross_loads_nothing_heavy() -> None:
    done = _python("-X", "importtime", "-c", "import bicross")
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "bicross" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("place", "line", "reported"),
    [
        ("data/lines.py", "import bicross.pipeline", "bicross.data.lines -> bicross.pipeline"),
        ("data/lines.py", "import bicross.searchers.fused", "bicross.data.lines -> bicross.searchers.fused"),
        ("searchers/fused.py", "import torch", "bicross.searchers.fused -> torch"),
        ("searchers/fused.py", "import faiss", "bicross.searchers.fused -> faiss"),
    ],
)
def test_an_import_that_goes_up_or_aside_is_named(tmp_path: Path, place: str, line: str, reported: str) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "starter"))
    shutil.copytree(ROOT / "src/bicross/starter", tmp_path / "src/bicross/starter", ignore=_only_python)
    planted = tmp_path / "src" / "bicross" / place
    planted.write_text(planted.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    command = [Path(sys.executable).parent / "lint-imports", "--config", ROOT / "pyproject.toml", "--no-cache"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": "src"}, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout
    assert reported in done.stdout


def test_sizes_over_a_cap_are_named(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("def short(): ...\n\n\ndef endless():\n" + "    x = 1\n" * 80)
    (tmp_path / "huge.py").write_text("x = 1\n" * 401)
    (tmp_path / "fine.py").write_text("def nearly():\n" + "    x = 1\n" * 79)
    done = _python(str(ROOT / "tools" / "check_sizes.py"), str(tmp_path))
    assert done.returncode == 1
    errors = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert len(errors) == 2
    assert "huge.py has 401 lines" in errors[0]
    assert "long.py:4 endless has 81 lines" in errors[1]
    assert "nearly has 80 lines; aim at 40" in done.stdout


def _only_python(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (name.endswith(".py") or (Path(folder) / name).is_dir())]


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)
