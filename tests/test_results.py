"""What the verbs give back, as JSON."""

from __future__ import annotations

from bicross.results import Answer, Answers


def test_questions_asked_together_share_the_time() -> None:
    found = Answers((Answer("a", (), {}, 0), Answer("b", (), {}, 0)), {"encode": 3.0}).as_json()
    assert [query["seconds"] for query in found["queries"]] == [{"encode": 1.5}] * 2
    assert found["seconds"] == {"encode": 3.0}


def test_no_question_is_no_error() -> None:
    assert Answers((), {"encode": 0.1}).as_json() == {"queries": [], "seconds": {"encode": 0.1}}
