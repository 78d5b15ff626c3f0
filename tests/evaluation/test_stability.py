"""Questions asked differently whose answers are given."""

from __future__ import annotations

from bicross.evaluation.stability import Variant, compared, least_stable, stability, variants
from bicross.records import Hit, Query, Ranking


def ranking(documents: str) -> Ranking:
    return tuple(Hit(document, 0.0) for document in documents)


def test_only_what_a_change_alters_is_asked_again() -> None:
    made = variants([Query("q1", "请问怎么办？"), Query("q2", "reset"), Query("q3", "the")], seed=0)
    assert [query.text for query in made["plain words"]] == ["怎么办？"]  # of "the" nothing would be left
    assert [query.id for query in made["punctuation"]] == ["q1"]
    assert [query.text for query in made["case"]] == ["RESET", "THE"]
    assert {query.id for query in made["typo"]} == {"q1", "q2", "q3"}


def test_what_stays_is_counted() -> None:
    queries = {"q1": Query("q1", "one"), "q2": Query("q2", "two")}
    asked = [Query("q1", "ONE"), Query("q2", "TWO")]
    before = {"q1": ranking("abcd"), "q2": ranking("abcd")}
    after = {"q1": ranking("abxy"), "q2": ranking("dcba")}
    found = compared("case", queries, asked, before, after)
    assert [(one.text, one.variant, one.kept, one.same_first) for one in found] == [("one", "ONE", 0.5, True), ("two", "TWO", 1.0, False)]
    (row,) = stability(found)
    assert (row.kind, row.kept.mean, row.same_first.mean, row.kept.questions) == ("case", 0.75, 0.5, 2)
    assert stability([]) == []


def test_the_least_stable_come_first_with_their_worst_change() -> None:
    def variant(query: str, kind: str, kept: float) -> Variant:
        return Variant(query, "text", kind, "changed", kept, kept == 1)

    found = [variant("q1", "case", 1), variant("q1", "typo", 0.2), variant("q2", "case", 0.5), variant("q3", "typo", 1)]
    assert [(one.query_id, one.kind) for one in least_stable(found)] == [("q2", "case"), ("q1", "typo")]
