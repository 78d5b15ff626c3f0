"""No model scores a question that it was trained on, a second round mines with the first one's model, and forgetting is mended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from bicross import pipeline
from bicross.data.examples import read_mined
from bicross.data.questions import read_queries
from bicross.settings import GateSettings
from bicross.tuning import loop
from bicross.tuning.mined import MINED
from bicross.tuning.run import VALUE, Run
from tests.tuning.world import make_collection, quick

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # the libraries' own


def test_two_rounds_each_scored_by_what_did_not_see_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: dict[str, set[str]] = {}
    read: dict[str, set[str]] = {}
    train, score = loop.train_cross_encoder, loop.scored

    def training(epochs: Sequence[Any], base: Path, into: Path, *rest: Any) -> Any:
        trained[into.name] = {row.query_id for epoch in epochs for row in epoch}
        return train(epochs, base, into, *rest)

    def scoring(run: Run, step: str, rows: Sequence[Any], *rest: Any) -> Any:
        read[step] = {row.query.id for row in rows}
        return score(run, step, rows, *rest)

    monkeypatch.setattr(loop, "train_cross_encoder", training)
    monkeypatch.setattr(loop, "scored", scoring)
    collection, queries, qrels = make_collection(tmp_path, 150)
    found = pipeline.tune(
        collection, queries, qrels, None, quick(rounds=2, gate=GateSettings(general_limit=1.0, latency=100.0, margin=0.9))
    )
    for number in (1, 2):
        for fold in (0, 1):
            assert read[f"{number}-scores-{fold}"] and trained[f"{number}-cross-encoder-{fold}"]
            assert not read[f"{number}-scores-{fold}"] & trained[f"{number}-cross-encoder-{fold}"]
    assert "1-cross-encoder" not in trained  # what only the last round needs is made there
    assert trained["2-cross-encoder"]
    first, second = ({row.query.id: row for row in read_mined(Path(found.run) / f"{number}-mined" / MINED)} for number in (1, 2))
    assert first.keys() == second.keys()
    assert {row.source["encoder"] for row in first.values()}.isdisjoint(row.source["encoder"] for row in second.values())
    assert {row.source["fold"]: row.source["scorer"] for row in first.values()}.keys() == {0, 1}
    assert len({row.source["scorer"] for row in (*first.values(), *second.values())}) == 4


def test_an_encoder_that_forgets_is_mixed_with_its_base(tmp_path: Path) -> None:
    collection, queries, qrels = make_collection(tmp_path, 150)
    strict = quick(gate=GateSettings(general_limit=0.0, latency=100.0))
    found = pipeline.tune(collection, queries, qrels, None, strict)
    merge = Run(Path(found.run)).json("1-merge", VALUE)
    assert merge["share"] in (0.75, 0.5), merge  # the tuned encoder of this seed falls on the general questions
    assert list(merge["tried"]) == ["1.0", "0.75", "0.5"][: len(merge["tried"])]


def test_a_tuned_collection_is_tuned_from_the_untuned_models(tmp_path: Path) -> None:
    collection, queries, qrels = make_collection(tmp_path, 300)
    first = pipeline.tune(collection, queries, qrels, None, quick())
    assert first.promoted, first.reason
    encoder, reranker = first.models.values()
    again = pipeline.tune(collection, queries, qrels, None, quick(seed=1))
    plan = Run(Path(again.run))
    with pipeline.open_collection(collection) as opened:
        if not again.promoted:
            assert (opened.facts.encoder, opened.facts.reranker) == (encoder, reranker)
    mined = read_mined(plan.path("1-mined") / MINED)
    with pipeline.open_collection(collection) as opened:
        from bicross.models.registry import load_encoder

        assert {row.source["encoder"] for row in mined} == {load_encoder(str(tmp_path / "models" / "encoder")).space.fingerprint}
    asked = {query.text for query in read_queries(queries)[0]}
    assert {row.query.text for row in mined} < asked
