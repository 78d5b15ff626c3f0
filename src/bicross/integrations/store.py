"""A collection that a framework reads and writes, and its hits with the documents that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from bicross import filters
from bicross.collection.shelf import Shelf
from bicross.collection.store import Collection
from bicross.errors import InputError, SpaceMismatch
from bicross.models.registry import TokenEncoder
from bicross.opened import OpenCollection
from bicross.records import Document, Hit
from bicross.results import Answer
from bicross.settings import IndexSettings, SearchSettings
from bicross.upsert import Upsert, adopt, chunks_of, encoder_of, facts_of

TAIL = 1_000  # passages without an index that are always borne; beyond, a tenth of all


class Found(NamedTuple):
    """A hit, and the document that it is of."""

    hit: Hit
    document: Document


class Store:
    """A collection at `path`. Given `settings` it is made where it is not there; without, it has to be. Threads may share it.

    It follows what others write, and where the collection was moved to other models it goes along.

    Raises:
        InputError: there is no collection, or none can be made there. StoreError: it cannot be read.
    """

    def __init__(self, path: str | Path, settings: IndexSettings | None = None) -> None:
        self.path = Path(path)
        self._settings = settings or IndexSettings()
        if settings is not None and not Collection.exists(self.path):
            Collection.create(self.path, facts_of(settings, self.path))
        self.shelf = Shelf(self.path)
        self._turn, self._writing = Lock(), Lock()
        self._opened: OpenCollection | None = None
        self._encoder: TokenEncoder | None = None

    def close(self) -> None:
        """Let go of the collection's files."""
        self.shelf.close()
        if self._opened is not None:
            self._opened.close()

    def opened(self) -> OpenCollection:
        """The collection opened for search, with its models. Raises InputError where nothing was ever put into it."""
        with self._turn:
            if self._opened is None:
                self._opened = OpenCollection(self.path)
            return self._opened

    def encoder(self) -> TokenEncoder:
        """The collection's own bi-encoder; a collection without documents has one too."""
        with self._turn:
            if self._encoder is None:
                made = self._opened is not None and self._opened.encoder.made
                self._encoder = self._opened.encoder() if made and self._opened else encoder_of(self.shelf.state().facts.encoder, self.path)
            return self._encoder

    def answer(self, question: str, settings: SearchSettings, where: Mapping[str, Any] | None = None) -> Answer | None:
        """What `bicross search` answers; None where nothing was ever put in. Raises InputError as `OpenCollection.search` does."""
        if self.shelf.state().space is None:
            return None
        try:
            return self.opened().search(question, settings, where).queries[0]
        except SpaceMismatch:  # it was moved to other models, by `tune` or `reembed`
            with self._turn:
                self._opened, self._encoder = OpenCollection(self.path), None
            return self.opened().search(question, settings, where).queries[0]

    def find(self, question: str, settings: SearchSettings, where: Mapping[str, Any] | None = None) -> list[Found]:
        """The hits of a question, best first, with their documents; one that was deleted meanwhile is left out."""
        answer = self.answer(question, settings, where)
        hits = () if answer is None else answer.hits
        documents = self.shelf.documents(hit.doc_id for hit in hits)
        return [Found(hit, documents[hit.doc_id]) for hit in hits if hit.doc_id in documents]

    def matching(self, where: Mapping[str, Any] | None = None) -> list[Document]:
        """The documents that a filter lets through, or all, in the order in which they came first."""
        return self.shelf.matching(None if where is None else filters.read(where))

    def put(self, documents: Sequence[Document]) -> None:
        """Upsert documents by id: searchable when this returns. All are looked at before the first is written.

        Raises:
            InputError: one has no text, or an id stands twice; the message names it. Locked: another process writes.
            SpaceMismatch: the collection is of another encoder than the one that was named.
        """
        _check(documents)
        with self._writing, Collection.write(self.path) as writer:
            adopt(writer, self.encoder(), self._settings)
            done = Upsert(writer, self.encoder())
            for part, _ in chunks_of(documents):
                done.put(part)
            counts = self.shelf.counts()
            if counts.tail > max(TAIL, counts.passages // 10):
                writer.fold()

    def delete(self, ids: Iterable[str]) -> int:
        """Remove documents by id, with their passages and vectors, from the truth and from every generation; returns how many there were.

        Raises:
            Locked: another process writes.
        """
        with self._writing, Collection.write(self.path) as writer:
            gone = writer.delete(ids)
            if gone and writer.space is not None:
                writer.fold(keep=1)
        return gone


def _check(documents: Sequence[Document]) -> None:
    seen = set[str]()
    for document in documents:
        if not document.text.strip():
            raise InputError(f"Document {document.id!r} has no text, so nothing would ever find it; give some, or leave it out.")
        if document.id in seen:
            raise InputError(f"Document id {document.id!r} stands twice in one call; ids must differ.")
        seen.add(document.id)


def document_of(doc_id: str, text: str, meta: Mapping[str, Any] | None) -> Document:
    """A framework's document. Its metadata are kept whole; a `title` among them is read by the models with every passage."""
    title = (meta or {}).get("title")
    return Document(doc_id, text, title if isinstance(title, str) else "", dict(meta or {}))


def meta_of(document: Document) -> dict[str, Any]:
    """A document's metadata as frameworks hold them, the title among them."""
    return {**({"title": document.title} if document.title else {}), **document.meta}


def told(found: Found) -> dict[str, Any]:
    """Metadata of the passage that answers: the document's, its id, where the passage stands, and the scores."""
    hit, document = found
    passage = {} if hit.passage is None else {"start": hit.passage.start, "end": hit.passage.end}
    scores = {"score": hit.score, **({} if hit.probability is None else {"probability": hit.probability})}
    return {**meta_of(document), "document_id": document.id, **passage, **scores}


def text_of(found: Found) -> str:
    """The passage that answers."""
    return found.document.text if found.hit.passage is None else found.hit.passage.text
