"""The dense search that the weights are fitted on."""

from __future__ import annotations

from bicross.models.hashed import HashedEncoder
from bicross.records import Candidate, Mined, Query
from bicross.tuning.fitting import dense_rankings


def test_a_document_stands_by_the_passage_that_suits_the_question() -> None:
    """Each row has another passage of the long document; its place for a question must not depend on which row came last."""
    printer, bread = "reset the printer with the red button", "rye bread needs sourdough and patience"
    rows = [
        Mined(Query("q1", "reset the printer"), (Candidate("long", printer, "positive"),), (Candidate("other", "a red button", "hard"),)),
        Mined(Query("q2", "rye bread"), (Candidate("long", bread, "positive"),), (Candidate("other", "a red button", "hard"),)),
    ]
    for order in (rows, rows[::-1]):
        found = dense_rankings(HashedEncoder(), order)
        for query, text in (("q1", printer), ("q2", bread)):
            first, second = found[query]
            assert (first.doc_id, second.doc_id) == ("long", "other")
            assert first.passage and first.passage.text == text
            assert first.stages["dense"].rank == 1 and first.score == first.stages["dense"].score
    encoder = HashedEncoder()
    exact = float(encoder.encode_queries(["rye bread"])[0] @ encoder.encode_documents([bread])[0])
    assert abs(dense_rankings(encoder, rows)["q2"][0].score - exact) < 1e-6
