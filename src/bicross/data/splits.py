"""Questions for training and questions to measure on, kept apart by near-duplicate groups: what was learned is not what is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from bicross.data.near_duplicates import groups
from bicross.errors import InputError
from bicross.records import Query

Group = tuple[Query, ...]


def split(
    queries: Sequence[Query], share: float, seed: int, alike: float = 0.7, seen: frozenset[str] = frozenset()
) -> tuple[list[Query], list[Query]]:
    """Questions for training, and for development about a `share` of them, 0 < share < 1; each in the order given.

    No development question is in one near-duplicate group with a training question (`near_duplicates.groups`). Of the numbers of
    development questions that whole groups can add up to, the nearest to the share is taken, from 1 to all but one. The groups
    are drawn by `seed` and the questions' ids: the same questions in another order are parted in the same way. Questions whose ids
    are in `seen`, and their near-duplicates, are for training.

    Raises:
        InputError: there are fewer than two groups, or all have a question that was seen.
    """
    drawn = _drawn(queries, seed, alike)
    _require(drawn, 2, len(queries), alike, "a part to train on and a part to measure on; add different questions, or name some with --dev")
    unseen = [group for group in drawn if not any(query.id in seen for query in group)]
    if not unseen:
        raise InputError(
            f"All {len(queries)} questions, or near-duplicates of them, have trained the models that answer now, so nothing can be "
            "measured with them. Add questions, or name others with --dev."
        )
    sizes = [len(group) for group in unseen]
    chosen = _adding_up(sizes, share * len(queries), sum(sizes) - (len(unseen) == len(drawn)))
    held = {query.id for place in chosen for query in unseen[place]}
    return [query for query in queries if query.id not in held], [query for query in queries if query.id in held]


def held_out(train: Sequence[Query], dev: Sequence[Query], alike: float = 0.7) -> list[Query]:
    """The training questions that are in no near-duplicate group with a development question, in the order given.

    Raises:
        InputError: none is left.
    """
    together = sorted({query.text for query in (*train, *dev)})
    number = dict(zip(together, groups(together, alike), strict=True))
    taken = {number[query.text] for query in dev}
    left = [query for query in train if number[query.text] not in taken]
    if not left:
        raise InputError(
            f"Of {len(train)} training questions none is left: all are near-duplicates of development questions (likeness {alike}). "
            "Name other development questions with --dev, or leave --dev out to have some set apart."
        )
    return left


def folds(queries: Sequence[Query], k: int, seed: int, alike: float = 0.7) -> dict[str, int]:
    """Query id -> fold, 0 to k-1; a near-duplicate group is in one fold. The largest groups go first, each to the fold that has least.

    (Graham, "Bounds on multiprocessing timing anomalies", 1969.) Equally large groups are drawn by `seed` and the questions' ids.

    Raises:
        InputError: there are fewer than k groups.
    """
    drawn = _drawn(queries, seed, alike)
    _require(drawn, k, len(queries), alike, f"one for each of {k} folds; add different questions, or ask for fewer folds")
    sizes = [0] * k
    fold_of: dict[str, int] = {}
    for group in sorted(drawn, key=len, reverse=True):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(group)
        fold_of.update((query.id, fold) for query in group)
    return {query.id: fold_of[query.id] for query in queries}


def _drawn(queries: Sequence[Query], seed: int, alike: float) -> list[Group]:
    """The near-duplicate groups in an order that `seed` and the ids alone decide."""
    ordered = sorted(queries, key=lambda query: query.id)
    members: dict[int, list[Query]] = {}
    for query, number in zip(ordered, groups([query.text for query in ordered], alike), strict=True):
        members.setdefault(number, []).append(query)
    return [tuple(group) for group in sorted(members.values(), key=lambda group: _draw(seed, group[0].id))]


def _draw(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=16).digest()


def _require(drawn: Sequence[Group], least: int, questions: int, alike: float, why: str) -> None:
    if len(drawn) < least:
        raise InputError(
            f"{questions} questions form {len(drawn)} groups of near-duplicates (likeness {alike}); expected {least} or more, {why}."
        )


def _adding_up(sizes: Sequence[int], wished: float, most: int) -> list[int]:
    """Places of sizes whose sum is nearest to what is wished, from 1 to `most`: the first ones, where they will do.

    `last[total]` is the place of the size that first made that total possible with those before it, so that the sizes of a total are
    found by walking back from it (the subset sums of Bellman's "Dynamic Programming", 1957).
    """
    target = min(max(1, round(wished)), most)
    last = np.full(min(most, target + max(sizes)) + 1, -1)
    possible = np.zeros(len(last), dtype=bool)
    possible[0] = True
    for place, size in enumerate(sizes):
        if possible[target]:
            break
        fresh = np.flatnonzero(possible[: max(0, len(last) - size)] & ~possible[size:]) + size
        possible[fresh], last[fresh] = True, place
    totals = np.flatnonzero(possible)[1:]
    total = int(totals[np.abs(totals - wished).argmin()])
    chosen = []
    while total:
        chosen.append(int(last[total]))
        total -= sizes[chosen[-1]]
    return chosen
