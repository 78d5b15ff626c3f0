"""Names of models: which one to keep, and where the models lie that a collection owns.

A collection owns the models in its folder `models/`. It holds them as `models/NAME`, so that it can be moved or copied as one
folder. Each was written by `durable.write_folder` under the writer's lock.
"""

from __future__ import annotations

import os
from pathlib import Path

from bicross.errors import StoreError

MODELS = "models"


def canonical(name: str, collection: Path | None = None) -> str:
    """The name to keep: `models/NAME` of a model that the collection owns, which comes before a folder of that name elsewhere;
    of another folder its whole path, so that it is found from anywhere; other names as they are.
    """
    if collection is not None:
        for folder in (collection / name, Path(name)):
            if is_folder(folder) and folder.resolve().parent == (collection / MODELS).resolve():
                return f"{MODELS}/{folder.resolve().name}"
    return str(Path(name).resolve()) if is_folder(Path(name)) else name


def located(name: str, collection: Path) -> str:
    """Where to load a model from that is kept as `name`: the folder's whole path of one that the collection owns, whether or not
    it is there, since no hub is to be asked for it; other names as they are.
    """
    return str((collection / name).absolute()) if is_owned(name) else name


def is_owned(name: str) -> bool:
    """Whether a name that is kept is of a collection's own model."""
    folder, _, rest = name.partition("/")
    return folder == MODELS and rest not in ("", ".", "..") and "/" not in rest


def is_folder(path: Path) -> bool:
    """Whether a folder is at `path`; not where there can be no such path."""
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, or a folder that may not be looked into
        return False


def owned(collection: Path) -> list[str]:
    """Names of the models that the collection owns, damaged ones too, in order; what is half-written is none.

    Raises:
        StoreError: the system refuses to list the folder.
    """
    try:
        found = [entry.name for entry in os.scandir(collection / MODELS) if entry.is_dir() and not entry.name.endswith(".new")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"Cannot list {collection / MODELS}: {error.strerror}. Check the folder's permissions and run again.") from error
    return [f"{MODELS}/{name}" for name in sorted(found)]
