"""Slices of questions whose members can be told by eye."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.errors import InputError
from bicross.evaluation.slices import slices
from bicross.records import Query


def script(text: str) -> str:
    return "zh" if ord(text[0]) > 255 else "en"


def asked(*texts: str) -> list[Query]:
    return [Query(f"q{number}", text) for number, text in enumerate(texts)]


def tagged(**meta: Any) -> Query:
    return Query("q", "text", meta)


def test_thirds_are_taken_in_each_language() -> None:
    english = ["aaaa" * 5, "a" * 5, "a" * 12, "a" * 6, "a" * 30, "a" * 14]
    chinese = ["中" * 3, "中" * 9, "中" * 6]
    assert slices(asked(*english, *chinese), script) == {
        "language en": ["q0", "q1", "q2", "q3", "q4", "q5"],
        "language zh": ["q6", "q7", "q8"],
        "short": ["q1", "q3", "q6"],
        "long": ["q0", "q4", "q7"],
    }


def test_questions_of_one_length_are_neither_short_nor_long() -> None:
    assert slices(asked(*["same"] * 9), script) == {"language en": [f"q{number}" for number in range(9)]}


def test_equal_lengths_stand_together() -> None:
    found = slices(asked("a", "a", "a", "a", "aa", "aaa", "aaa"), script)  # q0 to q3 hold both places of the short third and more
    assert "short" not in found and found["long"] == ["q5", "q6"]


def test_fewer_than_three_questions_have_no_thirds() -> None:
    assert slices(asked("a", "aaa"), script) == {"language en": ["q0", "q1"]}
    assert slices([], script) == {}


@pytest.mark.parametrize(
    ("meta", "names"),
    [
        ({"tag": "billing"}, ["tag billing"]),
        ({"tags": ["b", " a ", "b", ""]}, ["tag a", "tag b"]),
        ({"tag": "x", "tags": ["x", "y"]}, ["tag x", "tag y"]),
        ({"tag": 7}, ["tag 7"]),
        ({"tags": None, "tag": "  "}, []),
        ({"tags": []}, []),
    ],
)
def test_tags_are_slices(meta: dict[str, Any], names: list[str]) -> None:
    found = slices([tagged(**meta)], script)
    assert [name for name in found if name.startswith("tag")] == names
    assert all(ids == ["q"] for ids in found.values())


@pytest.mark.parametrize("value", [{"a": 1}, 1.5, True, [["a"]], [False]])
def test_a_tag_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"'q' has .* in its 'tags'; expected a string"):
        slices([tagged(tags=value)], script)


@given(st.lists(st.text("a中", min_size=1, max_size=8), max_size=40), st.sampled_from([script, lambda _: "en"]))
def test_thirds_never_overlap_nor_outgrow_a_third(texts: list[str], language: Callable[[str], str]) -> None:
    queries = asked(*texts)
    found = slices(queries, language)
    short, long = (set(found.get(name, [])) for name in ("short", "long"))
    assert not short & long and all(found.values())
    for tongue in {language(text) for text in texts}:
        members = found[f"language {tongue}"]
        lengths = {query.id: len(query.text) for query in queries}
        for third in (short, long):
            assert len(third.intersection(members)) <= len(members) // 3
        rest = [lengths[query] for query in members if query not in short | long]
        assert all(lengths[query] < min(rest) for query in short.intersection(members))
        assert all(lengths[query] > max(rest) for query in long.intersection(members))
