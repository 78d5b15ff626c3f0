"""What the model process does: an operation a method, JSON in and JSON out. It knows nothing of processes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bicross.collection.store import Collection
from bicross.data.lines import Malformed
from bicross.data.rows import content, identifier
from bicross.errors import BicrossError, InputError, Locked
from bicross.opened import OpenCollection
from bicross.protocols import Side
from bicross.records import Document
from bicross.searchers.spans import Span
from bicross.searchers.weights import Weights
from bicross.serving.frames import packed
from bicross.serving.live import Live
from bicross.serving.pace import Pace
from bicross.settings import IndexSettings, SearchSettings
from bicross.upsert import Upsert, adopt, chunks_of

log = logging.getLogger(__name__)
Json = dict[str, Any]
LANES = {
    "search": "models",
    "embed": "models",
    "score": "models",
    "spans": "models",
    "put": "writes",
    "delete": "writes",
    "documents": "reads",
    "describe": "reads",
}
"""The operations, and the lane that each runs in: one thread a lane, so that none waits for another's."""
TAIL = 1_000  # passages without an index that are always borne; beyond, a tenth of all


class Overdue(Exception):
    """The time that was given had passed before the work was begun."""


class Work:
    """The collections, by name. Each lane's operations are called by one thread."""

    def __init__(self, collections: Mapping[str, Path]) -> None:
        self._live = {name: Live(path) for name, path in collections.items()}
        self._pace = {name: Pace() for name in collections}

    def warm(self) -> None:
        """Load models and indexes. A collection that cannot be loaded is named in the log, and its questions get the reason."""
        for name in self._live:
            try:
                self.search(name, ["?"], {"k": 1})
            except BicrossError as error:
                log.warning("%s cannot be searched: %s", name, error)

    def do(self, op: str, collection: str, args: Mapping[str, Any]) -> Any:
        """One operation. Raises InputError where there is no such one, Overdue, and what the operation raises."""
        if op not in LANES or collection not in self._live:
            raise InputError(f"There is no operation {op!r} of a collection {collection!r}.")
        return getattr(self, op)(collection, **args)

    def told(self, collection: str, error: Exception) -> str:
        """What an error says, with the collection's name where its folder stands: who asks need not know of the machine's folders."""
        live = self._live.get(collection)
        return str(error) if live is None else str(error).replace(str(live.path), collection)

    # --- models ----------------------------------------------------------------------------------------------------

    def search(
        self,
        collection: str,
        texts: Sequence[str],
        settings: Mapping[str, Any],
        where: Mapping[str, Any] | None = None,
        seconds_left: float | None = None,
    ) -> list[Json]:
        """An answer a question (`Answer.as_json`), with `degraded` and `seconds`: see `Engine.search`. One question that cannot be asked
        refuses them all.

        Where reranking so deep would take longer than `seconds_left`, as far as is known, fewer candidates are reranked.
        """
        _in_time(seconds_left)
        wanted, pace = SearchSettings.model_validate(settings), self._pace[collection]

        def ask(opened: OpenCollection) -> list[Json]:
            depth = opened.depth(wanted)
            fits = depth if seconds_left is None else pace.depth(depth, len(texts), seconds_left)
            if wanted.min_probability is not None:  # what was calibrated is two-stage search, so some of it there must be
                fits = max(fits, min(1, depth))
            found = opened.search(texts, wanted if fits == depth else wanted.model_copy(update={"depth": fits}), where)
            pace.took(len(texts), sum(answer.reranked for answer in found.queries), found.seconds)
            return [{**answer, "degraded": fits < depth} for answer in found.as_json()["queries"]]

        return self._live[collection].ask(ask)

    def embed(self, collection: str, texts: Sequence[str], side: Side, seconds_left: float | None = None) -> Json:
        """{vectors (base64 of float32, little-endian), dim, tokens[n], cut[n]}; see `Engine.embed`."""
        _in_time(seconds_left)
        for text in texts:
            _checked(text, "text")
        vectors, tokens, cut = self._live[collection].ask(lambda opened: opened.encoder().encode_counted(side, texts))
        return {"vectors": packed(vectors), "dim": vectors.shape[1], "tokens": tokens, "cut": cut}

    def score(self, collection: str, pairs: Sequence[Sequence[str]], seconds_left: float | None = None) -> Json:
        """{scores[n], tokens[n], cut[n]}; see `Engine.score`."""
        _in_time(seconds_left)
        asked = [(_checked(query, "question"), _checked(text, "text")) for query, text in pairs]
        scores, tokens, cut = self._live[collection].ask(lambda opened: opened.reranker().score_counted(asked))
        return {"scores": scores.tolist(), "tokens": tokens, "cut": cut}

    def spans(self, collection: str, question: str, texts: Sequence[str], seconds_left: float | None = None) -> list[list[Json]]:
        """See `Engine.spans`."""
        _in_time(seconds_left)
        asked = [_checked(text, "text") for text in texts]

        def ask(opened: OpenCollection) -> list[list[Span]]:
            found = opened.mattering(_checked(question, "question"), asked)
            opened.cut()  # noted by the reranker, and not to be told of the next search
            return found

        found = self._live[collection].ask(ask)
        return [[{"start": span.start, "end": span.end, "score": span.score} for span in spans] for spans in found]

    # --- writes ----------------------------------------------------------------------------------------------------

    def put(self, collection: str, documents: Sequence[Mapping[str, Any]]) -> Json:
        """See `Engine.put`. All are looked at before the first is written.

        Raises:
            InputError: a document cannot be stored; the message names it. Locked: another process writes. StoreError: the disk refuses.
        """
        given = _documents(documents)
        live = self._live[collection]
        with Collection.write(live.path, hurry=True) as writer:
            encoder = live.encoder_for(writer)
            adopt(writer, encoder, IndexSettings())
            done = Upsert(writer, encoder)
            for part, _ in chunks_of(given):
                done.put(part)
        truncated = [{"id": skip.id, "reason": skip.reason} for skip in done.truncated]
        counts = {"changed": done.changed, "unchanged": done.seen - done.changed, "documents": live.shelf.counts().documents}
        return {**counts, "truncated": truncated}

    def delete(self, collection: str, ids: Sequence[str]) -> Json:
        """See `Engine.delete`. Gone from every answer when this returns; `settle` then removes the indexes that hold words of them.

        Raises:
            Locked: another process writes. StoreError: the disk refuses.
        """
        live = self._live[collection]
        with Collection.write(live.path, hurry=True) as writer:
            present = live.shelf.present(ids)
            gone = writer.delete(ids)
        unknown = [name for name in dict.fromkeys(ids) if name not in present]
        return {"deleted": gone, "unknown": unknown, "documents": live.shelf.counts().documents}

    def settle_all(self) -> None:
        """`settle` every collection."""
        for name in self._live:
            self.settle(name)

    def settle(self, collection: str) -> bool:
        """Fold what was written into a new generation where it has grown, and always after a deletion; tells whether it did. To be called
        after a write was answered, and when a process begins, since the one before may have been killed in between.
        """
        live = self._live[collection]
        try:
            counts, state = live.shelf.counts(), live.shelf.state()
            if not state.forgetting and counts.tail <= max(TAIL, counts.passages // 10):
                return False
            with Collection.write(live.path) as writer:
                writer.fold()
        except Locked:  # whoever writes folds when it is done
            return False
        except BicrossError as error:
            log.warning("%s could not be folded, and is searched as it is: %s", collection, error)
            return False
        return True

    # --- reads -----------------------------------------------------------------------------------------------------

    def documents(self, collection: str, ids: Sequence[str]) -> list[Json]:
        """See `Engine.documents`."""
        found = self._live[collection].shelf.documents(ids).values()
        return [{"id": one.id, "title": one.title, "text": one.text, "meta": dict(one.meta)} for one in found]

    def describe(self, collection: str) -> Json:
        """See `Engine.describe`. What only a loaded model knows is None before the first document. Models are named, never located."""
        live = self._live[collection]
        counts, state, opened = live.shelf.counts(), live.shelf.state(), live.opened
        weights = Weights.of(state.facts.weights)
        return {
            "name": collection,
            "documents": counts.documents,
            "passages": counts.passages,
            "encoder": _named(state.facts.encoder),
            "reranker": _named(state.facts.reranker),
            "dimensions": state.space and state.space.dim,
            "max_tokens": opened.encoder().max_tokens if opened is not None else None,
            "matryoshka": list(opened.encoder().matryoshka) if opened is not None else [],
            "similarity": state.space and state.space.similarity,
            "space": state.space and state.space.fingerprint,
            "depth": weights.depth if weights.combination else 0,
            "calibrated": sorted(weights.calibration),
            "weights": {"fusion": dict(weights.fusion), "combination": dict(weights.combination)},
        }


def _in_time(seconds_left: float | None) -> None:
    if seconds_left is not None and seconds_left <= 0:
        raise Overdue


def _named(model: str) -> str:
    """A model's name without the folders above it."""
    return Path(model).name if model.startswith("/") else model


def _checked(value: Any, what: str) -> str:
    try:
        return content(value, what)
    except Malformed as error:
        raise InputError(f"A text cannot be read: {error}.") from error


def _documents(given: Sequence[Mapping[str, Any]]) -> list[Document]:
    """As rows of a file are read, but one that cannot be used refuses all. Raises InputError, naming the document."""
    documents: dict[str, Document] = {}
    for place, fields in enumerate(given):
        name = str(fields.get("id"))[:80]
        try:
            doc_id = identifier(fields.get("id"))
            title, text = content(fields.get("title"), "title"), content(fields.get("text"), "text")
            if not (text.strip() or title.strip()):
                raise Malformed("the text is empty")
            if doc_id in documents:
                raise Malformed("the id stands twice in one request")
        except Malformed as error:
            raise InputError(f"Document {place} ({name!a}) cannot be stored: {error}.") from error
        documents[doc_id] = Document(doc_id, text if text.strip() else title, title, dict(fields.get("meta") or {}))
    return list(documents.values())
