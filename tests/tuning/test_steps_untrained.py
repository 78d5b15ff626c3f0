"""split and weigh: the steps that train nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bicross import asking, durable, pipeline
from bicross.ancestry import LINEAGE, digest
from bicross.collection.store import Collection
from bicross.data.questions import read_qrels
from bicross.errors import InputError, StoreError
from bicross.models.registry import HASHED
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import SearchSettings
from bicross.tuning.fitting import fit_and_measure
from tests.models.tiny import tiny
from tests.tuning.hashed import World, make_world

DATA = Path(__file__).parents[2] / "examples" / "data" / "xquad_en"


def test_the_parts_share_no_question_and_read_back(tmp_path: Path) -> None:
    found = pipeline.split(DATA, DATA, tmp_path / "parts", 0.25, 3)
    train, dev = read_qrels(Path(found.train)), read_qrels(Path(found.dev))
    assert train.keys().isdisjoint(dev)
    assert train | dev == read_qrels(DATA)
    assert (len(train), len(dev)) == (found.questions["train"], found.questions["dev"])
    assert len(dev) == pytest.approx(0.25 * len(train | dev), abs=1)
    with pytest.raises(StoreError, match="not empty"):
        pipeline.split(DATA, DATA, tmp_path / "parts", 0.25, 3)


def stored(collection: Path) -> Weights:
    """The weights that a collection keeps."""
    with pipeline.open_collection(collection) as opened:
        return Weights.of(opened.facts.weights)


def misled(folder: Path) -> World:
    """Words find the answers; the cross-encoder has random weights, and the order is its alone."""
    world = make_world(folder)
    with Collection.write(world[0]) as writer:
        facts = replace(writer.facts, reranker=str(folder / "other"), weights=Weights(combination={"rerank": 1.0}).as_json())
        assert writer.space is not None
        writer.activate(writer.space, facts)
    return world


def test_weights_that_help_are_kept_and_can_be_taken_back(tmp_path: Path) -> None:
    collection, queries, qrels = misled(tmp_path)
    first = stored(collection)
    found = pipeline.weigh(collection, queries, qrels, depth=15)
    assert (found.questions, found.adopted) == (20, True)
    assert found.after > found.before + 0.2
    assert stored(collection) == Weights.of(found.weights) != first
    assert found.weights["depth"] == 15 and "rerank" not in found.weights["combination"]
    assert pipeline.evaluate(collection, queries, qrels).measures["nDCG@10"] > found.before + 0.2
    pipeline.rollback(collection)
    assert stored(collection) == first


def test_weights_that_do_not_help_are_not_kept(tmp_path: Path) -> None:
    """The collection has the best weights for these questions already; those fitted to a part of them can be no better but by chance."""
    collection, queries, qrels = misled(tmp_path)
    default = stored(collection)
    assert pipeline.weigh(collection, queries, qrels, depth=15).adopted
    first = stored(collection)
    found = pipeline.weigh(collection, queries, qrels, depth=15)
    assert not found.adopted and found.after < found.before + 0.05
    assert stored(collection) == Weights.of(found.weights) == first
    pipeline.rollback(collection)  # one step, past the weights that were adopted; the second time changed nothing
    assert stored(collection) == default


def test_both_sides_are_measured_over_as_many_hits(tmp_path: Path) -> None:
    """Of two candidates that are read again the answer is often none; the hits behind them count on both sides."""
    collection, queries, qrels = make_world(tmp_path)
    asked, known, _ = asking.judged(queries, qrels)
    with pipeline.open_collection(collection) as opened:
        _, before, after = fit_and_measure(opened, asked, known, 2, lambda *_: None)
        ranked = asking.ranked(opened, asked, SearchSettings(k=100, depth=2), Stopwatch(), lambda *_: None)
    for query in known:
        assert [hit.doc_id for hit in before.rankings[query]] == [hit.doc_id for hit in ranked[query]]
        assert {hit.doc_id for hit in after.rankings[query]} == {hit.doc_id for hit in ranked[query]}


def test_too_few_questions_to_measure_with(tmp_path: Path) -> None:
    collection, queries, qrels = make_world(tmp_path)
    (tmp_path / "few.tsv").write_text("".join(qrels.read_text("utf-8").splitlines(keepends=True)[:5]), "utf-8")
    with pytest.raises(InputError, match="4 judged questions, expected 5 or more"):
        pipeline.weigh(collection, queries, tmp_path / "few.tsv")


def test_questions_that_the_models_have_seen_fit_no_weights(tmp_path: Path) -> None:
    collection, queries, qrels = misled(tmp_path)
    asked, _, _ = asking.judged(queries, qrels)
    lineage = {"untuned": {"encoder": HASHED, "reranker": HASHED}, "seen": [digest(query) for query in asked[:8]]}
    durable.write_folder(collection / "models" / "tuned", {**tiny(1, reranker=True), LINEAGE: json.dumps(lineage).encode()}, {})
    with Collection.write(collection) as writer:
        assert writer.space is not None
        writer.activate(writer.space, replace(writer.facts, reranker="models/tuned"))
    found = pipeline.weigh(collection, queries, qrels, depth=15)
    assert found.questions == len(asked) - 8
    assert {skip.id for skip in found.skipped if "trained a model" in skip.reason} == {query.id for query in asked[:8]}
    few = {query.id for query in asked[:8]}
    lines = [line for line in qrels.read_text("utf-8").splitlines(keepends=True) if line.split("\t")[0] in {"query-id", *few}]
    (tmp_path / "seen.tsv").write_text("".join(lines), "utf-8")
    with pytest.raises(InputError, match="All 8 questions have trained the models"):
        pipeline.weigh(collection, queries, tmp_path / "seen.tsv")


def test_models_that_changed_meanwhile_are_not_overwritten(tmp_path: Path) -> None:
    collection, queries, qrels = misled(tmp_path)
    with Collection.write(collection) as writer:
        facts, space = writer.facts, writer.space
    other = replace(facts, weights=Weights(depth=7).as_json())

    def meanwhile(*_: object) -> None:
        with Collection.write(collection) as writer:
            if writer.facts == facts:
                assert space is not None
                writer.activate(space, other)

    with pytest.raises(StoreError, match="Run `bicross weigh` again"):
        pipeline.weigh(collection, queries, qrels, depth=15, progress=meanwhile)
    assert stored(collection).depth == 7
