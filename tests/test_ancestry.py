"""Which questions a collection's models have seen, and which ones a calibration was fitted to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross import durable
from bicross.ancestry import LINEAGE, MARK, ancestry, digest, marked, marks, remarks, unseen
from bicross.collection.store import Facts
from bicross.errors import Damaged
from bicross.models.registry import HASHED
from bicross.records import Query, Skip

ASKED = [Query("a", "how do I reset it?"), Query("b", "如何重置？"), Query("c", "where is it?")]
TUNED = Facts(HASHED, "models/tuned", 64)


def tune(path: Path, seen: list[Query]) -> None:
    """Give the collection a model that was tuned on these questions."""
    lineage = {"untuned": {"encoder": "e", "reranker": "r"}, "seen": [digest(query) for query in seen]}
    durable.write_folder(path / "models" / "tuned", {LINEAGE: json.dumps(lineage).encode()}, {})


def test_questions_that_were_seen_are_left_out_however_they_are_spaced(tmp_path: Path) -> None:
    tune(tmp_path, ASKED[:1])
    again = [Query("x", "  how do\tI reset it? "), *ASKED[1:]]
    assert unseen(tmp_path, TUNED, again) == (ASKED[1:], [Skip("x", "it trained a model that answers now")])
    assert remarks(tmp_path, TUNED, again)[0].startswith("1 of the 3 questions trained the models that answer")
    assert remarks(tmp_path, TUNED, ASKED[1:]) == []
    found = ancestry(tmp_path, TUNED)
    assert (found.encoder, found.reranker, found.saw(ASKED)) == (HASHED, "r", {"a"})


def test_a_model_of_its_own_that_no_tuning_made_has_seen_nothing(tmp_path: Path) -> None:
    durable.write_folder(tmp_path / "models" / "tuned", {"config.json": b"{}"}, {})
    found = ancestry(tmp_path, TUNED)
    assert (found.reranker, found.seen) == ("models/tuned", frozenset())
    assert unseen(tmp_path, TUNED, ASKED) == (ASKED, [])


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_lineage_that_cannot_be_read_is_an_error(tmp_path: Path, harm: str) -> None:
    tune(tmp_path, ASKED)
    file = tmp_path / "models" / "tuned" / LINEAGE
    file.write_bytes(b"{}") if harm == "changed" else file.unlink()
    with pytest.raises(Damaged, match="does not say what the model was made from"):
        unseen(tmp_path, TUNED, ASKED)
    assert "is not known: " in remarks(tmp_path, TUNED, ASKED)[0], "search can be measured all the same"


@given(st.lists(st.text(min_size=1), max_size=5), st.lists(st.text(min_size=1), max_size=5))
def test_marks_tell_which_questions_are_among_them(kept: list[str], others: list[str]) -> None:
    known = [Query(text, text) for text in kept]
    asked = [Query(text, text) for text in {*kept, *others}]
    words = {" ".join(text.split()) for text in kept}
    assert len(marks(known)) == MARK * len(words)
    assert marked(asked, marks(known)) == {query.id for query in asked if " ".join(query.text.split()) in words}
