"""What a dry run says: the counts are those of the run itself, what the run refuses is refused, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bicross import estimating, pipeline
from bicross.ancestry import LINEAGE, digest
from bicross.asking import judged
from bicross.collection.store import Collection
from bicross.durable import write_folder
from bicross.errors import BicrossError, InputError
from bicross.models.hashed import HashedScorer
from bicross.models.registry import HASHED
from bicross.protocols import silent
from bicross.results import Estimated
from bicross.settings import BiEncoderSettings, CrossEncoderSettings, EvaluateSettings, SearchSettings
from tests.models.tiny import tiny

pytest.importorskip("torch")

from tests.tuning.hashed import SETTINGS, World, make_world
from tests.tuning.world import make_models

QUICK = BiEncoderSettings(epochs=2, batch=4, max_tokens=32, negatives=2)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "MEASURED", 0.02)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pairs a scorer without weights was given, call by call."""
    read, real = list[int](), HashedScorer.score

    def score(scorer: HashedScorer, given: Sequence[tuple[str, str]]) -> Any:
        read.append(len(given))
        return real(scorer, given)

    monkeypatch.setattr(HashedScorer, "score", score)
    return read


def sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below, its bytes and when it was written, but those that reading touches."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def whole(found: Estimated) -> bool:
    """The time is that of all that has a rate."""
    return found.estimated_seconds == pytest.approx(sum(found.counts[what] / rate for what, rate in found.rates.items()))


def test_mine_and_distill_count_the_pairs_that_are_read(world: World, tmp_path: Path, pairs: list[int]) -> None:
    before = sizes(world[0])
    ahead = pipeline.estimate_mine(*world, tmp_path / "m.jsonl", SETTINGS, None, tmp_path / "audit.html")
    assert sizes(world[0]) == before and not list(tmp_path.iterdir())
    pairs.clear()
    done = pipeline.mine(*world, tmp_path / "m.jsonl", SETTINGS)
    assert dict(ahead.counts) == {"questions": done.questions, "pairs": sum(pairs)}
    assert set(ahead.rates) == {"questions", "pairs"} and whole(ahead)
    again = pipeline.estimate_distill(tmp_path / "m.jsonl", HASHED, tmp_path / "t.jsonl")
    assert again.counts == ahead.counts and set(again.rates) == {"pairs"} and whole(again)
    assert [path.name for path in tmp_path.iterdir()] == ["m.jsonl"]


def test_a_sample_stands_for_more_questions(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = pipeline.estimate_mine(*world, tmp_path / "m.jsonl", SETTINGS).counts
    monkeypatch.setattr(estimating, "SAMPLE", 7)
    some = pipeline.estimate_mine(*world, tmp_path / "m.jsonl", SETTINGS).counts
    assert some["questions"] == every["questions"] and some["pairs"] == pytest.approx(every["pairs"], rel=0.1)
    assert estimating._spread(range(20)) == range(0, 20, 3) and estimating._spread(range(7)) == range(7)


def test_weigh_and_evaluate_count_the_pairs_that_are_read(world: World, pairs: list[int]) -> None:
    before = sizes(world[0])
    ahead = pipeline.estimate_evaluate(*world, SearchSettings(depth=10))
    assert sizes(world[0]) == before
    pairs.clear()
    pipeline.evaluate(*world, SearchSettings(depth=10), EvaluateSettings(resamples=100))
    assert sum(pairs) == ahead.counts["pairs"] + 10  # one question warms up
    assert ahead.counts["searches"] == 20 + 20 + 3 * 20 and whole(ahead)  # all with and without reranking, then at depths 10, 0 and 5
    words = pipeline.estimate_evaluate(*world, SearchSettings(stage="lexical"))
    assert dict(words.counts) == {"questions": 20, "searches": 40, "pairs": 0} and set(words.rates) == {"searches"}
    ahead = pipeline.estimate_weigh(*world, depth=10)
    assert sizes(world[0]) == before
    pairs.clear()
    pipeline.weigh(*world, depth=10)
    assert dict(ahead.counts) == {"questions": 20, "searches": 60, "pairs": 400} and whole(ahead)
    assert sum(pairs) >= 400 and sum(pairs) % 200 == 0  # folds may choose other candidates


@pytest.mark.parametrize("kind", ["bi-encoder", "cross-encoder"])
def test_train_counts_its_rows_and_steps(kind: str, bases: tuple[Path, Path], tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"query": f"q{n}", "positive": f"d{n}", "negative": f"d{n + 1}"}) + "\n" for n in range(10)), "utf-8"
    )
    settings = QUICK if kind == "bi-encoder" else CrossEncoderSettings(batch=4, max_tokens=32, epochs=2)
    base = str(bases[kind == "cross-encoder"])
    ahead = pipeline.estimate_train(kind, rows, base, tmp_path / "m", settings)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    done = pipeline.train(kind, rows, base, tmp_path / "m", settings)
    assert dict(ahead.counts) == {"rows": done.rows, "steps": done.steps} and whole(ahead)
    with pytest.raises(InputError, match="not an empty folder"):
        pipeline.estimate_train(kind, rows, base, tmp_path / "m", settings)


def test_the_step_that_warms_up_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "MEASURED", 10.0)

    def rate(total: int, moments: Sequence[float]) -> float:
        """Steps a second of a training whose steps end at these moments, all of which are made."""
        clock, timed = iter(moments), estimating._TimedSteps(silent)
        monkeypatch.setattr("time.perf_counter", lambda: next(clock))
        for done in range(len(moments) - 1):
            timed("training", done, total)
        with pytest.raises(estimating._Enough):
            timed("training", len(moments) - 1, total)
        assert next(clock, None) is None and timed.total == total
        return timed.rate()

    assert rate(100, [5.0, 9.0, 11.0, 13.0, 15.0]) == 0.5
    assert rate(100, [5.0, 25.0]) == rate(1, [5.0, 25.0]) == 0.05
    assert rate(2, [5.0, 9.0, 10.0]) == 1.0


def test_pairs_are_read_at_a_rate_of_their_mean_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that takes a second for 100 bytes; those of middle length, which are read first, stand for the long ones too."""

    class Reader:
        fingerprint = "reader"
        now = 0.0

        def score(self, pairs: Sequence[tuple[str, str]]) -> Any:
            self.now += sum(1 + len(query) + len(text) for query, text in pairs) / 100
            return np.zeros(len(pairs), dtype=np.float32)

    reader = Reader()
    monkeypatch.setattr("time.perf_counter", lambda: reader.now)
    given = [("a", "b" * (length - 2)) for length in [50] * 300 + [500] * 100]
    assert estimating._reading(reader, given)["pairs"] == pytest.approx(100 / (0.75 * 50 + 0.25 * 500))
    assert estimating._reading(reader, []) == {}
    monkeypatch.setattr(Reader, "score", lambda self, pairs: np.full(len(pairs), np.nan, dtype=np.float32))
    with pytest.raises(InputError, match="nan"):
        estimating._reading(reader, given)


def refused(*verbs: Callable[[], object]) -> None:
    """All of them say the same."""
    said = []
    for verb in verbs:
        with pytest.raises(BicrossError) as error:
            verb()
        said.append((type(error.value), str(error.value)))
    assert len(set(said)) == 1, said


def test_what_the_verbs_refuse_is_refused(world: World, bases: tuple[Path, Path], tmp_path: Path) -> None:
    collection, queries, qrels = world
    strange, into = tmp_path / "strange.tsv", tmp_path / "m.jsonl"
    strange.write_text("query-id\tcorpus-id\tscore\nquestion1\tnowhere\t1\n", "utf-8")
    silent = tmp_path / "silent.tsv"
    silent.write_text("query-id\tcorpus-id\tscore\nother\tdoc1\t1\n", "utf-8")
    for given in (
        (collection, queries, silent, into),
        (collection, queries, strange, into),
        (collection, queries, qrels, tmp_path / "m.csv"),
        (collection, queries, qrels, tmp_path / "none" / "m.jsonl"),
        (tmp_path / "none", queries, qrels, into),
        (collection, queries, qrels, into, SETTINGS, "no/such/model"),
        (collection, queries, qrels, into, SETTINGS, None, tmp_path / "none" / "audit.html"),
    ):
        refused(lambda: pipeline.mine(*given), lambda: pipeline.estimate_mine(*given))  # type: ignore[arg-type]  # noqa: B023 - called at once
    for asked in (silent, strange):
        refused(lambda: pipeline.weigh(collection, queries, asked), lambda: pipeline.estimate_weigh(collection, queries, asked))  # noqa: B023
    refused(lambda: pipeline.distill(strange, HASHED, into), lambda: pipeline.estimate_distill(strange, HASHED, into))
    for more in ({"run_path": tmp_path / "none" / "run"}, {"measuring": EvaluateSettings(fail_if=("AP drops 0.1",))}):
        refused(
            lambda: pipeline.evaluate(*world, **more),  # type: ignore[arg-type]  # noqa: B023
            lambda: pipeline.estimate_evaluate(*world, **more),  # type: ignore[arg-type]  # noqa: B023
        )
    labelled = tmp_path / "pairs.jsonl"
    labelled.write_text('{"sentence1": "a", "sentence2": "b", "score": 1}\n', "utf-8")
    for training in (
        ("bi-encoder", labelled, str(bases[0]), tmp_path / "m", QUICK),
        ("cross-encoder", labelled, str(bases[1]), tmp_path / "m", CrossEncoderSettings()),
        ("bi-encoder", labelled, str(bases[0]), tmp_path / "m", QUICK.model_copy(update={"matryoshka": (64,)})),
        ("bi-encoder", labelled, HASHED, tmp_path / "m", QUICK),
        ("bi-encoder", tmp_path / "none.jsonl", str(bases[0]), tmp_path / "m", QUICK),
    ):
        refused(lambda: pipeline.train(*training), lambda: pipeline.estimate_train(*training))  # noqa: B023
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".work") == ["pairs.jsonl", "silent.tsv", "strange.tsv"]


def test_questions_that_trained_the_models_are_told(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    asked, _, _ = judged(*world[1:])
    lineage = {"untuned": {"encoder": HASHED, "reranker": HASHED}, "seen": [digest(query) for query in asked[:8]]}
    write_folder(world[0] / "models" / "tuned", {**tiny(1, reranker=True), LINEAGE: json.dumps(lineage).encode()}, {})
    with Collection.write(world[0]) as writer:
        assert writer.space is not None
        writer.activate(writer.space, replace(writer.facts, reranker="models/tuned"))
    (said,) = pipeline.estimate_mine(*world, tmp_path / "m.jsonl", SETTINGS).remarks
    assert said.startswith("8 of the 20 questions have trained the models")
    assert pipeline.estimate_evaluate(*world).remarks[0].startswith("8 of the 20 questions trained the models")
    left = pipeline.estimate_weigh(*world)
    assert left.counts["questions"] == 12 and len(left.skipped) == 8
