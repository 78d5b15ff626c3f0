"""train on files: which rows it reads, what it goes on with, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bicross import pipeline
from bicross.data.examples import read_mined, write_mined
from bicross.errors import InputError
from bicross.models.registry import HASHED, load_encoder, load_reranker
from bicross.records import Example, Mined
from bicross.results import TrainedModel
from bicross.settings import BiEncoderSettings, CrossEncoderSettings

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

from bicross.training import bi_encoder, fitting
from bicross.tuning import steps
from tests.tuning.hashed import SETTINGS, Killed, World, make_world
from tests.tuning.world import make_models

QUICK = BiEncoderSettings(epochs=2, batch=4, max_tokens=32, negatives=2, learning_rate=1e-3)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def mined(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("mined") / "mined.jsonl"
    pipeline.mine(*world, into, SETTINGS)
    return into


def written(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def examples(rows: Path, **settings: Any) -> list[list[Example]]:
    epochs = steps.epochs_of(rows, QUICK.model_copy(update=settings))
    return [[row for row in epoch if isinstance(row, Example)] for epoch in epochs]


def test_mined_rows_give_other_negatives_each_epoch(mined: Path) -> None:
    first, second = examples(mined)
    assert [row.positive for row in first] == [row.positive for row in second]
    assert [row.negatives for row in first] != [row.negatives for row in second]
    assert all(len(row.negatives) == 2 and len(row.scores) == 3 for row in (*first, *second))
    assert examples(mined) == [first, second] != examples(mined, seed=1)


def test_a_teachers_scores_are_learned_where_there_are_any(mined: Path, world: World, tmp_path: Path) -> None:
    pipeline.distill(mined, str(world[0].parent / "other"), tmp_path / "taught.jsonl")
    for path, name in ((mined, "rerank"), (tmp_path / "taught.jsonl", "teacher")):
        (row,) = (row for row in read_mined(path) if row.query.id == "question0")
        scores = {one.doc_id: one.scores[name] for one in (*row.positives, *row.candidates)}
        (example,) = (example for example in examples(path)[0] if example.query_id == "question0")
        assert example.scores == tuple(scores[doc_id] for doc_id in example.ids)


def test_no_question_is_dropped_for_want_of_negatives(mined: Path, tmp_path: Path) -> None:
    """Of every third question all candidates are suspects; its rows get answers of other questions, with the lowest score of all."""
    rows = read_mined(mined)
    suspected = [
        tuple(replace(one, kind="suspect") for one in row.candidates) if n % 3 == 0 else row.candidates for n, row in enumerate(rows)
    ]
    rows = [replace(row, candidates=candidates) for row, candidates in zip(rows, suspected, strict=True)]
    write_mined(tmp_path / "m.jsonl", rows)
    answers = {one.text for row in rows for one in row.positives}
    for epoch, before in zip(examples(tmp_path / "m.jsonl"), examples(mined), strict=True):
        assert [row.query_id for row in epoch] == [row.query_id for row in before]
        lowest = min(min(row.scores[1:]) for n, row in enumerate(epoch) if n % 3)
        for number, (row, old) in enumerate(zip(epoch, before, strict=True)):
            if number % 3:
                assert row == old
            else:
                assert len(set(row.negatives)) == 2 and set(row.negatives) <= answers and not set(row.ids[1:]) & row.answers
                assert row.scores == (old.scores[0], lowest, lowest)


def test_rows_and_pairs_are_the_same_each_epoch(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", [{"query": "a", "positive": "b", "negatives": ["c"]}] * 2)
    assert examples(rows) == [[Example("a", "b", ("c",), source="rows.jsonl:1"), Example("a", "b", ("c",), source="rows.jsonl:2")]] * 2
    pairs = written(tmp_path / "pairs.jsonl", [{"sentence1": "a", "sentence2": "b", "score": 0.5}])
    assert [len(epoch) for epoch in steps.epochs_of(pairs, QUICK)] == [1, 1]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_models(tmp_path_factory.mktemp("models"))


def test_train_both_on_mined_rows(mined: Path, bases: tuple[Path, Path], tmp_path: Path) -> None:
    done = pipeline.train("bi-encoder", mined, str(bases[0]), tmp_path / "encoder", QUICK)
    assert (done.kind, done.rows, done.steps) == ("bi-encoder", 20, len(done.losses)) and done.steps >= 10
    settings = CrossEncoderSettings(batch=8, max_tokens=32, negatives=2)
    other = pipeline.train("cross-encoder", mined, str(bases[1]), tmp_path / "reranker", settings)
    assert (other.rows, other.steps) == (20, 3)
    assert other.fingerprint == load_reranker(str(tmp_path / "reranker")).fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder", "reranker"]


def test_what_was_begun_with_other_rows_or_settings_is_not_gone_on_with(
    bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)
    rows = {n: [{"query": f"q{i} w{n}", "positive": f"d{i}", "negatives": [f"d{(i + n) % 8}"]} for i in range(8)] for n in (1, 2)}

    def train(into: Path, number: int, settings: BiEncoderSettings, stop: int = -1) -> str:
        def tell(what: str, done: int, total: int) -> None:
            if done == stop:
                raise Killed

        return pipeline.train(
            "bi-encoder", written(tmp_path / "rows.jsonl", rows[number]), str(bases[0]), into, settings, None, tell
        ).fingerprint

    with pytest.raises(Killed):
        train(tmp_path / "m", 1, QUICK, stop=3)
    assert (tmp_path / "m.work").is_dir()
    assert train(tmp_path / "m", 2, QUICK) == train(tmp_path / "fresh", 2, QUICK)
    faster = QUICK.model_copy(update={"learning_rate": 2e-3})
    with pytest.raises(Killed):
        train(tmp_path / "n", 2, QUICK, stop=3)
    assert train(tmp_path / "n", 2, faster) == train(tmp_path / "also fresh", 2, faster)
    assert not list(tmp_path.glob("*.work"))


def test_killed_when_the_model_was_written_it_is_found_finished(
    mined: Path, bases: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = QUICK.model_copy(update={"epochs": 1})

    def train(into: str, settings: BiEncoderSettings = settings) -> TrainedModel:
        return pipeline.train("bi-encoder", mined, str(bases[0]), tmp_path / into, settings)

    def killed(*arguments: Any) -> None:
        real(*arguments)
        raise Killed

    real = bi_encoder.train_bi_encoder
    with monkeypatch.context() as patch:
        patch.setattr(bi_encoder, "train_bi_encoder", killed)
        with pytest.raises(Killed):
            train("m")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "m.work"]
    with pytest.raises(InputError, match="exists already and is not an empty folder"):
        train("m", settings.model_copy(update={"seed": 1}))
    told: list[int] = []
    found = pipeline.train("bi-encoder", mined, str(bases[0]), tmp_path / "m", settings, None, lambda *_: told.append(1))
    assert not told and [path.name for path in tmp_path.iterdir()] == ["m"]
    whole = train("whole")
    assert replace(found, path=whole.path, seconds=whole.seconds) == whole
    with pytest.raises(InputError, match="exists already and is not an empty folder"):
        train("m")


@pytest.mark.parametrize(
    ("row", "settings", "said"),
    [
        ({"query": "a", "positive": "b"}, BiEncoderSettings(loss="triplet"), "mine some first"),
        ({"query": "a", "positive": "b", "negative": "c"}, BiEncoderSettings(loss="cosine"), "LabelledPair"),
        ({"sentence1": "a", "sentence2": "b", "score": 1}, BiEncoderSettings(), "Example"),
        ({"sentence1": "a", "sentence2": "b", "score": 1}, CrossEncoderSettings(), "needs rows with negatives"),
        ({"query": "a", "answer": "b"}, BiEncoderSettings(), "expected query, positive"),
        ({"query": "a", "positive": "b", "negative": "c"}, BiEncoderSettings(matryoshka=(64,)), "32 dimensions.*found 64"),
        ({"query": "a", "positive": "b", "negative": "c"}, BiEncoderSettings(matryoshka=(8, 0)), "found 0"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    bases: tuple[Path, Path], tmp_path: Path, row: object, settings: BiEncoderSettings | CrossEncoderSettings, said: str
) -> None:
    rows = written(tmp_path / "rows.jsonl", [row] * 4)
    with pytest.raises(InputError, match=said):
        pipeline.train("either", rows, str(bases[isinstance(settings, CrossEncoderSettings)]), tmp_path / "m", settings)
    assert not (tmp_path / "m").exists()


def test_other_bad_input_is_refused(bases: tuple[Path, Path], mined: Path, tmp_path: Path) -> None:
    def train(rows: Path = mined, base: str = str(bases[0]), into: Path = tmp_path / "m") -> None:
        pipeline.train("bi-encoder", rows, base, into, QUICK)

    with pytest.raises(InputError, match=r"absent\.jsonl cannot be read"):
        train(rows=tmp_path / "absent.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        train(rows=tmp_path)
    with pytest.raises(InputError, match="no weights"):
        train(base=HASHED)
    with pytest.raises(InputError, match="not an empty folder"):
        train(into=mined)
    with pytest.raises(InputError, match="not an empty folder"):
        train(into=mined.parent)
    (tmp_path / "graph").mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(bases[0] / name, tmp_path / "graph")
    with pytest.raises(InputError, match=r"no model\.safetensors"):
        train(base=str(tmp_path / "graph"))
    write_mined(tmp_path / "lonely.jsonl", [Mined(row.query, row.positives, ()) for row in read_mined(mined)[:1]])
    with pytest.raises(InputError, match="has 0 negatives, expected 2"):
        train(rows=tmp_path / "lonely.jsonl")


def test_into_the_working_folder(bases: tuple[Path, Path], mined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = pipeline.train("bi-encoder", mined, str(bases[0]), Path(), QUICK.model_copy(update={"epochs": 1}))
    assert done.path == "." and (tmp_path / "here" / "model.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_mixture_lies_between_the_model_and_its_base(tmp_path: Path) -> None:
    base, _ = make_models(tmp_path / "models")
    tuned, _ = make_models(tmp_path / "others", seed=1)
    found = pipeline.mix(str(tuned), tmp_path / "mixed", str(base), 0.25)
    ours, theirs, mixed = (load_file(next(folder.rglob("*.safetensors"))) for folder in (tuned, base, tmp_path / "mixed"))
    for name, value in mixed.items():
        if value.is_floating_point():
            assert torch.allclose(value, 0.25 * ours[name] + 0.75 * theirs[name], atol=1e-6)
    assert found.fingerprint == load_encoder(str(tmp_path / "mixed")).space.fingerprint
    with pytest.raises(InputError, match="exists already and is not an empty folder"):
        pipeline.mix(str(tuned), tmp_path / "mixed", str(base), 0.25)
    with pytest.raises(InputError, match="share is 1; expected a number between 0"):
        pipeline.mix(str(tuned), tmp_path / "more", str(base), 1.0)
    with pytest.raises(InputError, match="only models of one origin"):
        pipeline.mix(str(tuned), tmp_path / "more")
    assert not (tmp_path / "more").exists()
