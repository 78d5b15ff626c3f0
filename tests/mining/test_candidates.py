"""What is found, in which order, and what known answers look like."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bicross.mining import candidates
from bicross.models.hashed import HashedEncoder
from bicross.records import Document, Hit, Mined, Qrels, Query, Ranking
from bicross.settings import MineSettings
from bicross.vectors import Vectors
from tests.searchers.world import dense, lexical, viewed

ROOM = [Document(f"d{number}", f"alpha{number} beta{number % 3} common 门锁", f"title{number}") for number in range(9)]
LONG = Document("long", "first words about gardens and rain. " * 3 + "\n\nthe reset button is under the lid, hold it down. " * 2, "manual")


def found(
    documents: Sequence[Document], queries: Sequence[Query], qrels: Qrels, depth: int = 4, encoder: HashedEncoder | None = None
) -> list[Mined]:
    view = viewed(documents)
    searchers = {"lexical": lexical(view), "dense": dense(view)}
    with view, view.snapshot():
        settings = MineSettings(depth=depth)
        made = candidates.find(queries, qrels, searchers, view, encoder or HashedEncoder(), settings, {"collection": "c1"})
        return [row for row, _ in made]


def ranking(*ids: str) -> Ranking:
    return tuple(Hit(doc_id, 10.0 - place) for place, doc_id in enumerate(ids))


def test_the_order_is_reciprocal_rank_fusion_with_ties_by_id() -> None:
    fused = candidates.fuse({"lexical": ranking("b", "c", "x"), "dense": ranking("a", "c")})
    assert list(fused) == ["c", "a", "b", "x"]  # 2/62; then 1/61 twice; then 1/63
    assert fused["c"].scores == {"lexical": 9.0, "lexical rank": 2.0, "dense": 9.0, "dense rank": 2.0, "rank": 1.0}
    assert fused["b"].scores == {"lexical": 10.0, "lexical rank": 1.0, "rank": 3.0}


def test_the_union_of_both_searches_is_found_with_the_scores_of_each() -> None:
    queries = [Query("q1", "alpha1 common"), Query("q2", "门锁 beta2")]
    view = viewed(ROOM)
    by_name = {"lexical": lexical(view), "dense": dense(view)}
    with view:
        rankings = {name: searcher.search(queries, 4) for name, searcher in by_name.items()}
    for mined in found(ROOM, queries, {}):
        expected = {
            name: {hit.doc_id: round(hit.score, candidates.DIGITS) for hit in ranked[mined.query.id]} for name, ranked in rankings.items()
        }
        assert {one.doc_id for one in mined.candidates} == expected["lexical"].keys() | expected["dense"].keys()
        for name, scores in expected.items():
            assert {one.doc_id: one.scores[name] for one in mined.candidates if name in one.scores} == scores
            assert {one.doc_id: one.scores[f"{name} rank"] for one in mined.candidates if name in one.scores} == {
                doc_id: place for place, doc_id in enumerate(scores, start=1)
            }
        assert [one.scores["rank"] for one in mined.candidates] == list(range(1, len(mined.candidates) + 1))
        assert {one.kind for one in mined.candidates} == {"unsorted"}
        assert mined.positives == ()
        assert all(one.text == f"title{one.doc_id[1:]}\n{ROOM[int(one.doc_id[1:])].text}" for one in mined.candidates)


def test_an_answer_that_recall_missed_still_is_a_positive() -> None:
    documents = [*ROOM, Document("hidden", "nothing in it is like the question")]
    (mined,) = found(documents, [Query("q", "alpha1 common")], {"q": {"hidden": 1, "d1": 2}}, depth=2)
    assert [(one.doc_id, one.kind, one.scores["grade"]) for one in mined.positives] == [
        ("d1", "positive", 2.0),
        ("hidden", "positive", 1.0),
    ]
    assert mined.positives[0].scores["rank"] == 1
    assert mined.positives[1].scores == {"grade": 1.0}
    assert mined.positives[1].text == "nothing in it is like the question"
    assert "d1" not in {one.doc_id for one in mined.candidates}
    assert mined.candidates[0].scores["rank"] == 2


def test_the_text_of_an_answer_is_its_passage_nearest_to_the_question() -> None:
    queries = [Query("a", "hold down the reset button"), Query("b", "gardens and rain"), Query("c", "common")]
    by_id = {mined.query.id: mined for mined in found([*ROOM, LONG], queries, {"a": {"long": 1}, "b": {"long": 1}, "c": {"d4": 1}})}
    assert "reset button" in by_id["a"].positives[0].text
    assert "gardens" in by_id["b"].positives[0].text
    assert all(by_id[name].positives[0].text.startswith("manual\n") for name in "ab")
    assert by_id["c"].positives[0].text == f"title4\n{ROOM[4].text}"


def test_beside_a_row_stand_all_passages_of_its_answers() -> None:
    view = viewed([*ROOM, LONG])
    searchers = {"lexical": lexical(view), "dense": dense(view)}
    with view, view.snapshot():
        read = [f"manual\n{passage.text}" for passage in view.of_documents(["long"])["long"]]
        queries, qrels = [Query("a", "reset"), Query("b", "reset")], {"a": {"d4": 2, "long": 1, "d1": 0, "gone": 1}}
        found = candidates.find(queries, qrels, searchers, view, HashedEncoder(), MineSettings(depth=2), {})
        assert len(read) > 2
        assert [texts for _, texts in found] == [(f"title4\n{ROOM[4].text}", *read), ()]


def test_answers_that_the_collection_does_not_hold_are_named_and_the_question_is_kept() -> None:
    mined = found(ROOM, [Query("q", "common"), Query("r", "common")], {"q": {"gone": 1, "lost": 2}, "r": {"gone": 1, "d1": 1}})
    assert [row.source["absent"] for row in mined] == [["lost", "gone"], ["gone"]]
    assert [len(row.positives) for row in mined] == [0, 1]
    assert all(row.candidates for row in mined)
    (whole,) = found(ROOM, [Query("q", "common")], {"q": {"d1": 1}})
    assert whole.source == {"collection": "c1", "encoder": HashedEncoder().space.fingerprint, "settings": {"depth": 4}}


def test_what_was_judged_not_relevant_stays_a_candidate_and_says_so() -> None:
    (mined,) = found(ROOM, [Query("q", "alpha1 common")], {"q": {"d1": 0, "d2": -2, "d3": 1}}, depth=9)
    judged = {one.doc_id for one in mined.candidates if one.scores.get("judged") == 0}
    assert judged == {"d1", "d2"}
    assert [one.doc_id for one in mined.positives] == ["d3"]


def test_a_document_is_encoded_once_however_many_questions_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(HashedEncoder):
        documents = 0

        def encode_documents(self, texts: Sequence[str]) -> Vectors:
            self.documents += len(texts)
            return super().encode_documents(texts)

    queries = [Query(f"q{number}", f"reset alpha{number % 9}") for number in range(2 * candidates.QUESTIONS + 3)]
    qrels = {query.id: {"long": 1, "d1": 1} for query in queries}
    encoder = Counting()
    mined = found([*ROOM, LONG], queries, qrels, encoder=encoder)
    assert [row.query.id for row in mined] == [query.id for query in queries]
    passages = encoder.documents
    assert 1 < passages < 9
    monkeypatch.setattr(candidates, "KEPT", 1)
    forgetful = Counting()
    assert found([*ROOM, LONG], queries, qrels, encoder=forgetful) == mined
    assert forgetful.documents == 3 * passages


def test_the_same_question_gives_the_same_row_whatever_stands_beside_it() -> None:
    queries = [Query(f"q{number}", f"alpha{number} 门锁 common") for number in range(5)]
    qrels = {"q1": {"d1": 1}, "q3": {"d3": 1, "d1": 0}}
    assert sorted(found(ROOM, queries, qrels), key=lambda row: row.query.id) == sorted(
        found(ROOM, queries[::-1], qrels), key=lambda row: row.query.id
    )
