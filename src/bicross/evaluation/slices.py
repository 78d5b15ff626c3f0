"""Parts of a set of questions that are measured on their own, so that a gain on most does not hide a loss on some."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from bicross.errors import InputError
from bicross.records import Query

FEWEST = 20
"""A slice of fewer judged questions is not judged: even 20 show a fall of 0.1 only in every fourth case (`gate.NOISE`)."""


def slices(queries: Sequence[Query], language: Callable[[str], str]) -> dict[str, list[str]]:
    """Names of slices -> query ids, each in the order of the queries; empty slices are left out, small ones are not.

    - "language zh", "language en": what `language` says of the text.
    - "short", "long": of the n questions of a language, ordered by their characters, those with fewer than the one at place n // 3
      (from 0), and those with more than the one at that place from the end; from all languages together. So each holds a third of a
      language at most, questions of equal length stand together, and where all are equally long neither has any.
    - "tag X": the query's `meta` has X as its "tag" or among its "tags". A string is one tag, a list several; white space at
      the ends is cut off, and what is then empty is none.

    Raises:
        InputError: a tag is neither a string nor a whole number; the query is named.
    """
    lengths = _by_language(queries, language)
    found: dict[str, list[str]] = {f"language {name}": list(of_id) for name, of_id in sorted(lengths.items())}
    short, long = set[str](), set[str]()
    for of_id in lengths.values():
        ordered = sorted(of_id.values())
        third = len(ordered) // 3
        short |= {query for query, length in of_id.items() if length < ordered[third]}
        long |= {query for query, length in of_id.items() if length > ordered[-1 - third]}
    found["short"] = [query.id for query in queries if query.id in short]
    found["long"] = [query.id for query in queries if query.id in long]
    tagged: dict[str, list[str]] = defaultdict(list)
    for query in queries:
        for tag in dict.fromkeys(_tags(query)):
            tagged[f"tag {tag}"].append(query.id)
    found |= dict(sorted(tagged.items()))
    return {name: ids for name, ids in found.items() if ids}


def _by_language(queries: Sequence[Query], language: Callable[[str], str]) -> dict[str, dict[str, int]]:
    """Language -> query id -> characters."""
    lengths: dict[str, dict[str, int]] = defaultdict(dict)
    for query in queries:
        lengths[language(query.text)][query.id] = len(query.text)
    return lengths


def _tags(query: Query) -> Iterator[str]:
    for name in ("tag", "tags"):
        value = query.meta.get(name)
        for tag in value if isinstance(value, list | tuple) else [value]:
            if tag is None:
                continue
            if isinstance(tag, bool) or not isinstance(tag, str | int):
                raise InputError(f"Query {query.id!r} has {tag!r} in its {name!r}; expected a string, or a list of strings.")
            if text := str(tag).strip():
                yield text
