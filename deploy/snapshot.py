"""A copy of a collection as it is now, for servers that only read: a folder, or a .tar.gz as SageMaker wants it.

    python deploy/snapshot.py COLLECTION SNAPSHOT             # a new folder
    python deploy/snapshot.py COLLECTION model.tar.gz         # the collection's files at the top of the archive

A server may go on writing meanwhile. The copy is checked as `bicross verify` does before it gets its name. Work that goes on (`tuning/`)
and feedback stay where they are.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from bicross import pipeline
from bicross.errors import BicrossError, InputError, StoreError

TRUTH, CURRENT, MODELS = "truth.sqlite", "CURRENT", "models"
ARCHIVE = ".tar.gz"
ATTEMPTS = 5  # an index that is copied may be replaced by a newer one, and go


def snapshot(collection: Path, into: Path) -> int:
    """Copy a collection; gives the number of its documents.

    Raises:
        InputError: there is no collection, or something is at `into`. StoreError: it cannot be copied, or the copy is not whole.
    """
    pipeline.status(collection)  # says what is wrong, where it is no collection
    if into.exists() or not into.absolute().parent.is_dir():
        raise InputError(f"{into} is there already, or its folder is not; expected a new name in a folder that exists.")
    with tempfile.TemporaryDirectory(dir=into.absolute().parent, prefix=f".{into.name}-") as work:
        made = Path(work) / "collection"
        made.mkdir()
        _copy(collection, made)
        found = pipeline.verify(made)
        if found.problems:
            what = f"{found.problems[0].where}: {found.problems[0].what}"
            raise StoreError(f"The copy of {collection} is not whole ({what}). Run: bicross verify {collection}")
        for left in made.glob(f"{TRUTH}-*"):  # nobody else has the copy open, and on a medium that cannot be written they are in the way
            left.unlink()
        if into.name.endswith(ARCHIVE):
            packed = Path(work) / into.name
            with tarfile.open(packed, "w:gz") as archive:
                archive.add(made, ".")
            made = packed
        made.replace(into)
    return found.documents


def _copy(collection: Path, copy: Path) -> None:
    """The index first, then the truth, then models: an index may be older than the truth, and all models that the truth names are there."""
    shutil.copy2(collection / "MANIFEST.json", copy / "MANIFEST.json")
    for _ in range(ATTEMPTS):
        if _copy_index(collection, copy):
            break
    else:
        raise StoreError(
            f"The index that {collection / CURRENT} names went {ATTEMPTS} times before it was copied. Run again when less is written; "
            f"where nothing is, run: bicross verify {collection}"
        )
    with (
        closing(sqlite3.connect(f"file:{quote(str(collection.absolute() / TRUTH))}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy / TRUTH)) as target,
    ):
        source.backup(target)
    if (collection / MODELS).is_dir():
        shutil.copytree(collection / MODELS, copy / MODELS, ignore=shutil.ignore_patterns("*.new"))


def _copy_index(collection: Path, copy: Path) -> bool:
    """Copy the index that is current, if there is one; False if it went while it was copied."""
    if not (collection / CURRENT).exists():
        return True
    index = shutil.copy2(collection / CURRENT, copy / CURRENT).read_text("ascii").strip()
    try:
        shutil.copytree(collection / index, copy / index)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(copy / index, ignore_errors=True)
        if (collection / index).exists():
            raise StoreError(f"Cannot copy {collection / index}: {error}. Check the disk of the copy and run again.") from error
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("collection", type=Path, help="the collection's folder")
    parser.add_argument("into", type=Path, help=f"a new folder, or a new file that ends in {ARCHIVE}")
    asked = parser.parse_args()
    try:
        documents = snapshot(asked.collection, asked.into)
    except BicrossError as error:
        sys.exit(f"snapshot: {error}")
    print(f"{documents} documents in {asked.into}")


if __name__ == "__main__":
    main()
