"""Models that a collection owns, and the way back from them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bicross import durable, pipeline, upsert
from bicross.collection.store import Collection, Facts
from bicross.errors import InputError, ModelNotFound, SpaceMismatch
from bicross.models.registry import HASHED
from bicross.records import Calibration, Term
from bicross.searchers.weights import Weights
from bicross.settings import IndexSettings, SearchSettings
from tests.models.tiny import tiny
from tests.pipeline.world import COUNT, Interruption, after, row, truth, write

WEIGHTS = {"fusion": {"lexical": 1.0, "dense": 3.0}, "combination": {"rerank": 1.0}, "depth": 5, "calibration": (2.0, 1.0)}
ENCODER, RERANKER = "models/encoder", "models/reranker"


def own(path: Path) -> None:
    """Give the collection an encoder and a reranker of its own."""
    with Collection.write(path):
        durable.write_folder(path / ENCODER, tiny(1), {})
        durable.write_folder(path / RERANKER, tiny(2, reranker=True, encoder=ENCODER, **WEIGHTS), {})


def facts(path: Path) -> Facts:
    with Collection.open(path).view() as view:
        return view.facts


@pytest.fixture
def tuned(made: Path) -> Path:
    own(made)
    pipeline.reembed(made, ENCODER)
    return made


def test_a_collection_moves_to_its_own_models_and_back_by_one_command(made: Path) -> None:
    before, space, answer = facts(made), pipeline.status(made).space, pipeline.search(made, ["reset the volcano"]).queries
    own(made)
    assert [(model.name, model.use) for model in pipeline.status(made).models] == [(ENCODER, "unused"), (RERANKER, "unused")]
    moved = pipeline.reembed(made, str(made / ENCODER))
    assert facts(made) == replace(before, encoder=ENCODER)
    assert (moved.space, moved.space.dim) == (pipeline.status(made).space, 16)
    there = pipeline.search(made, ["reset the volcano"]).queries
    assert there != answer

    done = pipeline.rollback(made)
    assert (done.encoder, done.reranker, done.embedded, done.space) == (HASHED, HASHED, 0, space)
    assert facts(made) == before
    assert pipeline.search(made, ["reset the volcano"]).queries == answer
    assert [(model.name, model.use) for model in pipeline.status(made).models] == [(ENCODER, "previous"), (RERANKER, "unused")]

    forward = pipeline.rollback(made)
    assert (forward.encoder, forward.embedded, forward.space) == (ENCODER, 0, moved.space)
    assert pipeline.search(made, ["reset the volcano"]).queries == there
    assert pipeline.verify(made).problems == ()


def test_weights_fitted_for_an_own_pair_are_found(tuned: Path, source: Path) -> None:
    pipeline.index([source], tuned, IndexSettings(reranker=RERANKER))
    kept = facts(tuned)
    assert (kept.encoder, kept.reranker, kept.weights["depth"]) == (ENCODER, RERANKER, 5)
    assert pipeline.search(tuned, ["reset the router"]).queries[0].reranked == 5


def test_a_collection_with_its_own_models_can_be_moved(tuned: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.index([source], tuned, IndexSettings(reranker=RERANKER))
    answers = pipeline.search(tuned, ["reset the router", "企鹅"]).queries
    shutil.move(tuned, tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert pipeline.search(Path("elsewhere"), ["reset the router", "企鹅"]).queries == answers
    new = write(tmp_path / "new.jsonl", [row(COUNT)])
    assert pipeline.index([new], Path("elsewhere")).embedded > 0
    assert pipeline.index([new], Path("elsewhere"), IndexSettings(encoder=ENCODER, reranker=RERANKER)).unchanged == 1


def test_a_reranker_alone_is_promoted_and_taken_back(made: Path) -> None:
    own(made)
    before, space = facts(made), pipeline.status(made).space
    with Collection.write(made) as writer:
        assert writer.space is not None
        writer.activate(writer.space, replace(before, reranker=RERANKER, weights=WEIGHTS))
    assert (facts(made).reranker, pipeline.status(made).space) == (RERANKER, space)
    found = pipeline.search(made, ["reset the router"]).queries[0]
    assert found.reranked == 5 and found.hits[0].stages.keys() >= {"rerank"}
    done = pipeline.rollback(made)
    assert (done.reranker, done.embedded, done.space, facts(made)) == (HASHED, 0, space, before)


def test_what_was_indexed_since_is_embedded_and_an_interruption_resumes(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upsert, "CHUNK_DOCUMENTS", 4)
    new = write(tmp_path / "new.jsonl", [row(number) for number in range(COUNT, COUNT + 5)])
    added = pipeline.index([new], tuned).embedded
    with pytest.raises(Interruption):
        pipeline.rollback(tuned, after(1))
    status = pipeline.status(tuned)
    assert (status.encoder, status.unfinished and status.unfinished.kind) == (ENCODER, "rollback")
    assert pipeline.search(tuned, ["Chapter 25"], SearchSettings(stage="dense")).queries[0].hits, "until the swap the present one answers"
    seen: list[tuple[str, int, int]] = []
    done = pipeline.rollback(tuned, lambda *said: seen.append(said))
    assert (done.encoder, done.embedded, seen[-1]) == (HASHED, added - 4, ("passages", added - 4, added - 4))
    assert pipeline.search(tuned, ["Chapter 25 says"], SearchSettings(stage="dense")).queries[0].hits[0].doc_id == "d25"
    assert pipeline.verify(tuned).problems == () and pipeline.status(tuned).unfinished is None


def test_there_is_nothing_to_go_back_to(made: Path) -> None:
    before = truth(made)
    with pytest.raises(InputError, match="nothing to go back to"):
        pipeline.rollback(made)
    assert truth(made) == before


def test_a_model_of_before_that_is_gone_or_changed_is_refused_and_nothing_moves(tuned: Path) -> None:
    pipeline.rollback(tuned)
    before = facts(tuned)
    weights = tuned / ENCODER / "model.safetensors"
    weights.write_bytes(tiny(3)["model.safetensors"])
    assert [(problem.where, "model.safetensors" in problem.what) for problem in pipeline.verify(tuned).problems] == [(ENCODER, True)]
    with pytest.raises(SpaceMismatch, match=f"models/encoder makes vectors of space .*bicross reembed {tuned} --encoder models/encoder"):
        pipeline.rollback(tuned)
    shutil.rmtree(tuned / ENCODER)
    with pytest.raises(ModelNotFound, match=f"no model folder '{tuned}/models/encoder'"):
        pipeline.rollback(tuned)
    assert facts(tuned) == before
    assert [problem.where for problem in pipeline.verify(tuned).problems] == [ENCODER], "it is named while it is kept for going back"


def test_what_was_fitted_for_a_model_that_moved_stays(tuned: Path) -> None:
    calibration = {"both": Calibration(-1.0, {"rerank": Term(2.0)}, fitted_to="0123abcd")}
    fitted = Weights(fusion={"lexical": 0.3, "dense": 1.0}, depth=7, calibration=calibration).as_json()
    with Collection.write(tuned) as writer:
        assert writer.space is not None
        writer.activate(writer.space, replace(writer.facts, weights=fitted))
    before = facts(tuned)
    (tuned / ENCODER).rename(tuned / "models" / "renamed")
    pipeline.reembed(tuned, "models/renamed")
    assert facts(tuned) == replace(before, encoder="models/renamed")
    assert pipeline.rollback(tuned).changed == ("weights", "calibration")
    assert facts(tuned).encoder == "models/renamed", "the name of a model that moved is known to all that answered with it"
    assert pipeline.rollback(tuned).encoder == HASHED


def test_a_model_that_moved_is_found_under_its_new_name(tuned: Path) -> None:
    (tuned / ENCODER).rename(tuned / "models" / "renamed")
    with pytest.raises(ModelNotFound, match="models/encoder"):
        pipeline.search(tuned, ["printer"], SearchSettings(stage="dense"))
    done = pipeline.reembed(tuned, "models/renamed")
    assert (done.embedded, facts(tuned).encoder) == (0, "models/renamed")
    assert pipeline.search(tuned, ["printer"], SearchSettings(stage="dense")).queries[0].hits
    assert (pipeline.rollback(tuned).encoder, pipeline.rollback(tuned).encoder) == (HASHED, "models/renamed")
