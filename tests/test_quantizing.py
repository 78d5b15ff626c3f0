"""`quantize`, end to end, with models of one layer: taken, refused, dry, and back again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bicross import eightbit, pipeline
from bicross.collection.store import Collection, Facts
from bicross.errors import InputError
from bicross.models.folder import CALIBRATION
from bicross.models.network import has_int8
from bicross.models.registry import HASHED
from bicross.settings import IndexSettings, QuantizeSettings
from tests.models.tiny import tiny

pytestmark = pytest.mark.skipif(not has_int8(), reason="the processor has no fast 8-bit products")
EASY = QuantizeSettings(sample=6, rank_correlation=0.5, top10=0.3, ndcg=1, faster=0)  # random weights; the time is not tested
SAID = ["the red printer", "rain on hills", "a volcano 77", "penguins walk", "打印机", "火山", "企鹅", "one two three", "numbers 12345"]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for kind in ("encoder", "reranker"):
        (tmp_path / kind).mkdir()
        for name, content in tiny(5, kind == "reranker").items():
            (tmp_path / kind / name).write_bytes(content)
    rows = [{"_id": f"d{number}", "text": f"{SAID[number % 9]}. {SAID[number * 4 % 9]} {number}."} for number in range(40)]
    asked = [{"_id": f"q{number}", "text": f"{SAID[number % 9]} {number}"} for number in range(12)]
    for name, lines in (("corpus", rows), ("queries", asked)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    judged = "".join(f"q{number}\td{number}\t1\n" for number in range(12))
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged, "utf-8")
    settings = IndexSettings(encoder=str(tmp_path / "encoder"), reranker=str(tmp_path / "reranker"), passage_tokens=32)
    pipeline.index([tmp_path / "corpus.jsonl"], tmp_path / "c", settings)
    return tmp_path / "c"


def facts(path: Path) -> Facts:
    with Collection.open(path).view() as view:
        return view.facts


def test_a_reranker_is_taken_and_rollback_goes_back(collection: Path) -> None:
    before, folder = facts(collection), collection.parent
    found = pipeline.quantize(collection, "reranker", EASY, folder / "queries.jsonl", folder / "qrels.tsv")
    assert found.refused == "" and found.name == facts(collection).reranker != before.reranker
    assert (collection / str(found.name) / CALIBRATION).is_file()
    assert found.drift.questions == 6 and found.drift.candidates == 40
    assert 0.5 < found.drift.rank_correlation < 1 and found.drift.ndcg is not None
    shown = pipeline.models_show(str(collection / str(found.name)))
    assert shown["notes"]["int8"]["rank_correlation"] == found.drift.rank_correlation
    assert pipeline.search(collection, ["penguins walk"]).queries[0].hits
    with pytest.raises(InputError, match="computes in 8-bit integers already"):
        pipeline.quantize(collection, "reranker", EASY)
    pipeline.rollback(collection)
    assert facts(collection) == before


def test_an_encoder_is_taken_with_vectors_of_its_own(collection: Path) -> None:
    before = Collection.open(collection).view().space
    found = pipeline.quantize(collection, "encoder", EASY)
    assert found.refused == "" and facts(collection).encoder == found.name
    with Collection.open(collection).view() as view:
        assert view.space != before
    assert pipeline.search(collection, ["penguins walk"]).queries[0].hits


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"rank_correlation": 1.0}, "rank correlation"),
        ({"rank_correlation": 0.0, "top10": 0.0, "faster": 1e6}, "times as fast"),
    ],
)
def test_what_is_beyond_a_limit_is_refused_and_nothing_is_written(collection: Path, limits: dict[str, float], reason: str) -> None:
    before = facts(collection)
    found = pipeline.quantize(collection, "reranker", EASY.model_copy(update=limits))
    assert reason in found.refused and found.name is None
    assert facts(collection) == before and not (collection / "models").exists()


def test_a_dry_run_keeps_nothing(collection: Path) -> None:
    before = facts(collection)
    found = pipeline.quantize(collection, "reranker", EASY, dry_run=True)
    assert (found.refused, found.name, found.dry_run) == ("", None, True)
    assert facts(collection) == before and not (collection / "models").exists()


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Some text.", "utf-8")
    pipeline.index([tmp_path / "a.txt"], tmp_path / "c", IndexSettings(encoder=HASHED, reranker=HASHED))
    with pytest.raises(InputError, match="has no weights"):
        pipeline.quantize(tmp_path / "c", "reranker", EASY)


def test_sentences_stand_in_for_questions_the_second_of_each_text_where_it_has_two(tmp_path: Path) -> None:
    rows = ["One sentence alone", "A title of it. What it says here.", "标题。内容在这里。"]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps({"_id": str(n), "text": row}) + "\n" for n, row in enumerate(rows)), "utf-8")
    pipeline.index([tmp_path / "corpus.jsonl"], tmp_path / "c", IndexSettings(encoder=HASHED, reranker=HASHED))
    with Collection.open(tmp_path / "c").view() as view:
        assert eightbit.stand_ins(view, 9) == ["One sentence alone", "What it says here.", "内容在这里。"]
