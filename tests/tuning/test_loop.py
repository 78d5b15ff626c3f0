"""No model scores a question that it was trained on, a second round mines with the first one's model, and forgetting is mended."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from bicross import pipeline
from bicross.data.examples import read_mined
from bicross.models.registry import load_encoder
from bicross.settings import GateSettings
from bicross.tuning import loop, measure, merging
from bicross.tuning.measure import GENERAL_SETS
from bicross.tuning.mined import MINED
from bicross.tuning.plan import SHARES
from bicross.tuning.run import VALUE, Run
from tests.tuning.world import FILLERS, SUBJECTS, make_collection, quick

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
        merge = Run(Path(found.run)).json(f"{number}-merge", VALUE)
        quality = {float(share): measured["nDCG@10"] for share, measured in merge["tried"].items()}
        assert quality.keys() == set(SHARES)
        assert quality[merge["share"]] == max(quality.values())  # as far as held-out questions tell; nothing is forgotten here
    assert "1-cross-encoder" not in trained  # what only the last round needs is made there
    assert trained["2-cross-encoder"]
    first, second = ({row.query.id: row for row in read_mined(Path(found.run) / f"{number}-mined" / MINED)} for number in (1, 2))
    assert first.keys() == second.keys()
    assert {row.source["encoder"] for row in first.values()}.isdisjoint(row.source["encoder"] for row in second.values())
    assert {row.source["fold"]: row.source["scorer"] for row in first.values()}.keys() == {0, 1}
    assert len({row.source["scorer"] for row in (*first.values(), *second.values())}) == 4


def subjects(side: str) -> list[str]:
    """The words for all subjects, of documents or of questions."""
    return [f"{side}{number}" for number in range(SUBJECTS)]


def test_an_encoder_that_forgets_is_mixed_with_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    texts = [rng.choices([f"w{number}" for number in range(FILLERS)], k=8) + rng.choices(subjects("d"), k=4) for _ in range(300)]
    for name in GENERAL_SETS:  # questions about the words that tuning learns to pass over, beside subjects that say nothing
        folder = tmp_path / "general" / name
        (folder / "qrels").mkdir(parents=True)
        rows = [{"_id": f"d{number}", "text": " ".join(words)} for number, words in enumerate(texts)]
        (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        rows = [{"_id": f"q{number}", "text": " ".join(words[:4] + rng.choices(subjects("q"), k=4))} for number, words in enumerate(texts)]
        (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        lines = "".join(f"q{number}\td{number}\t1\n" for number in range(len(texts)))
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines, "utf-8")
    monkeypatch.setattr(measure, "GENERAL", tmp_path / "general")
    collection, queries, qrels = make_collection(tmp_path, 400)
    found = pipeline.tune(collection, queries, qrels, None, quick(gate=GateSettings(latency=100.0)))
    merge = Run(Path(found.run)).json("1-merge", VALUE)
    guards = {share: found["guards"] for share, found in merge["tried"].items()}
    assert not all(guard["passed"] for guard in guards["1.0"]), merge
    assert merge["share"] in (0.75, 0.5, 0.0)
    assert all(guard["passed"] for guard in guards["0.0"])  # the untuned encoder forgets nothing, so a share is always left
    fall = {share: max(guard["before"] - guard["after"] for guard in several) for share, several in guards.items()}
    assert fall[str(merge["share"])] < fall["1.0"]


def test_an_encoder_that_no_share_improves_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "SHARES", (0.0,))
    collection, queries, qrels = make_collection(tmp_path, 300)
    found = pipeline.tune(collection, queries, qrels, None, quick())
    assert found.promoted, found.reason
    assert found.models["bi_encoder"] == str(tmp_path / "models" / "encoder")
    assert found.models["cross_encoder"].startswith("models/reranker-")
    with pipeline.open_collection(collection) as opened:
        assert (opened.facts.encoder, opened.facts.reranker) == tuple(found.models.values())
    assert pipeline.rollback(collection).reranker == str(tmp_path / "models" / "reranker")


def test_a_tuned_collection_is_tuned_from_the_untuned_models(tmp_path: Path) -> None:
    collection, queries, qrels = make_collection(tmp_path, 300)
    first = pipeline.tune(collection, queries, qrels, None, quick())
    assert first.promoted, first.reason
    again = pipeline.tune(collection, queries, qrels, None, quick(seed=1))
    mined = read_mined(Path(again.run) / "1-mined" / MINED)
    untuned = load_encoder(str(tmp_path / "models" / "encoder")).space.fingerprint
    assert {row.source["encoder"] for row in mined} == {untuned}
    if again.promoted:
        pipeline.rollback(collection)
    with pipeline.open_collection(collection) as opened:
        assert (opened.facts.encoder, opened.facts.reranker) == tuple(first.models.values())
