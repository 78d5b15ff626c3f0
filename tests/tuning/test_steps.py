"""mine and distill on files: what they write, what they go on with, and what they refuse."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bicross import durable, pipeline
from bicross.data.examples import read_mined
from bicross.errors import InputError
from bicross.models.hashed import HashedScorer
from bicross.models.registry import HASHED, load_reranker
from bicross.records import KINDS, Mined
from bicross.settings import MineSettings
from bicross.tuning import scoring, steps
from tests.models.tiny import tiny

pytest.importorskip("torch")

from tests.tuning.hashed import SETTINGS, Killed, World, make_world


class Watched:
    """Counts the pairs that a scorer is asked for, and stops it once after so many calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_after: int = 10**9) -> None:
        self.pairs, self.calls = 0, 0
        real = HashedScorer.score

        def score(scorer: HashedScorer, pairs: Sequence[tuple[str, str]]) -> Any:
            self.calls += 1
            if self.calls == stop_after:
                raise Killed
            self.pairs += len(pairs)
            return real(scorer, pairs)

        monkeypatch.setattr(HashedScorer, "score", score)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


def mine(world: World, into: Path, settings: MineSettings = SETTINGS, **more: Any) -> list[Mined]:
    pipeline.mine(*world, into, settings, **more)
    return read_mined(into)


@pytest.fixture(scope="module")
def mined(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("mined") / "mined.jsonl"
    mine(world, into)
    return into


# --- mine ---------------------------------------------------------------------------------------------------------------


def test_each_row_says_what_made_it(world: World, mined: Path) -> None:
    rows = read_mined(mined)
    assert len(rows) == 20
    for row in rows:
        assert {one.kind for one in row.candidates} <= set(KINDS) - {"positive", "unsorted"}
        assert all("rerank" in one.scores for one in (*row.positives, *row.candidates))
        assert row.source["encoder"] == "hashed-1-dim64-tokens512" and row.source["scorer"] == HashedScorer.fingerprint
        made = {"depth": 6, "hard_depth": 3, "quantile": 0.8, "alike": 0.8, "random": 2, "seed": 0}
        assert row.source["settings"] == made
        assert row.source["documents"] == 66 and isinstance(row.source["threshold"], float)
        own = [one.scores["rerank"] for one in row.candidates if one.kind == "suspect"]
        assert all(score >= row.source["threshold"] for score in own)
    scores = {(row.query.text, one.text): one.scores["rerank"] for row in rows for one in row.candidates}
    exact = HashedScorer().score(list(scores))
    assert list(scores.values()) == pytest.approx(exact.tolist(), abs=1e-6)


def test_twice_the_same_bytes(world: World, mined: Path, tmp_path: Path) -> None:
    mine(world, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == mined.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.jsonl"]  # nothing half done is left
    assert mine(world, tmp_path / "seed.jsonl", SETTINGS.model_copy(update={"seed": 1})) != read_mined(mined)


def test_another_cross_encoder_gives_other_scores(world: World, mined: Path, tmp_path: Path) -> None:
    other = load_reranker(str(world[0].parent / "other"))
    rows = mine(world, tmp_path / "other.jsonl", reranker=str(world[0].parent / "other"))
    for row, before in zip(rows, read_mined(mined), strict=True):
        assert row.source["scorer"] == other.fingerprint != before.source["scorer"]
        assert [one.scores["rerank"] for one in row.candidates] != [one.scores["rerank"] for one in before.candidates]


def test_the_audit_is_a_page(world: World, tmp_path: Path) -> None:
    found = pipeline.mine(*world, tmp_path / "m.jsonl", SETTINGS, None, tmp_path / "audit.html")
    assert found.page == str(tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_text("utf-8").startswith("<!doctype html>")
    assert found.questions == found.audit["questions"] == 20
    assert sum(found.audit["kinds"].values()) == sum(len(row.positives) + len(row.candidates) for row in read_mined(tmp_path / "m.jsonl"))


def test_interrupted_it_scores_only_the_rest(world: World, mined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "SCORED", 6)  # questions: 20 are scored in four parts
    with monkeypatch.context() as patch:
        Watched(patch, stop_after=3)
        with pytest.raises(Killed):
            mine(world, tmp_path / "m.jsonl")
    assert not (tmp_path / "m.jsonl").exists()
    told: list[int] = []
    watched = Watched(monkeypatch)
    rows = mine(world, tmp_path / "m.jsonl", progress=lambda what, done, total: told.append(done) if "scoring" in what else None)
    assert (tmp_path / "m.jsonl").read_bytes() == mined.read_bytes()
    assert watched.pairs == sum(len(row.positives) + len(row.candidates) for row in rows[12:])
    assert told == [6, 12, 18, 20]


def test_what_other_weights_scored_is_never_used(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mining is interrupted with one model; then the model's folder holds another: nothing that the first one said may be read."""
    monkeypatch.setattr(scoring, "SCORED", 6)
    model = tmp_path / "model"
    durable.write_folder(model, tiny(1, reranker=True), {})
    with monkeypatch.context() as patch:
        patch.setattr(steps, "denoised", _killed)  # all is scored by then
        with pytest.raises(Killed):
            mine(world, tmp_path / "m.jsonl", reranker=str(model))
    shutil.rmtree(model)
    durable.write_folder(model, tiny(2, reranker=True), {})
    rows = mine(world, tmp_path / "m.jsonl", reranker=str(model))
    assert rows == mine(world, tmp_path / "fresh.jsonl", reranker=str(model))
    assert rows[0].source["scorer"] == load_reranker(str(model)).fingerprint


def test_what_was_scored_of_other_documents_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection is made anew, with as many documents as before; the counters are equal, the texts are not."""
    found = {}
    for seed in (0, 1):
        shutil.rmtree(tmp_path / "w", ignore_errors=True)
        world = make_world(tmp_path / "w", seed)
        if seed == 0:
            with monkeypatch.context() as patch:
                patch.setattr(steps, "denoised", _killed)
                with pytest.raises(Killed):
                    mine(world, tmp_path / "m.jsonl")
        else:
            found = {name: mine(world, tmp_path / name) for name in ("m.jsonl", "fresh.jsonl")}
    assert found["m.jsonl"] == found["fresh.jsonl"]


def _killed(*_: object) -> None:
    raise Killed


@pytest.mark.parametrize(
    ("into", "audit", "said"),
    [
        ("mined.txt", None, "ends in .jsonl"),
        ("nowhere/mined.jsonl", None, "nowhere does not exist"),
        ("folder.jsonl", None, "no regular file"),
        ("mined.jsonl", "nowhere/audit.html", "nowhere does not exist"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_the_work(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, into: str, audit: str | None, said: str
) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    watched = Watched(monkeypatch)
    with pytest.raises(InputError, match=said):
        mine(world, tmp_path / into, audit_path=tmp_path / audit if audit else None)
    assert watched.calls == 0


def test_answers_of_another_collection_are_refused_before_the_work(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    (tmp_path / "other.tsv").write_text("query-id\tcorpus-id\tscore\nquestion1\tnowhere\t1\nquestion2\tdoc2\t0\n", "utf-8")
    with pytest.raises(InputError, match="holds none of the 1 known answers of the 2 questions"):
        pipeline.mine(world[0], world[1], tmp_path / "other.tsv", tmp_path / "m.jsonl")
    assert watched.calls == 0


# --- distill ------------------------------------------------------------------------------------------------------------


def test_distill_adds_the_teachers_scores_and_changes_nothing_else(world: World, mined: Path, tmp_path: Path) -> None:
    teacher = load_reranker(str(world[0].parent / "other"))
    found = pipeline.distill(mined, str(world[0].parent / "other"), tmp_path / "taught.jsonl")
    assert (found.path, found.questions) == (str(tmp_path / "taught.jsonl"), 20)
    for row, before in zip(read_mined(tmp_path / "taught.jsonl"), read_mined(mined), strict=True):
        assert row.source == {**before.source, "teacher": teacher.fingerprint}
        every, earlier = (*row.positives, *row.candidates), (*before.positives, *before.candidates)
        scores = teacher.score([(row.query.text, one.text) for one in every])
        for one, old, score in zip(every, earlier, scores.tolist(), strict=True):
            assert (one.doc_id, one.kind, one.text) == (old.doc_id, old.kind, old.text)
            assert one.scores == {**old.scores, "teacher": pytest.approx(score, abs=1e-5)}


def test_distill_interrupted_scores_only_the_rest(mined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "SCORED", 15)
    with monkeypatch.context() as patch:
        Watched(patch, stop_after=2)
        with pytest.raises(Killed):
            pipeline.distill(mined, HASHED, tmp_path / "taught.jsonl")
    watched = Watched(monkeypatch)
    pipeline.distill(mined, HASHED, tmp_path / "taught.jsonl")
    assert watched.pairs == sum(len(row.positives) + len(row.candidates) for row in read_mined(mined)[15:])
