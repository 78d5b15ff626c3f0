"""Which passages a filter lets through, and the collection as if it held no others."""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bicross.collection.rows import chunks, damaged_document, marks
from bicross.collection.truth import Database
from bicross.filters import BOUNDS, Exists, Filter, Joined, Not, OneOf
from bicross.records import Passage, Space
from bicross.vectors import Keys, Scores, Vectors

if TYPE_CHECKING:  # the View holds a Memory, and a Matching holds the View
    from bicross.collection.view import View

TOGETHER = 8  # queries that are answered at once: a rare match takes a look at all passages, which is as wide as the collection
REMEMBERED = 8  # filters whose passages are kept while nothing is written
Predicate = Callable[[Mapping[str, Any]], bool]
UNFIT: tuple[str, Any] = ("", None)  # null in a list, a list in a list, an object
KNOWN = 10_000  # answers that are kept while a filter looks
_Values = tuple[tuple[str, Any], ...]


def predicate(where: Filter) -> Predicate:
    """What tells of a document's `meta`, as JSON gives it, whether the filter lets it through. Documents that say the same of what is asked
    are looked at once, of the first `KNOWN` that differ."""
    keys, test = sorted(_keys(where)), _test(where)
    known: dict[tuple[_Values, ...], bool] = {}

    def fits(meta: Mapping[str, Any]) -> bool:
        values = tuple(_values(meta.get(key)) for key in keys)
        found = known.get(values)
        if found is None:
            found = test(dict(zip(keys, values, strict=True)))
            if len(known) < KNOWN:
                known[values] = found
        return found

    return fits


def _keys(where: Filter) -> set[str]:
    if isinstance(where, Joined):
        return {key for part in where.parts for key in _keys(part)}
    return _keys(where.part) if isinstance(where, Not) else {where.key}


def _test(where: Filter) -> Callable[[Mapping[str, _Values]], bool]:
    """The filter as a function of the values that its keys have."""
    if isinstance(where, Joined):
        tests, join = [_test(part) for part in where.parts], all if where.every else any
        return lambda values: join(test(values) for test in tests)
    if isinstance(where, Not):
        part = _test(where.part)
        return lambda values: not part(values)
    key = where.key
    if isinstance(where, Exists):
        wanted = where.wanted
        return lambda values: bool(values[key]) == wanted
    if isinstance(where, OneOf):
        fitting = {_typed(value) for value in where.values}
        return lambda values: not fitting.isdisjoint(values[key])
    kind, bounds = _typed(where.bounds[0][1])[0], [(BOUNDS[word], bound) for word, bound in where.bounds]

    def within(values: Mapping[str, _Values]) -> bool:
        for found, value in values[key]:  # noqa: SIM110 - a third faster than any() of a generator
            if found == kind and all([test(value, bound) for test, bound in bounds]):  # noqa: C419 - as above
                return True
        return False

    return within


def _values(found: object) -> _Values:
    """The elements of a list, or the one value; none where there is none or null, and what fits nothing where there are no elements."""
    if found is None:
        return ()
    return (UNFIT, *map(_typed, found)) if isinstance(found, list) else (_typed(found),)


def _typed(value: object) -> tuple[str, Any]:
    """A value with its type, for 1 equals true in Python."""
    if isinstance(value, str):
        return "text", value
    if isinstance(value, bool):
        return "truth", value
    return ("number", value) if isinstance(value, int | float) else UNFIT


class TooLong(Exception):
    """The look at all documents took longer than it may."""


class Memory:
    """The keys that the last few filters let through, while the documents stay as they are. A look may take `within` seconds."""

    def __init__(self) -> None:
        self.within = math.inf
        self._given_up = "", 0.0  # the last filter that took longer than so many seconds
        self._revision = -1
        self._keys: OrderedDict[str, Keys] = OrderedDict()

    def keys(self, db: Database, revision: int, where: Filter) -> Keys:
        """Keys (n,), ascending, of the live passages of the documents that match. `revision` names the state of the documents.

        One look at the `meta` of every document, unless the filter was asked for since they changed. Their checksums are not tested here,
        for that takes reading all texts; those of what is then found are.

        Raises:
            TooLong: the look takes more than `within` seconds, or did when this filter was asked for last.
            Damaged: a `meta` is not JSON; the message names the document.
        """
        if revision != self._revision:
            self._keys.clear()
            self._given_up = "", 0.0
            self._revision = revision
        asked = repr(where)  # not the filter, of which one that asks for 1 equals one that asks for true
        if asked not in self._keys:
            slow, seconds = self._given_up
            if asked == slow and self.within <= seconds:
                raise TooLong
            try:
                found = self._look(db, predicate(where))
            except TooLong:
                self._given_up = asked, self.within
                raise
            query = "SELECT key FROM passages WHERE doc_id IN "
            keys = [key for part in chunks(found) for (key,) in db.execute(f"{query} ({marks(part)})", part)]
            self._keys[asked] = np.sort(np.array(keys, dtype=np.int64))
        self._keys.move_to_end(asked)
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)
        return self._keys[asked]

    def _look(self, db: Database, test: Predicate) -> list[str]:
        """Ids of the documents that fit. Each `meta` is read once, whatever is asked of it."""
        latest = time.monotonic() + self.within
        found = []
        for doc_id, content in db.execute("SELECT id, meta FROM documents"):
            if time.monotonic() > latest:
                raise TooLong
            try:
                fits = test(json.loads(content))
            except (TypeError, ValueError, AttributeError, RecursionError) as error:
                raise damaged_document(doc_id) from error
            if fits:
                found.append(doc_id)
        return found


class Matching:
    """A Corpus: the View as if it held only the documents that a filter lets through. Scores are those of the whole collection."""

    def __init__(self, view: View, where: Filter) -> None:
        self._view, self._where = view, where

    @property
    def space(self) -> Space:
        return self._view.space

    def nearest(self, vectors: Vectors, k: int) -> tuple[Keys, Scores]:
        return _joined([self._view.nearest(vectors[start : start + TOGETHER], k, self._where) for start in _starts(len(vectors))])

    def lexical(self, texts: Sequence[str], k: int) -> tuple[Keys, Scores]:
        return _joined([self._view.lexical(texts[start : start + TOGETHER], k, self._where) for start in _starts(len(texts))])

    def owners(self, keys: Iterable[int]) -> Mapping[int, str]:
        return self._view.owners(keys)

    def passages(self, keys: Iterable[int]) -> Mapping[int, Passage]:
        return self._view.passages(keys)

    def titles(self, doc_ids: Iterable[str]) -> Mapping[str, str]:
        return self._view.titles(doc_ids)

    def of_documents(self, doc_ids: Iterable[str]) -> Mapping[str, tuple[Passage, ...]]:
        return self._view.of_documents(doc_ids)


def _starts(queries: int) -> range:
    """Where each group of queries begins; no query is a group too, so that its shape is told."""
    return range(0, max(queries, 1), TOGETHER)


def _joined(groups: Sequence[tuple[Keys, Scores]]) -> tuple[Keys, Scores]:
    """The groups one below the other."""
    return np.concatenate([keys for keys, _ in groups]), np.concatenate([scores for _, scores in groups])
