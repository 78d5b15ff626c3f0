"""The verbs on real collections of the models without weights: what they do, what they leave, and what survives an interruption."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bicross import pipeline
from bicross.data.trec import read_run
from bicross.errors import InputError, ModelNotFound, SpaceMismatch
from bicross.models import registry
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.settings import STARTER_ENCODER, EvaluateSettings, IndexSettings, SearchSettings
from bicross.vectors import Vectors

ROOT = Path(__file__).parents[1]
SETTINGS = IndexSettings(encoder=HASHED, reranker=HASHED, passage_tokens=16)
TOPICS = ["printer", "router", "volcano", "penguin", "bread", "打印机", "火山", "企鹅"]
COUNT = 24


def row(number: int, note: str = "") -> dict[str, str]:
    """A document of two passages or three; every fourth, which has no title, has one that others have too."""
    topic = TOPICS[number % len(TOPICS)]
    text = f"Chapter {number} says how to reset the {topic} with button {number} on its side{note}. "
    text += f"Then the {topic} of kind {number} needs {number + 3} seconds before it starts again and is ready. "
    text += "The same last words stand at the end of many of these documents about all kinds of things." * (number % 4 == 0)
    return {"_id": f"d{number}", "title": f"Title {number}" * (number % 4 > 0), "text": text}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source.jsonl", [row(number) for number in range(COUNT)])


@pytest.fixture
def made(tmp_path: Path, source: Path) -> Path:
    pipeline.index([source], tmp_path / "made", SETTINGS)
    return tmp_path / "made"


def truth(path: Path) -> dict[str, list[Any]]:
    """All that the collection says of documents, passages with their keys, and vectors with their bytes."""
    db = sqlite3.connect(f"file:{path / 'truth.sqlite'}?mode=ro", uri=True)
    try:
        tables = ("documents", "passages", "vectors", "spaces")
        found = {table: db.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in tables}
    finally:
        db.close()
    found["spaces"] = [row[:5] for row in found["spaces"]]  # without the time
    return found


def vectors(path: Path) -> int:
    return len(truth(path)["vectors"]) if (path / "truth.sqlite").exists() else 0


class CountingEncoder(HashedEncoder):
    """The encoder without weights, and a memory of the documents that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        self.read += texts
        return super().encode_documents(texts)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> CountingEncoder:
    encoder = CountingEncoder()
    monkeypatch.setattr(registry, "load_encoder", lambda name: encoder)
    return encoder


# --- index ---------------------------------------------------------------------------------------------------------


def test_index_says_what_it_did(tmp_path: Path, source: Path) -> None:
    done = pipeline.index([source], tmp_path / "c", SETTINGS)
    assert (done.documents, done.changed, done.unchanged, done.skipped) == (COUNT, COUNT, 0, ())
    assert done.passages == len(truth(tmp_path / "c")["passages"])
    assert done.embedded == vectors(tmp_path / "c") < done.passages, "a passage that stands in many documents is embedded once"
    assert done.space == HashedEncoder().space
    assert done.seconds > 0 and done.documents_per_second == pytest.approx(COUNT / done.seconds)


def test_the_same_source_gives_the_same_keys_and_the_same_bytes(tmp_path: Path, source: Path, made: Path) -> None:
    pipeline.index([source], tmp_path / "again", SETTINGS)
    assert truth(tmp_path / "again") == truth(made)


def test_what_has_not_changed_is_not_read_again(made: Path, source: Path, counting: CountingEncoder) -> None:
    before = truth(made)
    done = pipeline.index([source], made)
    assert (done.changed, done.unchanged, done.embedded, counting.read) == (0, COUNT, 0, [])
    assert truth(made) == before


def test_only_what_changed_is_embedded(tmp_path: Path, made: Path, counting: CountingEncoder) -> None:
    rows = [row(0), row(1, note=", as of today"), row(COUNT)]
    done = pipeline.index([write(tmp_path / "new.jsonl", rows)], made)
    assert (done.documents, done.changed, done.unchanged) == (COUNT + 1, 2, 1)
    assert done.embedded == len(counting.read) == len(set(counting.read))
    assert not any("Chapter 0 " in text or "same last words" in text for text in counting.read)
    texts = {key: text for key, _, text, *_ in truth(made)["documents"]}
    assert "as of today" in texts["d1"]


def test_texts_that_no_document_has_any_more_leave_no_vector(tmp_path: Path, made: Path) -> None:
    rows = [{"_id": f"d{number}", "text": "Short."} for number in range(COUNT)]
    done = pipeline.index([write(tmp_path / "new.jsonl", rows)], made)
    assert (done.documents, done.passages, done.embedded) == (COUNT, COUNT, 1)
    assert vectors(made) == 1


def test_another_passage_length_cuts_all_documents_again(made: Path, source: Path) -> None:
    done = pipeline.index([source], made, IndexSettings(passage_tokens=64))
    assert (done.changed, done.unchanged) == (COUNT, 0)
    assert done.passages == COUNT
    again = pipeline.index([source], made)
    assert (again.changed, again.passages) == (0, COUNT), "the new length was kept"


def test_rows_that_are_skipped_are_named(tmp_path: Path) -> None:
    source = write(tmp_path / "s.jsonl", [row(1), row(1), {"_id": "empty", "text": " "}, {"_id": "nul", "text": "a\0b"}])
    done = pipeline.index([source], tmp_path / "c", SETTINGS)
    assert done.documents == 1
    assert [skip.id.removeprefix(str(source)) for skip in done.skipped] == ["d1", ":3", ":4"]


def test_progress_counts_documents_up_to_all(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "CHUNK_DOCUMENTS", 10)
    seen: list[tuple[str, int, int]] = []
    pipeline.index([source], tmp_path / "c", SETTINGS, lambda *said: seen.append(said))
    assert seen == [("documents", done, COUNT) for done in (10, 20, 24)]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"encoder": "no/such/model"}, ModelNotFound),
        ({"reranker": "no/such/model"}, ModelNotFound),
        ({"encoder": HASHED, "reranker": STARTER_ENCODER}, InputError),
    ],
)
def test_a_model_that_is_none_leaves_nothing_behind(tmp_path: Path, source: Path, settings: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        pipeline.index([source], tmp_path / "c", IndexSettings(**settings))
    assert not (tmp_path / "c").exists()


def test_a_source_that_is_none_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "absent", write(tmp_path / "blank.jsonl", [{"_id": "1", "text": ""}])):
        with pytest.raises(InputError, match=source.name):
            pipeline.index([source], tmp_path / "c", SETTINGS)
        assert not (tmp_path / "c").exists()


def test_another_encoder_is_refused_with_the_command_that_mends_it(made: Path, source: Path) -> None:
    before = truth(made)
    with pytest.raises(SpaceMismatch, match=f"bicross reembed {made} --encoder NAME"):
        pipeline.index([source], made, IndexSettings(encoder=STARTER_ENCODER))
    assert truth(made) == before
    assert pipeline.index([source], made).unchanged == COUNT


# --- interruptions -------------------------------------------------------------------------------------------------


class Interruption(Exception):
    """Raised where a user would press Ctrl-C."""


def after(calls: int) -> Callable[[str, int, int], None]:
    """Progress that interrupts at its call number `calls`."""
    left = calls

    def progress(what: str, done: int, total: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Interruption

    return progress


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_an_interrupted_index_goes_on_and_embeds_nothing_twice(
    tmp_path: Path, source: Path, made: Path, counting: CountingEncoder, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(pipeline, "CHUNK_DOCUMENTS", 4)
    path = tmp_path / "interrupted"
    with pytest.raises(Interruption):
        pipeline.index([source], path, SETTINGS, after(calls))
    unfinished = pipeline.status(path).unfinished
    assert unfinished is not None and (unfinished.kind, unfinished.state) == ("index", "interrupted")
    assert pipeline.status(path).documents == 4 * calls
    pipeline.index([source], path, SETTINGS)
    assert truth(path) == truth(made)
    assert pipeline.status(path).unfinished is None
    assert len(counting.read) == len(set(counting.read)) == vectors(made)


WORK = """
import sys
from pathlib import Path
from bicross import pipeline
from bicross.settings import IndexSettings
pipeline.CHUNK_DOCUMENTS = 2
print("begins", flush=True)
settings = IndexSettings(encoder="bicross/hashed", reranker="bicross/hashed", passage_tokens=16)
done = pipeline.index([Path(sys.argv[1])], Path(sys.argv[2]), settings, lambda what, done, total: print(done, flush=True))
print("embedded", done.embedded, flush=True)
"""


def test_an_index_that_is_killed_goes_on_and_embeds_nothing_that_was_committed_again(tmp_path: Path, source: Path, made: Path) -> None:
    path = tmp_path / "killed"
    command = [sys.executable, "-c", WORK, str(source), str(path)]
    dice = random.Random(0)
    for wait_for in ("begins", "begins", "4", "10", "24"):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as work:
            assert work.stdout is not None
            for line in work.stdout:
                if line.strip() in (wait_for, "24"):
                    time.sleep(dice.uniform(0, 0.03))
                    work.kill()
                    break
        if (path / "truth.sqlite").exists():
            assert pipeline.verify(path).problems == ()
            assert truth(path)["documents"] == truth(made)["documents"][: len(truth(path)["documents"])]
    kept = vectors(path)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert done.stdout.split()[-1] == str(vectors(made) - kept)
    assert truth(path) == truth(made)
    assert pipeline.verify(path).problems == ()
    questions = ["reset the volcano with button 10", "火山"]
    found, expected = (pipeline.search(place, questions).queries for place in (path, made))
    assert found == expected


# --- another encoder -----------------------------------------------------------------------------------------------


def test_reembed_moves_resumes_and_moves_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "few.jsonl", [row(number) for number in range(4)])
    path = tmp_path / "c"
    pipeline.index([source], path, SETTINGS)
    before, texts = truth(path), vectors(path)
    monkeypatch.setattr(pipeline, "CHUNK_DOCUMENTS", 3)
    with pytest.raises(Interruption):
        pipeline.reembed(path, STARTER_ENCODER, after(1))
    assert pipeline.status(path).encoder == HASHED
    assert pipeline.search(path, ["reset the router"]).queries[0].hits[0].doc_id == "d1", "until the swap the old space answers"
    moved = pipeline.reembed(path, STARTER_ENCODER)
    assert (moved.embedded, moved.changed, moved.documents) == (texts - 3, 0, 4)
    assert (pipeline.status(path).encoder, pipeline.status(path).space) == (STARTER_ENCODER, moved.space)
    assert moved.space.dim == 384
    assert pipeline.search(path, ["how do I reset the router?"], SearchSettings(stage="dense")).queries[0].hits[0].doc_id == "d1"
    assert pipeline.index([source], path).unchanged == 4
    back = pipeline.reembed(path, HASHED)
    assert (back.embedded, back.space) == (0, HashedEncoder().space), "the vectors of the space before were kept"
    assert truth(path)["passages"] == before["passages"]
    assert pipeline.verify(path).problems == ()


def test_reembed_with_a_model_that_is_none_changes_nothing(made: Path) -> None:
    before = truth(made)
    with pytest.raises(ModelNotFound):
        pipeline.reembed(made, "no/such/model")
    assert truth(made) == before


# --- search --------------------------------------------------------------------------------------------------------


def test_search_answers_in_the_order_asked(made: Path) -> None:
    answers = pipeline.search(
        made, ["reset the bread with button 4", "火山 button 6", "reset the bread with button 4"], SearchSettings(k=3)
    )
    assert [answer.hits[0].doc_id for answer in answers.queries] == ["d4", "d6", "d4"]
    assert all(len(answer.hits) == 3 for answer in answers.queries)
    assert answers.queries[1].titles["d6"] == "Title 6"
    assert set(answers.seconds) == {"encode", "recall", "rerank"}
    assert answers.queries[0].as_json() == answers.queries[2].as_json()


@pytest.mark.parametrize(("depth", "read"), [("auto", 20), (0, 0), (1, 1), (7, 7), (1000, COUNT)])
def test_the_number_of_candidates_that_were_read_is_told(made: Path, depth: str | int, read: int) -> None:
    (answer,) = pipeline.search(made, ["reset the bread"], SearchSettings(k=2, depth=depth)).queries  # type: ignore[arg-type]  # "auto"
    assert answer.reranked == read
    assert len(answer.hits) == 2
    assert all((hit.probability is not None) == (place < read) for place, hit in enumerate(answer.hits))


@pytest.mark.parametrize("stage", ["lexical", "dense", "fused"])
def test_a_stage_alone(made: Path, stage: Any) -> None:
    (answer,) = pipeline.search(made, ["reset the bread with button 4"], SearchSettings(stage=stage)).queries
    assert answer.hits[0].doc_id == "d4" and stage in answer.hits[0].stages
    assert answer.reranked == 0 and all("rerank" not in hit.stages for hit in answer.hits)


def test_a_question_that_is_none(made: Path) -> None:
    for question, reason in (("", "empty"), (" \n", "empty"), ("a\udcffb", "lone surrogate")):
        with pytest.raises(InputError, match=reason):
            pipeline.search(made, ["fine", question])


def test_questions_of_any_length_and_kind(made: Path) -> None:
    questions = ["reset " * 5000, "\0", "?", "🙂", "qwxzj"]
    answers = pipeline.search(made, questions).queries
    assert [answer.text for answer in answers] == questions
    assert pipeline.search(made, ["qwxzj"], SearchSettings(stage="lexical")).queries[0].hits == ()


def test_a_collection_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"bicross index SOURCE --into {tmp_path / 'absent'}"):
        pipeline.search(tmp_path / "absent", ["x"])
    assert not (tmp_path / "absent").exists()


def test_an_open_collection_follows_what_is_written(tmp_path: Path, made: Path) -> None:
    opened = pipeline.open_collection(str(made))
    assert "new" not in {hit.doc_id for hit in opened.search("zebra crossing").queries[0].hits}
    pipeline.index([write(tmp_path / "new.jsonl", [{"_id": "new", "text": "A zebra crossing."}])], made)
    assert opened.search("zebra crossing").queries[0].hits[0].doc_id == "new"
    pipeline.delete(made, ["new"])
    assert "new" not in {hit.doc_id for hit in opened.search("zebra crossing").queries[0].hits}


# --- keep ----------------------------------------------------------------------------------------------------------


def test_delete_removes_and_names_what_was_not_there(made: Path, source: Path) -> None:
    done = pipeline.delete(made, ["d4", "d12", "nobody", "d4"])
    assert (done.deleted, done.documents, done.unknown) == (2, COUNT - 2, ("nobody",))
    assert "d4" not in {hit.doc_id for hit in pipeline.search(made, ["reset the bread with button 4"]).queries[0].hits}
    again = pipeline.index([source], made)
    assert (again.changed, again.documents) == (2, COUNT)


def test_when_all_is_deleted_nothing_is_found(made: Path, source: Path) -> None:
    assert pipeline.delete(made, [f"d{number}" for number in range(COUNT)]).documents == 0
    for stage in ("both", "lexical", "dense", "fused"):
        assert pipeline.search(made, ["bread"], SearchSettings(stage=stage)).queries[0].hits == ()  # type: ignore[arg-type]  # names of stages
    assert vectors(made) == 0
    assert pipeline.index([source], made).changed == COUNT


def test_status_and_verify(made: Path) -> None:
    status, found = pipeline.status(made), pipeline.verify(made)
    assert (status.documents, status.encoder, status.tail, status.unfinished, status.refused) == (COUNT, HASHED, 0, None, ())
    assert (found.documents, found.passages, found.vectors, found.whole) == (COUNT, status.passages, vectors(made), True)


def test_models() -> None:
    assert {model["name"] for model in pipeline.models_list()["models"]} == set(registry.SHIPPED)
    assert pipeline.models_show("encoder") == pipeline.models_show(STARTER_ENCODER)


def test_inspect_agrees_with_index_and_changes_nothing(source: Path, made: Path) -> None:
    found = pipeline.inspect([source], SETTINGS)
    status = pipeline.status(made)
    assert (found.documents, found.passages) == (status.documents, status.passages)
    assert found.estimated_seconds >= 0
    assert list(source.parent.iterdir()).count(source) == 1 and {path.name for path in source.parent.iterdir()} == {"source.jsonl", "made"}


# --- measure -------------------------------------------------------------------------------------------------------


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Path, Path]:
    """Questions with their answers: one judged document is not there, one judged question has no text, one question is not judged."""
    queries = [{"_id": f"q{number}", "text": f"reset the {TOPICS[number % 8]} with button {number}"} for number in range(12)]
    lines = [
        "query-id\tcorpus-id\tscore",
        *(f"q{number}\td{number}\t1" for number in range(10)),
        "q3\td11\t2",
        "q4\tabsent\t1",
        "silent\td1\t1",
    ]
    (tmp_path / "qrels.tsv").write_text("\n".join(lines))
    return write(tmp_path / "queries.jsonl", queries), tmp_path / "qrels.tsv"


@pytest.mark.parametrize("stage", ["both", "lexical", "dense", "fused"])
def test_evaluate(made: Path, judged: tuple[Path, Path], stage: Any) -> None:
    found = pipeline.evaluate(made, *judged, SearchSettings(k=100, stage=stage))
    assert (found.stage, found.queries, found.depth) == (stage, 10, 20 if stage == "both" else 0)
    assert found.unknown == ("absent",)
    (skip,) = found.skipped
    assert skip.id == "silent" and "no text" in skip.reason
    for name, mean in found.measures.items():
        assert set(found.per_query[name]) == {f"q{number}" for number in range(10)}
        assert mean == pytest.approx(sum(found.per_query[name].values()) / 10)
        low, high = found.confidence[name]
        assert low <= mean <= high
        assert found.ceiling[name] >= mean - 1e-9
    assert found.per_query["R@100"]["q4"] == 0.5, "a judged document that is not there is a miss"
    assert set(found.latency) >= {"p50", "p95", "p99"}


def test_the_ceiling_is_of_all_that_was_recalled(made: Path, judged: tuple[Path, Path]) -> None:
    narrow = pipeline.evaluate(made, *judged, SearchSettings(k=1, depth=COUNT), EvaluateSettings(measures=("RR@10", "R@100")))
    wide = pipeline.evaluate(made, *judged, SearchSettings(k=COUNT, depth=COUNT), EvaluateSettings(measures=("RR@10", "R@100")))
    assert narrow.ceiling == wide.ceiling
    assert narrow.measures["R@100"] < wide.measures["R@100"], "only k hits a question are measured"


def test_runs_are_written_and_compared(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    runs, means = {}, {}
    for stage in ("lexical", "both"):
        runs[stage] = tmp_path / f"{stage}.run"
        settings = SearchSettings(k=10, stage=stage)  # type: ignore[arg-type]  # names of stages
        means[stage] = pipeline.evaluate(made, *judged, settings, run_path=runs[stage]).measures["nDCG@10"]
    assert len(read_run(runs["both"]).rankings) == 10
    found = pipeline.compare(runs["lexical"], runs["both"], judged[1])
    # The run has no line for the judged question without text: it is a miss of both.
    assert (found.mean_a, found.mean_b) == pytest.approx((means["lexical"] * 10 / 11, means["both"] * 10 / 11))
    assert found.wins + found.losses + found.ties == found.queries == 11


def test_nothing_that_is_judged_and_measures_that_are_none(tmp_path: Path, made: Path, judged: tuple[Path, Path]) -> None:
    (tmp_path / "other.tsv").write_text("query-id\tcorpus-id\tscore\nnobody\td1\t1\n")
    with pytest.raises(InputError, match="None of the 12 queries"):
        pipeline.evaluate(made, judged[0], tmp_path / "other.tsv")
    with pytest.raises(InputError, match="nDCG@ten"):
        pipeline.evaluate(made, *judged, measuring=EvaluateSettings(measures=("nDCG@ten",)))
