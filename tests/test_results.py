"""What the verbs give back, as JSON."""

from __future__ import annotations

from bicross.records import Hit
from bicross.results import Answer, Answers


def test_questions_asked_together_share_the_time() -> None:
    found = Answers((Answer("a", (), {}, 0), Answer("b", (), {}, 0)), {"encode": 3.0}).as_json()
    assert [query["seconds"] for query in found["queries"]] == [{"encode": 1.5}] * 2
    assert found["seconds"] == {"encode": 3.0}


def test_no_question_is_no_error() -> None:
    assert Answers((), {"encode": 0.1}).as_json() == {"queries": [], "seconds": {"encode": 0.1}}


def test_whether_a_question_is_answerable_is_said_only_where_a_probability_was_asked_for() -> None:
    hit = Hit("d", 1.0, probability=0.7)
    answers = [Answer("q", (hit,), {}, 1), Answer("q", (hit,), {}, 1, least=0.5), Answer("q", (), {}, 1, least=0.5)]
    assert [one.as_json()["answerable"] for one in answers] == [None, True, False]
