"""Which questions are shown as the worst, and what is shown of them."""

from __future__ import annotations

from bicross.evaluation.two_stage import BOTH, FINE, LOST, LOW, MISSED, NONE, UNREAD, Outcome
from bicross.evaluation.worst import CHARACTERS, EACH, Library, clipped, missing_ids, worst_of, worst_question
from bicross.records import Hit, Passage, Query, Ranking


def outcome(query: str, kind: str, recalled: float, final: float, best: float, ideal: float = 1.0, reach: float | None = None) -> Outcome:
    return Outcome(query, kind, 1, 1, 1, recalled, final, best if reach is None else reach, best, ideal)


def hits(*documents: str) -> Ranking:
    return tuple(Hit(doc, float(-place), Passage(doc, doc, 0, 9, f"text of\n {doc}")) for place, doc in enumerate(documents))


def language(text: str) -> str:
    return "zh" if any(ord(character) > 0x3000 for character in text) else "en"


def test_the_worst_lack_most_and_those_that_the_reranker_harmed_come_first() -> None:
    outcomes = [
        outcome("b", MISSED, 0.0, 0.0, 0.0),
        outcome("a", MISSED, 0.0, 0.0, 0.0),
        outcome("lost", LOST, 1.0, 0.0, 1.0),
        outcome("fine", FINE, 0.2, 1.0, 1.0),
        outcome("low", LOW, 0.5, 0.5, 1.0),
        outcome("unread", UNREAD, 0.6, 0.6, 1.0, reach=0.6),
        outcome("unanswerable", NONE, 0.0, 0.0, 0.0, 0.0),
    ]
    assert [(place, one.query_id) for place, one in worst_of(outcomes)] == [(2, "a"), (3, "b"), (1, "lost"), (5, "unread"), (4, "low")]
    assert worst_of([outcomes[3]]) == []


def test_of_each_kind_some_are_shown_and_the_three_worst_always() -> None:
    lost = [outcome(f"l{number}", LOST, 0.1 * number, 0.0, 1.0) for number in range(1, 10)]
    both = [outcome(f"b{number}", BOTH, 0.5, 0.4, 0.6) for number in range(10)]
    shown = worst_of([*lost, *both])
    assert [one.query_id for _, one in shown if one.kind == LOST] == ["l9", "l8", "l7", "l6", "l5"]
    assert sum(one.kind == BOTH for _, one in shown) == EACH
    low = [outcome(f"w{number}", LOW, 0.6, 0.6, 1.0) for number in range(6)]
    deep = [outcome(f"d{number}", LOW, 0.5, 0.5, 0.7) for number in range(3)]  # they lack most, and lost little that an order could give
    places = {one.query_id: place for place, one in worst_of([*low, *deep])}
    assert {"d0", "d1", "d2"} <= set(places) and [places[f"d{number}"] for number in range(3)] == [1, 2, 3] and len(places) == EACH + 3


def test_what_is_shown_of_a_question() -> None:
    recalled = hits("a", "b", "c", "d", "e", "f", "relevant")
    final = hits("f", "relevant", "a", "b", "c", "d", "e")
    grades = {"relevant": 2, "b": 0, "missed": 1, "absent": 1}
    library = Library({"a": " A\ntitle ", "missed": "标题"}, {"missed": "遗漏的文本"}, language)
    seen = worst_question(1, outcome("q", LOST, 1, 0, 1), Query("q", "怎么重置？"), recalled, final, grades, library)
    assert (seen.language, seen.missed, seen.text) == ("zh", 2, "怎么重置？")
    assert [one.doc_id for one in seen.recalled] == ["a", "b", "c", "d", "e", "relevant"]
    assert [one.doc_id for one in seen.final] == ["f", "relevant", "a", "b", "c"]
    deeper = seen.recalled[-1]
    assert (deeper.recalled, deeper.final, deeper.grade, deeper.text) == (7, 2, 2, "text of relevant")
    assert (seen.recalled[0].title, seen.recalled[0].grade, seen.recalled[1].grade) == ("A title", None, 0)
    absent, missed = seen.missing
    assert (missed.doc_id, missed.text, missed.title, missed.language, missed.recalled) == ("missed", "遗漏的文本", "标题", "zh", None)
    assert (absent.doc_id, absent.text) == ("absent", "")


def test_missing_documents_come_by_grade() -> None:
    assert missing_ids(hits("a"), {"a": 1, "x": 1, "y": 3, "z": 0, "w": -1}) == ["y", "x"]


def test_texts_are_clipped_to_about_as_much_in_either_language() -> None:
    assert clipped("x" * CHARACTERS, "en") == "x" * CHARACTERS and clipped("x" * (CHARACTERS + 1), "en").endswith("x …")
    assert clipped("中" * 200, "zh") == "中" * (CHARACTERS // 2) + " …"
    assert clipped("x" * 30, "en", 20) == "x" * 20 + " …" and clipped("中" * 30, "zh", 20) == "中" * 10 + " …"
