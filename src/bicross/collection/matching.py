"""Which passages a filter lets through, and the collection as if it held no others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bicross.collection.truth import Database
from bicross.filters import BOUNDS, Exists, Filter, Joined, Not, OneOf, Scalar
from bicross.records import Passage, Space
from bicross.vectors import Keys, Scores, Vectors

if TYPE_CHECKING:  # the View holds a Memory, and a Matching holds the View
    from bicross.collection.view import View

TOGETHER = 8  # queries that are answered at once: a rare match takes a look at all passages, which is as wide as the collection
REMEMBERED = 8  # filters whose passages are kept while nothing is written
Clause = tuple[str, tuple[Scalar, ...]]
"""SQL about `d`, a row of documents, and the values of its parameters. Keys and values are never in the SQL."""


def clause(where: Filter) -> Clause:
    """The filter as SQL, which is 1 or 0 for every document and never NULL."""
    if isinstance(where, Joined):
        parts = [clause(part) for part in where.parts]
        return f"({(' AND ' if where.every else ' OR ').join(sql for sql, _ in parts)})", tuple(
            one for _, values in parts for one in values
        )
    if isinstance(where, Not):
        sql, values = clause(where.part)
        return f"NOT {sql}", values
    path = f'$."{where.key}"'  # a bound value too; `filters.KEY` keeps quotation marks out of it
    if isinstance(where, Exists):
        return f"coalesce(json_type(d.meta, ?), 'null') {'<>' if where.wanted else '='} 'null'", (path,)
    if isinstance(where, OneOf):
        tests = [_of_type(value, "=") for value in where.values]
        join = " OR "
    else:
        tests = [_of_type(bound, BOUNDS[word]) for word, bound in where.bounds]
        join = " AND "
    # Of a list json_each gives the elements, of a text or a number itself, and of an object the members, which are not meant.
    sql = f"EXISTS (SELECT 1 FROM json_each(d.meta, ?) e WHERE json_type(d.meta, ?) <> 'object' AND ({join.join(sql for sql, _ in tests)}))"
    return sql, (path, path, *(value for _, values in tests for value in values))


def _of_type(value: Scalar, operator: str) -> Clause:
    """A test of one JSON value, `e`, against a value of the same type."""
    if isinstance(value, bool):
        return "e.type = ?", ("true" if value else "false",)
    kinds = "e.type = 'text'" if isinstance(value, str) else "e.type IN ('integer', 'real')"
    return f"({kinds} AND e.value {operator} ?)", (value,)


class Memory:
    """The keys that the last few filters let through, while the documents stay as they are."""

    def __init__(self) -> None:
        self._revision = -1
        self._keys: OrderedDict[Clause, Keys] = OrderedDict()

    def keys(self, db: Database, revision: int, where: Filter) -> Keys:
        """Keys (n,), ascending, of the live passages of the documents that match. `revision` names the state of the documents.

        One look at the `meta` of every document, unless the filter was asked for since they changed. Their checksums are not tested here,
        for that takes reading all texts; those of what is then found are.
        """
        if revision != self._revision:
            self._keys.clear()
            self._revision = revision
        sql, values = asked = clause(where)
        if asked not in self._keys:
            query = f"SELECT p.key FROM documents d JOIN passages p ON p.doc_id = d.id WHERE {sql} ORDER BY p.key"
            self._keys[asked] = np.fromiter((key for (key,) in db.execute(query, values)), dtype=np.int64)
        self._keys.move_to_end(asked)
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)
        return self._keys[asked]


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
