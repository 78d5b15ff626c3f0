"""The models that ship with the package: a small Chinese and English bi-encoder, a reranker, a fast one. Their cards lie beside this file.

They are stored in 4 and 8 bits (`packing.py`) and unpacked once, into the user's cache, as folders that plain
sentence-transformers loads too.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bicross import durable
from bicross.errors import Damaged, StoreError
from bicross.settings import STARTER_ENCODER, STARTER_FAST, STARTER_RERANKER

HERE = Path(__file__).parent
GENERAL = HERE / "general"
"""Two small BEIR folders of general questions, `xquad_en` and `xquad_zh`: what a tuned model must not forget. See SOURCE.md there."""

_FOLDERS = {STARTER_ENCODER: HERE / "encoder", STARTER_RERANKER: HERE / "reranker", STARTER_FAST: HERE / "reranker-fast"}
WORDS = "words.packed.safetensors"
_SHARED = ("tokenizer.json", "tokenizer_config.json", WORDS)  # one tokenizer and one table of word embeddings serve all


def unpacked(name: str) -> Path:
    """The unpacked folder of a starter model, made first if it is not there or not whole.

    Raises:
        StoreError: the cache cannot be written; the message names it. `BICROSS_CACHE` moves it.
    """
    source = _FOLDERS[name]
    files = {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if path.is_file()}
    files |= {shared: HERE / shared for shared in _SHARED}
    stamp = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files.values())).hexdigest()
    target = cache() / f"{source.name}-{stamp[:16]}"
    if not _whole(target):
        _make(target.parent)
        with durable.lock(target.parent / f"{source.name}.lock", wait=60):
            if not _whole(target):
                _unpack(files, target)
    return target


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"Cannot make {folder}, where models are unpacked: {error.strerror}. Name a folder in BICROSS_CACHE.") from error


def cache() -> Path:
    """Where unpacked models lie: $BICROSS_CACHE, else the user's cache folder."""
    base = os.environ.get("BICROSS_CACHE")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bicross"


def _whole(folder: Path) -> bool:
    """Every byte is hashed, because a model with one flipped bit would run, in a space of its own (80 MB take 0.05 s)."""
    try:
        durable.read_folder(folder)
    except Damaged:
        return False
    return True


def _unpack(files: dict[str, Path], target: Path) -> None:
    from bicross.starter.packing import PACKED, unpack  # numpy, needed only the first time

    contents = {file: path.read_bytes() for file, path in files.items() if file not in (PACKED, WORDS)}
    contents["model.safetensors"] = unpack(files[PACKED], files[WORDS])
    durable.remove_folder(target)
    durable.write_folder(target, contents, {"unpacked": target.name})
