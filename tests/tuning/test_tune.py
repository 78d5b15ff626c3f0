"""The whole loop in the small world: what is better is promoted, what is not is refused, and kills change nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from bicross import durable, pipeline
from bicross.ancestry import LINEAGE
from bicross.errors import InputError
from bicross.models.registry import load_encoder
from bicross.settings import GateSettings
from bicross.tuning.promote import CARD
from bicross.tuning.run import Run
from tests.tuning.world import make_collection, quick

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # the libraries' own
QUESTIONS = 400
ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
from bicross import pipeline
from bicross.training import fitting
from tests.tuning.world import quick

fitting.CHECKPOINT_SECONDS = 0.2
pipeline.tune(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), None, quick())
"""


def prints(collection: Path) -> dict[str, dict[str, Any]]:
    """The hashes of all files of the collection's own models but those that tell what was measured, seconds among it."""
    found = {path.name: durable.read_manifest(path)["files"] for path in sorted((collection / "models").iterdir())}
    return {name: {file: entry for file, entry in files.items() if file not in (CARD, LINEAGE)} for name, files in found.items()}


def command(collection: Path, queries: Path, qrels: Path) -> list[str]:
    return [sys.executable, "-c", SCRIPT, str(collection), str(queries), str(qrels)]


def run_in_a_process(collection: Path, queries: Path, qrels: Path) -> None:
    subprocess.run(command(collection, queries, qrels), check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Any]:
    """A collection that was tuned on real answers, its questions and answers, and the result."""
    collection, queries, qrels = make_collection(tmp_path_factory.mktemp("tuned"), QUESTIONS)
    run_in_a_process(collection, queries, qrels)  # as many threads as the runs that are killed have
    return collection, queries, qrels, pipeline.tune(collection, queries, qrels, None, quick())


def test_a_real_gain_is_promoted_and_found_again(tuned: tuple[Path, Path, Path, Any]) -> None:
    collection, queries, qrels, found = tuned
    assert found.promoted, found.reason
    assert found.confidence[0] > 0
    with pipeline.open_collection(collection) as opened:
        assert opened.facts.encoder == found.models["bi_encoder"]
        assert opened.facts.reranker == found.models["cross_encoder"]
        assert opened.view.space == load_encoder(str(collection / found.models["bi_encoder"])).space
    again = pipeline.tune(collection, queries, qrels, None, quick())
    assert again == found  # what is done is not done again
    assert pipeline.verify(collection).problems == ()


def test_after_a_rollback_the_same_command_promotes_again(tuned: tuple[Path, Path, Path, Any]) -> None:
    collection, queries, qrels, found = tuned
    pipeline.rollback(collection)
    with pipeline.open_collection(collection) as opened:
        assert opened.facts.encoder != found.models["bi_encoder"]
    again = pipeline.tune(collection, queries, qrels, None, quick())
    assert replace(again, stages=found.stages, seconds=found.seconds) == found  # to promote it once more takes time of its own
    with pipeline.open_collection(collection) as opened:
        assert opened.facts.encoder == found.models["bi_encoder"]


def test_a_promoted_pair_loads_in_plain_sentence_transformers(tuned: tuple[Path, Path, Path, Any]) -> None:
    from sentence_transformers import CrossEncoder, SentenceTransformer

    collection, *_, found = tuned
    text, passage = "q1 q2 w3", "d1 d2 w4 w5"
    theirs = SentenceTransformer(str(collection / found.models["bi_encoder"])).encode_query([text], normalize_embeddings=True)
    assert float(theirs[0] @ load_encoder(str(collection / found.models["bi_encoder"])).encode_queries([text])[0]) == pytest.approx(
        1, abs=1e-3
    )
    from bicross.models.registry import load_reranker

    ours = load_reranker(str(collection / found.models["cross_encoder"])).score([(text, passage)])
    model = CrossEncoder(str(collection / found.models["cross_encoder"]))
    assert float(model.predict([(text, passage)], activation_fn=__import__("torch").nn.Identity())[0]) == pytest.approx(
        float(ours[0]), abs=0.05
    )


def test_a_gain_below_the_margin_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    collection, queries, qrels = make_collection(tmp_path, QUESTIONS)
    before = pipeline.search(collection, ["q1 q2"])
    strict = quick(gate=GateSettings(general_limit=1.0, latency=100.0, margin=0.9))
    found = pipeline.tune(collection, queries, qrels, None, strict)
    assert not found.promoted and found.models == {}
    assert "margin of 0.9" in found.reason
    assert pipeline.search(collection, ["q1 q2"]).queries[0].hits == before.queries[0].hits
    assert not (collection / "models").exists()
    assert pipeline.status(collection).models == ()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))])
def test_shuffled_answers_are_refused(seed: int, tmp_path: Path) -> None:
    collection, queries, qrels = make_collection(tmp_path, 200, seed, shuffled=True)
    found = pipeline.tune(collection, queries, qrels, None, quick(seed=seed))
    assert not found.promoted, found.reason


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_with_the_same_bytes(kills: int, tuned: tuple[Path, Path, Path, Any], tmp_path: Path) -> None:
    stages = tuned[3].stages
    for attempt in range(3):  # where the machine is faster by now than it was for those stages, a run may end before its kill
        folder = tmp_path / str(attempt)
        folder.mkdir()
        collection, queries, qrels = make_collection(folder, QUESTIONS)
        stages = killed(collection, queries, qrels, moments(stages, kills, random.Random(kills)))
        if not stages:
            break
    assert not stages, "no run lasted until all of its kills"
    process = begin(collection, queries, qrels)
    while process.poll() is None and "outcome" not in over(collection):
        time.sleep(0.005)
    process.kill()  # between the verdict and the promotion, or amid it
    process.wait()
    run_in_a_process(collection, queries, qrels)
    assert prints(collection) == prints(tuned[0])
    assert pipeline.verify(collection).problems == ()


def begin(collection: Path, queries: Path, qrels: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(collection, queries, qrels), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(collection: Path, queries: Path, qrels: Path, when: list[tuple[str, float]]) -> dict[str, float]:
    """Kill a run at these moments, begun anew after each. Gives nothing, or, if it ended before, the seconds of its steps."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "import bicross.tuning.tune"], check=True)
    loading = time.monotonic() - started
    for step, seconds in when:
        process = begin(collection, queries, qrels)
        time.sleep(loading)
        while process.poll() is None and step not in over(collection):
            time.sleep(0.01)
        time.sleep(seconds)
        if process.poll() is not None:
            assert process.returncode == 0
            return next(Run(folder).seconds() for folder in (collection / "tuning").glob("*"))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    return {}


def moments(stages: dict[str, float], kills: int, rng: random.Random) -> list[tuple[str, float]]:
    """Random moments of a run in order, each the step before it, "" for none, and the seconds after that step; so that it does not matter
    how fast the machine is by now. The last fifth of the run, which could be over before a kill comes, is left out."""
    ends = {"": 0.0} | dict(zip(stages, accumulate(stages.values()), strict=True))
    found = sorted(rng.uniform(0, 0.8 * max(ends.values())) for _ in range(kills))
    before = [max((step for step in ends if ends[step] <= moment), key=ends.__getitem__) for moment in found]
    return [(step, moment - ends[step]) for step, moment in zip(before, found, strict=True)]


def over(collection: Path) -> set[str]:
    """The steps that are over, and the beginning."""
    runs = [Run(folder) for folder in (collection / "tuning").glob("*")]
    return {"", *(step for run in runs for step in run.seconds())}


def test_questions_without_known_answers_are_an_error(tmp_path: Path) -> None:
    collection, queries, _ = make_collection(tmp_path, 30)
    other = tmp_path / "other.tsv"
    other.write_text("query-id\tcorpus-id\tscore\nnobody\tdoc1\t1\n", "utf-8")
    with pytest.raises(InputError, match="None of the 30 queries"):
        pipeline.tune(collection, queries, other, None, quick())


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    collection, queries, qrels = make_collection(tmp_path, 60)
    found = pipeline.tune(collection, queries, qrels, None, quick(budget=600.0), dry_run=True)
    assert found.estimated_seconds and not found.dev
    assert not (collection / "tuning").exists()
