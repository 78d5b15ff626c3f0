"""Which files make up a table: a Parquet or Arrow file, what `datasets.save_to_disk` wrote, or a folder as the Hugging Face hub keeps it.

A folder may hold several tables, each under a name: a split of a DatasetDict (`test`), or folder and split of sharded files
(`qrels/test` for `qrels/test-00000-of-00002.parquet`). A table is named by its path, as if it were a file: `FOLDER/qrels/test`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bicross.data.files import TEXTS, walk
from bicross.errors import InputError

TABLE_FILES = (".parquet", ".arrow")
Files = tuple[Path, ...]

_ROWS = "training rows"
_NAMES = {
    "documents": ("corpus", "documents", "docs", "passages"),
    "queries": ("queries", "query", "questions"),
    _ROWS: ("train", "triplet", "pair"),  # a split `train` says nothing of what its rows are: for other roles it is as good as unnamed
    "judgements": ("qrels", "default"),  # `default` is what MTEB calls the configuration of the judgements
}
_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
_SHARD = re.compile(r"(.+?)-\d+-of-\d+(?:-[0-9a-f]+)?")  # as `datasets` names them, with a hash in older versions
_PART = re.compile(r"\d+|part-.*")  # as the hub's conversion and Spark name them: the folder is the table
_DEPTHS = ("", "*/", "*/*/")


def find_table(path: Path, role: str) -> Files | None:
    """The files of the table that `path` names, in their order; None where it names none.

    Of a folder with several tables it is the one named like the role ("documents", "queries" or "judgements"), or else the only
    one that is not named like another role. A folder with documents of its own, README aside, is no table of documents.

    Raises:
        InputError: there are several such tables, or none; or the path does not exist beside tables that do. The message names those.
    """
    if path.suffix.lower() in TABLE_FILES and path.is_file():
        return (path,)
    if path.is_dir():
        found = tables(path)
        if not found or (role == "documents" and not _is_saved(path) and _has_documents(path)):
            return None
        return found[_chosen(path, found, role)]
    found = {} if path.exists() or not path.parent.is_dir() else tables(path.parent)
    if found and path.name not in found:
        raise InputError(f"{path} does not exist; {path.parent} has the tables {_listed(path.parent, found)}. Name one of them.")
    return found.get(path.name)


def named_like(folder: Path, role: str) -> list[str]:
    """The names of a folder's tables that are named like the role, in order; none where it is no folder. Raises as `tables`."""
    return sorted(name for name in tables(folder) if _has_role(name, role)) if folder.is_dir() else []


def tables(folder: Path) -> dict[str, Files]:
    """Name -> files of the tables of a folder and two levels below it, the hidden left out. The folder's own table has the name "".

    Raises:
        InputError: what says which files belong to a saved dataset cannot be read, or a file that it names is missing.
    """
    found: dict[str, list[Path]] = {}
    saved = {state.parent for depth in _DEPTHS for state in folder.glob(depth + _STATE) if (state.parent / _INFO).is_file()}
    for home in sorted(saved):
        found[_relative(home, folder)] = _saved_files(home)
    shards = sorted(path for depth in _DEPTHS for suffix in TABLE_FILES for path in folder.glob(f"{depth}*{suffix}") if path.is_file())
    for path in shards:
        if path.parent not in saved:
            found.setdefault(_table_name(path, folder), []).append(path)
    if (folder / _SPLITS).is_file():
        splits = _read_json(folder / _SPLITS).get("splits", [])
        if gone := [split for split in splits if split not in found]:
            raise InputError(f"{folder / _SPLITS} names the splits {', '.join(splits)}, but {', '.join(gone)} is not there. Save it again.")
    return {name: tuple(files) for name, files in found.items() if not any(part.startswith(".") for part in name.split("/"))}


def _chosen(folder: Path, found: Mapping[str, Files], role: str) -> str:
    named = [name for name in found if _has_role(name, role)]
    unnamed = [name for name in found if not any(_has_role(name, other) for other in _NAMES if other != _ROWS)]
    candidates = named or unnamed
    if len(candidates) != 1:
        raise InputError(
            f"{folder} has {len(found)} tables, and {len(candidates)} of them may hold the {role}: {_listed(folder, candidates or found)}; "
            f"expected one named {' or '.join(_NAMES[role])}, or just one. Name the one that is meant."
        )
    return candidates[0]


def _has_role(name: str, role: str) -> bool:
    """Whether a part of a table's name is the role's, alone or after a language: `corpus`, `zh-corpus`."""
    return any(part.lower().split("-")[-1] in _NAMES[role] for part in name.split("/"))


def _listed(folder: Path, names: Collection[str]) -> str:
    return ", ".join(str(folder / name) for name in sorted(names)[:20]) + (", …" if len(names) > 20 else "")


def _is_saved(folder: Path) -> bool:
    return (folder / _INFO).is_file() or (folder / _SPLITS).is_file()


def _has_documents(folder: Path) -> bool:
    return any(name.lower().endswith(TEXTS) and Path(name).stem.lower() != "readme" for name in walk(folder, []))


def _table_name(path: Path, folder: Path) -> str:
    home = _relative(path.parent, folder)
    shard = _SHARD.fullmatch(path.stem)
    split = shard[1] if shard else "" if _PART.fullmatch(path.stem) else path.stem
    return "/".join(part for part in (home, split) if part)


def _relative(path: Path, folder: Path) -> str:
    return "" if path == folder else path.relative_to(folder).as_posix()


def _saved_files(home: Path) -> list[Path]:
    listed = _read_json(home / _STATE).get("_data_files", [])
    files = [home / str(entry["filename"]) for entry in listed if isinstance(entry, dict) and "filename" in entry]
    if gone := [path for path in files if not path.is_file()]:
        raise InputError(f"{home / _STATE} names {gone[0].name}, which is not there; expected what save_to_disk wrote. Save it again.")
    return files


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); expected what save_to_disk wrote. Save it again.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no JSON object; expected what save_to_disk wrote. Save it again.")
    return found
