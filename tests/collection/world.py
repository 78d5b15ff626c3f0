"""A world without a model: a document's passages are its lines, and a text's vector is drawn by its hash."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bicross.collection import lookup
from bicross.collection.rows import reading_hash
from bicross.collection.store import Collection, Facts, View, Writer
from bicross.records import Document, Passage, Space, reading
from bicross.vectors import Vectors, unit

ROOT = Path(__file__).parents[2]
SPACE = Space("aa" * 32, 8)
OTHER = Space("bb" * 32, 8)
FACTS = Facts("first/encoder", "first/reranker", 256, {"lexical": 0.5})


def vector(text: str, space: Space = SPACE) -> Vectors:
    """The vector of a text in a space, (dim,): random, but always the same."""
    seed = hashlib.sha256(f"{space.fingerprint}{text}".encode()).digest()
    return unit(np.random.default_rng(list(seed)).standard_normal(space.dim, dtype=np.float32))


def document(key: str, text: str, title: str = "") -> Document:
    return Document(key, text, title, {"from": key})


def cut(document: Document) -> list[Passage]:
    """One passage a line."""
    passages, start = [], 0
    for number, line in enumerate(document.text.splitlines(keepends=True)):
        text = line.rstrip("\n")
        passages.append(Passage(f"{document.id}#{number}", document.id, start, start + len(text), text))
        start += len(line)
    return [passage for passage in passages if passage.text]


def index(writer: Writer, documents: Sequence[Document], space: Space = SPACE, batch: int = 1000) -> int:
    """What the pipeline does: skip what is there, embed what has no vector, commit in batches. Returns the number of texts embedded."""
    if writer.space is None:
        writer.register_space(space, "first/encoder")
    unchanged = writer.unchanged(documents)
    changed = [document for document in documents if document.id not in unchanged]
    embedded = 0
    for start in range(0, len(changed), batch):
        part = changed[start : start + batch]
        passages = {document.id: cut(document) for document in part}
        texts = [reading(document.title, passage.text) for document in part for passage in passages[document.id]]
        missing = writer.missing(space, map(reading_hash, texts))
        vectors = {reading_hash(text): vector(text, space) for text in texts if reading_hash(text) in missing}
        writer.commit(part, passages, space, vectors)
        embedded += len(vectors)
    return embedded


def made(path: Path, documents: Sequence[Document], fold: bool = True) -> Collection:
    """A collection of these documents."""
    collection = Collection.create(path, FACTS)
    with Collection.write(path) as writer:
        index(writer, documents)
        if fold:
            writer.fold()
    return collection


def some(count: int, start: int = 0) -> list[Document]:
    """Documents of two or three passages, a word of their own in each, and one in both languages."""
    return [
        document(f"d{i}", f"alpha{i} 搜索 common\nbeta{i} words\n" + f"gamma{i}\n" * (i % 2), f"title{i}")
        for i in range(start, start + count)
    ]


def found(collection: Collection, texts: Iterable[str], k: int = 10, space: Space = SPACE) -> list[list[tuple[str, float]]]:
    """(text of the passage read, score) of the nearest of each text."""
    with collection.view() as view, view.snapshot():
        keys, scores = view.nearest(np.stack([vector(text, space) for text in texts]), k)
        read = readings(view, keys[keys >= 0].tolist())
        return [
            [(read[int(key)], float(score)) for key, score in zip(*row, strict=True) if key >= 0] for row in zip(keys, scores, strict=True)
        ]


def owners(view: View, keys: Iterable[int]) -> dict[int, str]:
    """Key -> document id of live passages."""
    return {key: passage.doc_id for key, passage in view.passages(keys).items()}


def readings(view: View, keys: Iterable[int]) -> dict[int, str]:
    """Key -> what a model reads of live passages."""
    with view.snapshot():
        passages = view.passages(keys)
        titles = view.titles({passage.doc_id for passage in passages.values()})
    return {key: reading(titles[passage.doc_id], passage.text) for key, passage in passages.items()}


def stored(view: View, ids: Iterable[str]) -> dict[str, Document]:
    """Id -> the document as it is in the view's present snapshot."""
    with view.snapshot():
        return lookup.documents(view._db, ids)


def exact(documents: Iterable[Document], text: str, k: int = 10, space: Space = SPACE) -> list[float]:
    """The scores that an exact scan of all passages gives, best first."""
    texts = [reading(document.title, passage.text) for document in documents for passage in cut(document)]
    return sorted((float(vector(one, space) @ vector(text, space)) for one in texts), reverse=True)[:k]


def truth(path: Path) -> sqlite3.Connection:
    """The truth itself, to look at or to damage."""
    return sqlite3.connect(path / "truth.sqlite", isolation_level=None)


def run(path: Path, count: int) -> None:
    """The work that is killed in `test_kills`: index and fold in small batches, saying aloud what was acknowledged."""
    if not Collection.exists(path):
        Collection.create(path, FACTS)
    print("made", flush=True)
    with Collection.write(path) as writer, writer.job("index", {"documents": count}):
        documents = some(count)
        for start in range(0, count, 4):
            texts = index(writer, documents[start : start + 4])
            print("acknowledged", start + 4, texts, flush=True)
            if start % 12 == 8:
                writer.fold()
        writer.fold()
    print("done", flush=True)


TUNED = Facts("second/encoder", "second/reranker", 256, {"lexical": 0.1})


def promote(path: Path, facts: Facts = TUNED) -> None:
    """Fill OTHER and let it answer, with these facts."""
    with Collection.write(path) as writer:
        writer.register_space(OTHER, facts.encoder)
        fill(writer, OTHER)
        writer.activate(OTHER, facts)


def roll_back(path: Path) -> None:
    """What the pipeline does: fill what was indexed since, then swap."""
    with Collection.write(path) as writer:
        fill(writer, writer.before()[1])
        writer.rollback()
        writer.fold()


def fill(writer: Writer, space: Space) -> int:
    """Give every text a vector in the space; returns how many had none."""
    texts = writer.readings(writer.pending(space)).values()
    writer.embed(space, {reading_hash(text): vector(text, space) for text in texts})
    return len(texts)


def toggle(path: Path, count: int) -> None:
    """The work that is killed in `test_kills`: models swapped to and fro, with documents added in between."""
    print("begins", flush=True)
    promote(path)
    for number in range(count):
        roll_back(path)
        print("back", number, flush=True)
        with Collection.write(path) as writer:
            index(writer, some(1, start=1000 + number), writer.space or SPACE)


def rows(path: Path) -> dict[str, list[object]]:
    """All that the truth says of documents, passages and vectors."""
    db = truth(path)
    return {table: db.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in ("documents", "passages", "vectors")}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def copied(path: Path, to: Path) -> Path:
    shutil.copytree(path, to)
    return to


if __name__ == "__main__":
    {"run": run, "toggle": toggle}[sys.argv[3]](Path(sys.argv[1]), int(sys.argv[2]))
