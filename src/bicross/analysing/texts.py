"""Texts with their vectors, out of sources as `index` takes them, or out of a collection, which has the vectors already."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bicross.collection.store import Collection
from bicross.data.sources import read_documents
from bicross.errors import InputError
from bicross.models import registry
from bicross.protocols import Progress
from bicross.records import Document, Skip, reading
from bicross.settings import STARTER_ENCODER, AnalysisSettings
from bicross.vectors import Vectors, unit

CHUNK = 4_096  # texts encoded between two signs of progress
TITLE = 100  # code points of a text that stand for it


@dataclass(slots=True)
class Texts:
    """Ids, what a model reads, what is shown, and vectors of length 1, (n, dim). `truncated` texts were longer than the model;
    `reranker` is the collection's, if it is one."""

    ids: list[str]
    texts: list[str]
    vectors: Vectors
    truncated: int
    skipped: tuple[Skip, ...]
    reranker: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def titles(self) -> list[str]:
        """A line for each text."""
        return [_line(text) for text in self.texts]


def read_texts(sources: Sequence[Path], settings: AnalysisSettings, progress: Progress) -> Texts:
    """The texts of all sources, or of one collection; each different text is encoded once.

    Raises:
        InputError: a source is not what it should be, holds fewer than two texts, or a model is given for a collection, which has its own.
    """
    if len(sources) == 1 and Collection.exists(sources[0]):
        return _enough(_of_collection(sources[0], settings), sources)
    start = time.perf_counter()
    documents, skipped = [], []
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(registry.load_encoder, settings.encoder or STARTER_ENCODER)
        for item in _items(sources, settings):
            if isinstance(item, Skip):
                skipped.append(item)
            else:
                documents.append((item.id, reading(item.title, item.text)))
        read = time.perf_counter() - start
        encoder = loading.result()
    different = list(dict.fromkeys(text for _, text in documents))
    place = {text: row for row, text in enumerate(different)}
    vectors = np.empty((len(different), encoder.space.dim), dtype=np.float32)
    starts = range(0, len(different), CHUNK)
    with ThreadPoolExecutor(2) as pool:  # while one part is computed, the next is tokenized
        encoded = pool.map(encoder.encode_documents, (different[first : first + CHUNK] for first in starts))
        for first, rows in zip(starts, encoded, strict=True):
            vectors[first : first + CHUNK] = rows
            progress("texts encoded", min(first + CHUNK, len(different)), len(different))
    found = Texts(
        ids=[id for id, _ in documents],
        texts=[text for _, text in documents],
        vectors=unit(vectors[[place[text] for _, text in documents]]),
        truncated=len(set(encoder.cut)),
        skipped=tuple(skipped),
        seconds={"read": read, "encode": time.perf_counter() - start - read},
    )
    return _enough(found, sources)


def _items(sources: Sequence[Path], settings: AnalysisSettings) -> Iterator[Document | Skip]:
    """A text file that is named itself holds a text a line, whose id is the number of the line."""
    if len(sources) == 1 and sources[0].suffix.lower() == ".txt" and sources[0].is_file():
        for number, line in enumerate(sources[0].read_bytes().splitlines(), start=1):
            try:
                text = line.decode("utf-8-sig").replace("\0", " ").strip()
            except UnicodeDecodeError as error:
                yield Skip(f"{sources[0]}:{number}", f"it is not UTF-8 ({error.reason} at byte {error.start})")
                continue
            yield Document(str(number), text) if text else Skip(f"{sources[0]}:{number}", "the line is empty")
        return
    yield from read_documents(sources, settings.columns)


def _of_collection(path: Path, settings: AnalysisSettings) -> Texts:
    """Documents of a collection; of one with several passages the mean of their vectors."""
    if settings.encoder is not None:
        raise InputError(f"{path} is a collection, which has its own encoder; leave --encoder out, or name the source instead.")
    start = time.perf_counter()
    with Collection.open(path).view() as view, view.snapshot():
        keys, rows = view.vectors(view.space)
        passages = view.passages(keys.tolist())
        titles = view.titles({passage.doc_id for passage in passages.values()})
        reranker = view.facts.reranker
    texts: dict[str, list[str]] = {}
    owners = [passages[key].doc_id for key in keys.tolist()]
    for passage in passages.values():
        texts.setdefault(passage.doc_id, []).append(passage.text)
    number = {doc_id: row for row, doc_id in enumerate(texts)}
    vectors = np.zeros((len(texts), rows.shape[1]), dtype=np.float32)
    np.add.at(vectors, [number[owner] for owner in owners], rows)
    read = [reading(titles.get(doc_id, ""), " ".join(parts)) for doc_id, parts in texts.items()]
    return Texts(list(texts), read, unit(vectors), 0, (), reranker, {"read": time.perf_counter() - start, "encode": 0.0})


def _enough(texts: Texts, sources: Sequence[Path]) -> Texts:
    if len(texts.ids) < 2:
        raise InputError(f"{sources[0]} holds {len(texts.ids)} text that can be read; expected two or more to compare.")
    return texts


def _line(text: str) -> str:
    """The first line of a text, cut to `TITLE` code points, without characters that no page may hold."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text[: 2 * TITLE]).split())
    return line if len(line) <= TITLE else line[: TITLE - 1].rstrip() + "…"
