"""What the model process does: an operation a method, JSON in and JSON out. It knows nothing of processes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bicross.collection.matching import TooLong
from bicross.collection.store import Collection
from bicross.errors import BicrossError, InputError, Locked
from bicross.opened import OpenCollection
from bicross.protocols import Side
from bicross.searchers.spans import Span
from bicross.searchers.weights import Weights
from bicross.serving import given
from bicross.serving.frames import packed
from bicross.serving.live import Live
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
"""The operations, and the lane that each runs in: one thread a lane, and of writes one a collection, so that none waits for another's."""
FILTERING = 5.0  # seconds that a filter may look at the documents' meta, while all other questions wait
BRIEF, LONGEST_URL = 240, 2_000  # code points of a title, a text and an address that a brief look at a document gives
TAIL = 1_000  # passages without an index that are always borne; beyond, a tenth of all


class Overdue(Exception):
    """The time that was given had passed before the work was begun."""


class Work:
    """The collections, by name. Each lane's operations are called by one thread, writes by one for each collection."""

    def __init__(self, collections: Mapping[str, Path]) -> None:
        self._live = {name: Live(path) for name, path in collections.items()}

    def warm(self) -> None:
        """Load models and indexes. A collection that cannot be loaded is named in the log, and its questions get the reason."""
        for name in self._live:
            try:
                self.search(name, ["?"], {"k": 1})
            except BicrossError as error:
                log.warning("%s cannot be searched: %s", name, error)
            except Exception:  # whatever it is, the other collections must be served
                log.exception("%s cannot be searched", name)

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

        A filter that looks for longer than FILTERING seconds, or than `seconds_left`, is given up: InputError, or Overdue. What cannot be
        reranked within `seconds_left` is not.
        """
        _in_time(seconds_left)
        wanted = SearchSettings.model_validate({**settings, "deadline": seconds_left})

        def ask(opened: OpenCollection) -> list[Json]:
            opened.view.matching.within = FILTERING if seconds_left is None else min(FILTERING, seconds_left)
            found: list[Json] = opened.search(texts, wanted, where).as_json()["queries"]
            return found

        try:
            return self._live[collection].ask(ask)
        except TooLong as error:
            if seconds_left is not None and seconds_left < FILTERING:
                raise Overdue from error
            raise InputError(f"The filter takes longer than {FILTERING:g} s here; ask with fewer conditions, or without it.") from error

    def embed(self, collection: str, texts: Sequence[str], side: Side, seconds_left: float | None = None) -> Json:
        """{vectors (base64 of float32, little-endian), dim, tokens[n], cut[n]}; see `Engine.embed`."""
        _in_time(seconds_left)
        for text in texts:
            given.checked(text, "text")
        vectors, tokens, cut = self._live[collection].ask(lambda opened: opened.encoder().encode_counted(side, texts))
        return {"vectors": packed(vectors), "dim": vectors.shape[1], "tokens": tokens, "cut": cut}

    def score(self, collection: str, pairs: Sequence[Sequence[str]], seconds_left: float | None = None) -> Json:
        """{scores[n], tokens[n], cut[n]}; see `Engine.score`."""
        _in_time(seconds_left)
        asked = [(given.checked(query, "question"), given.checked(text, "text")) for query, text in pairs]
        scores, tokens, cut = self._live[collection].ask(lambda opened: opened.reranker().score_counted(asked))
        return {"scores": scores.tolist(), "tokens": tokens, "cut": cut}

    def spans(self, collection: str, question: str, texts: Sequence[str], seconds_left: float | None = None) -> list[list[Json]]:
        """See `Engine.spans`."""
        _in_time(seconds_left)
        asked = [given.checked(text, "text") for text in texts]

        def ask(opened: OpenCollection) -> list[list[Span]]:
            found = opened.mattering(given.checked(question, "question"), asked)
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
        rows = given.documents(documents)
        live = self._live[collection]
        with Collection.write(live.path, hurry=True) as writer:
            encoder = live.encoder_for(writer)
            adopt(writer, encoder, IndexSettings())
            done = Upsert(writer, encoder)
            for part, _ in chunks_of(rows):
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

    def documents(self, collection: str, ids: Sequence[str], brief: bool = False) -> list[Json]:
        """See `Engine.documents`."""
        found = self._live[collection].shelf.documents(ids).values()
        if brief:
            return [{"id": one.id, "title": one.title[:BRIEF], "text": one.text[:BRIEF], "meta": _address(one.meta)} for one in found]
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
            "depth": weights.depth if weights.combination and weights.stage == "both" else 0,
            "stage": weights.stage,
            "adaptive": weights.foresight is not None,
            "fast": None if weights.fast is None else _named(weights.fast),
            "calibrated": sorted(weights.calibration),
            "weights": {"fusion": dict(weights.fusion), "combination": dict(weights.combination)},
        }


def _in_time(seconds_left: float | None) -> None:
    if seconds_left is not None and seconds_left <= 0:
        raise Overdue


def _address(meta: Mapping[str, Any]) -> Json:
    """The `url` alone, where it is one."""
    url = meta.get("url")
    return {"url": url} if isinstance(url, str) and len(url) <= LONGEST_URL else {}


def _named(model: str) -> str:
    """A model's name without the folders above it."""
    return Path(model).name if model.startswith("/") else model
