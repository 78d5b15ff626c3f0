"""MTEB's numbers on tasks of our own, in Chinese and English, against `evaluate`'s on the same data."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mteb", minversion="2.0", exc_type=ImportError)

import datasets
import mteb
from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores
from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.models_protocols import EncoderProtocol, SearchProtocol

from bicross import pipeline
from bicross.collection.store import Collection
from bicross.errors import InputError
from bicross.integrations.mteb import BiEncoder, TwoStage
from bicross.models.hashed import HashedScorer
from bicross.models.registry import HASHED
from bicross.settings import EvaluateSettings, IndexSettings, SearchSettings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

TOPICS = ["printer", "router", "volcano", "penguin", "打印机", "路由器", "火山", "企鹅"]
DOCUMENTS = [
    {
        "id": f"d{number}",
        "title": f"{topic} {number}" if number % 3 else "",
        "text": f"The {topic} of kind {number} is reset with {topic} 按钮 {part}.",
    }
    for number, (topic, part) in enumerate((topic, part) for topic in TOPICS for part in ("one", "二"))
]
DOCUMENTS += [{"id": f"same{number}", "title": "", "text": "The same words for the penguin 企鹅."} for number in range(4)]  # ties
QUERIES = [{"id": f"q{number}", "text": f"how is the {topic} reset? 怎么重置{topic}"} for number, topic in enumerate(TOPICS)]
QRELS = {f"q{number}": {f"d{2 * number}": 2, f"d{2 * number + 1}": 1, f"d{(2 * number + 5) % 16}": 0} for number in range(len(TOPICS))}
QRELS["q3"]["same2"] = 3
MEASURES = {"ndcg_at_10": "nDCG@10", "map_at_10": "AP@10", "recall_at_10": "R@10", "precision_at_10": "P@10", "mrr_at_10": "RR@10"}
TREC = {"ndcg_cut_10": "nDCG@10", "map_cut_10": "AP@10", "recall_10": "R@10", "P_10": "P@10"}
GIVEN = {query: ["same1", "d3", "d12", "d4", "d0", "same2"] for query in QRELS}


def task(name: str, top_ranked: Any = None, corpus: Any = DOCUMENTS) -> AbsTaskRetrieval:
    class Small(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name=name,
            description="A dozen documents.",
            reference=None,
            dataset={"path": "none/none", "revision": "1"},
            type="Retrieval" if top_ranked is None else "Reranking",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn", "zho-Hans"],
            main_score="ndcg_at_10",
        )

        def load_data(self, **_: Any) -> None:
            queries = datasets.Dataset.from_list(QUERIES)
            qrels = {query: dict(judged) for query, judged in QRELS.items()}
            split = {"corpus": datasets.Dataset.from_list(corpus), "queries": queries, "relevant_docs": qrels, "top_ranked": top_ranked}
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Small()


def scores(model: Any, of: AbsTaskRetrieval, predictions: Path | None = None) -> dict[str, Any]:
    result = mteb.evaluate(model, of, cache=None, prediction_folder=predictions, show_progress_bar=False)
    found: dict[str, Any] = result.task_results[0].scores["test"][0]
    return found


def beir(folder: Path) -> Path:
    folder.mkdir()
    for name, rows in (("corpus", DOCUMENTS), ("queries", QUERIES)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    rows = [f"{query} 0 {document} {grade}\n" for query, judged in QRELS.items() for document, grade in judged.items()]
    (folder / "qrels.txt").write_text("".join(rows))
    return folder


@pytest.mark.parametrize("stage", ["both", "lexical", "fused"])
def test_mteb_computes_what_evaluate_does(tmp_path: Path, stage: Any) -> None:
    model = TwoStage(encoder=HASHED, reranker=HASHED, settings=SearchSettings(stage=stage))
    assert isinstance(model, SearchProtocol) and not isinstance(model, EncoderProtocol)
    found = scores(model, task("Small"), tmp_path / "predictions")

    source = beir(tmp_path / "beir")
    pipeline.index([source], tmp_path / "c", IndexSettings(encoder=HASHED, reranker=HASHED))
    measuring = EvaluateSettings(measures=tuple(MEASURES.values()))
    ours = pipeline.evaluate(tmp_path / "c", source, source / "qrels.txt", SearchSettings(k=1000, stage=stage), measuring)
    for name, measure in MEASURES.items():  # MTEB rounds all but mrr to five digits
        assert found[name] == pytest.approx(ours.measures[measure], abs=1e-6 if name.startswith("mrr") else 5.1e-6)

    (file,) = (tmp_path / "predictions").glob("**/*.json")
    predicted = json.loads(file.read_text())["default"]["test"]
    per_query = calculate_retrieval_scores(predicted, QRELS, [10]).all_scores
    for name, measure in TREC.items():
        for query, value in ours.per_query[measure].items():
            assert per_query[query][name] == pytest.approx(value, abs=1e-6)


def test_ties_stand_as_in_bicross(tmp_path: Path) -> None:
    model = TwoStage(encoder=HASHED, reranker=HASHED, settings=SearchSettings(stage="lexical"))
    model.index(datasets.Dataset.from_list(DOCUMENTS), task_metadata=task("Small").metadata, hf_split="test", hf_subset="default")
    queries = datasets.Dataset.from_list([{"id": "q", "text": "the same words"}, {"id": "empty", "text": " "}])
    found = model.search(queries, top_k=1000)
    values = list(found["q"].values())
    assert list(found["q"])[:4] == ["same0", "same1", "same2", "same3"]
    assert all(before > after for before, after in itertools.pairwise(values)) and values[0] - values[3] < 1e-5
    assert found["empty"] == {}


def test_a_reranking_task_ranks_what_it_is_given(tmp_path: Path) -> None:
    model = TwoStage(encoder=HASHED, reranker=HASHED)
    found = scores(model, task("SmallReranking", GIVEN), tmp_path)
    (file,) = tmp_path.glob("**/*.json")
    predicted = json.loads(file.read_text())["default"]["test"]
    assert {query: set(ranked) for query, ranked in predicted.items()} == {query: set(given) for query, given in GIVEN.items()}
    relevant = [{document for document, grade in judged.items() if grade} for judged in QRELS.values()]
    recall = sum(len(judged.intersection(GIVEN["q0"])) / len(judged) for judged in relevant) / len(relevant)
    assert found["recall_at_10"] == pytest.approx(recall, abs=5.1e-6)
    assert scores(TwoStage(encoder=HASHED, reranker=HASHED), task("SmallReranking", {"q0": ["d0", "unknown"]}))["recall_at_10"] > 0


def test_a_model_that_fails_leaves_all_documents_to_search_in(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TwoStage(encoder=HASHED, reranker=HASHED)
    model.index(datasets.Dataset.from_list(DOCUMENTS), task_metadata=task("Small").metadata, hf_split="test", hf_subset="default")
    queries = datasets.Dataset.from_list(QUERIES)
    whole = model.search(queries, top_k=5)
    with monkeypatch.context() as failing:
        failing.setattr(HashedScorer, "score", lambda self, pairs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.search(queries, top_k=5, top_ranked=GIVEN)
    assert model.search(queries, top_k=5) == whole
    model.close()


def test_models_and_weights_are_the_collections(tmp_path: Path) -> None:
    pipeline.index([beir(tmp_path / "beir")], tmp_path / "c", IndexSettings(encoder=HASHED, reranker=HASHED, passage_tokens=16))
    plain = TwoStage(tmp_path / "c")
    with Collection.write(tmp_path / "c") as writer:
        facts = writer.facts
        weights = {**facts.weights, "combination": {"rank": 1.0}, "depth": 3}
        writer.set_facts(type(facts)(facts.encoder, facts.reranker, facts.passage_tokens, weights))
    tuned = TwoStage(tmp_path / "c", folder=tmp_path / "kept")
    assert plain.mteb_model_meta.revision != tuned.mteb_model_meta.revision
    scores(tuned, task("Small"))
    (made,) = (tmp_path / "kept").glob("Small-1-default-test-*/collection")
    with Collection.open(made).view() as view:
        assert view.facts.weights["combination"] == {"rank": 1.0} and view.facts.passage_tokens == 16
    scores(tuned, task("Small"))  # again into the same folder
    with pytest.raises(InputError, match="older corpus"):
        scores(tuned, task("Small", corpus=DOCUMENTS[:-1]))


def test_temporary_collections_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = TwoStage(encoder=HASHED, reranker=HASHED)
    scores(model, task("Small"))
    scores(model, task("Small"))
    assert len(list(tmp_path.glob("bicross-mteb-*"))) == 1
    model.close()
    assert not list(tmp_path.glob("bicross-mteb-*"))
    with pytest.raises(InputError, match="index first"):
        model.search(datasets.Dataset.from_list(QUERIES), top_k=10)


def test_texts_of_queries_are_mtebs() -> None:
    model = TwoStage(encoder=HASHED, reranker=HASHED)
    model.index(datasets.Dataset.from_list(DOCUMENTS), task_metadata=task("Small").metadata, hf_split="test", hf_subset="default")
    turns = [{"role": "user", "content": "printer"}, {"role": "assistant", "content": "打印机"}]
    rows = [{"id": "talk", "text": turns}, {"id": "told", "text": turns, "instruction": "find it"}]
    found = model.search(datasets.Dataset.from_list(rows), top_k=5)
    assert len(found["talk"]) == len(found["told"]) == 5
    model.close()


def test_the_encoder_alone() -> None:
    model = BiEncoder(HASHED)
    assert isinstance(model, EncoderProtocol) and not isinstance(model, SearchProtocol)
    assert scores(model, task("Small"))["ndcg_at_10"] > 0.5
    with pytest.raises(InputError, match="revision"):
        BiEncoder(HASHED, "main")
