"""A promoted model is a folder that others can read, says what made it, and can be taken back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from bicross import durable, pipeline
from bicross.collection.store import Collection, Facts
from bicross.errors import StoreError
from bicross.models.registry import load_encoder, load_reranker, notes
from bicross.records import Calibration, Term
from bicross.searchers.weights import Weights
from bicross.settings import IndexSettings, TuneSettings
from bicross.tuning.promote import card, model_name, own, promote
from bicross.tuning.questions import Questions, inputs_of
from tests.models.tiny import tiny

CALIBRATION = {"both": Calibration(-0.5, {"dense": Term(2.0, -0.1), "rerank": Term(1.5)}, ((-1.0, 0.25), (2.0, 0.75)))}
WEIGHTS = Weights({"lexical": 0.2, "dense": 1.0}, {"dense": 1.0, "rerank": 0.6}, 30, CALIBRATION)
STAGES = ("dense", "fused", "both")
LINEAGE: dict[str, Any] = {
    "parents": {"encoder": "bicross/starter-encoder", "reranker": "bicross/starter-reranker"},
    "fingerprints": {"encoder": "a" * 64, "reranker": "b" * 64},
    "data": {"questions": "c" * 64, "train": "d" * 64, "documents": 3, "passage_tokens": 64},
    "settings": {"gate": {"confidence": 0.9, "measure": "nDCG@10"}, "note": "{braces} | pipes"},
    "seed": 5,
    "threads": 2,
    "versions": {"bicross": "0.1.0"},
    "untuned": {"encoder": "bicross/starter-encoder", "reranker": "bicross/starter-reranker"},
    "seen": ["0" * 16],
    "plan": {"rounds": 1},
    "depth": 30,
    "mined": "mined.jsonl",
    "audit": {"kinds": {"positive": 10, "hard": 40}, "auc": {"rerank": 0.875}},
    "dev": {
        "before": {stage: {"nDCG@10": 0.5} for stage in STAGES},
        "after": {stage: {"nDCG@10": 0.625} for stage in STAGES},
        "difference": {stage: {"difference": 0.125, "confidence": [0.05, 0.2]} for stage in STAGES},
    },
    "decision": {
        "comparison": {"queries": 150, "verdict": "after is better."},
        "guards": [{"name": "latency", "before": 0.05, "after": 0.04, "limit": 0.025}],
    },
}


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    """A collection with its models, and two pairs of other models."""
    paths = {"collection": tmp_path / "c"}
    for seed in range(6):
        name = f"{'reranker' if seed % 2 else 'encoder'}{seed // 2}"
        durable.write_folder(tmp_path / name, {**tiny(seed, reranker=seed % 2 == 1), "README.md": b"of the parent"}, {})
        paths[name] = tmp_path / name
    rows = [{"_id": name, "text": f"the {name} is in the room"} for name in ("printer", "oven", "火山")]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    settings = IndexSettings(encoder=str(paths["encoder0"]), reranker=str(paths["reranker0"]), passage_tokens=16)
    pipeline.index([tmp_path / "docs.jsonl"], paths["collection"], settings)
    return paths


def promoted(made: dict[str, Path], encoder: str, reranker: str, weights: Weights = WEIGHTS) -> Facts:
    """The pair promoted, as `tune` does it: its space filled first."""
    with Collection.write(made["collection"]) as writer:
        facts = own(writer, {"encoder": made[encoder], "reranker": made[reranker]}, weights, LINEAGE)
        promote(writer, facts, writer.facts, lambda what, done, total: None)
        return writer.facts


def test_the_collection_searches_with_the_promoted_pair_and_goes_back(made: dict[str, Path]) -> None:
    before = pipeline.search(made["collection"], ["the oven"])
    facts = promoted(made, "encoder1", "reranker1")
    assert (facts.passage_tokens, Weights.of(facts.weights)) == (16, WEIGHTS)
    with pipeline.open_collection(made["collection"]) as collection:
        assert collection.facts == facts
        assert collection.encoder().space == load_encoder(str(made["encoder1"])).space == collection.view.space
        assert collection.reranker().fingerprint == load_reranker(str(made["reranker1"])).fingerprint
        after = collection.search(["the oven"])
    assert set(after.queries[0].hits[0].stages) == {"lexical", "dense", "fused", "rerank"}
    assert pipeline.verify(made["collection"]).problems == ()
    back = pipeline.rollback(made["collection"])
    assert (back.encoder, back.embedded) == (str(made["encoder0"]), 0)
    assert pipeline.search(made["collection"], ["the oven"]).queries[0].hits == before.queries[0].hits
    assert pipeline.rollback(made["collection"]).encoder == facts.encoder


def test_the_files_of_a_promoted_model(made: dict[str, Path]) -> None:
    facts = promoted(made, "encoder1", "reranker1")
    for name, parent in ((facts.encoder, made["encoder1"]), (facts.reranker, made["reranker1"])):
        folder = made["collection"] / name
        durable.read_folder(folder)  # every hash is right
        for file in ("model.safetensors", "config.json", "tokenizer.json"):
            assert (folder / file).read_bytes() == (parent / file).read_bytes()
        lineage = json.loads((folder / "lineage.json").read_text("utf-8"))
        assert lineage == LINEAGE
    found = notes(str(made["collection"] / facts.reranker))
    assert found["encoder"] == facts.encoder
    assert Weights.of(found) == WEIGHTS


@pytest.mark.parametrize(
    ("kind", "task", "tags", "loads"),
    [
        ("encoder", "sentence-similarity", {"sentence-similarity", "feature-extraction"}, "SentenceTransformer("),
        ("reranker", "text-ranking", {"cross-encoder", "reranker"}, "CrossEncoder("),
    ],
)
def test_the_card_is_one_that_the_hub_reads(kind: str, task: str, tags: set[str], loads: str) -> None:
    text = card(kind, LINEAGE)
    front = ModelCard(text).data
    assert (front.library_name, front.pipeline_tag) == ("sentence-transformers", task)
    assert set(front.tags) == {"sentence-transformers", "bicross", *tags}
    assert loads in text
    assert "On 150 development questions that no model saw, depth 30, with 90 % intervals." in text
    assert "| both | 0.5000 | 0.6250 | +0.1250 | [+0.0500, +0.2000] |" in text
    assert "| latency | 0.0500 | 0.0400 | 0.025 |" in text
    assert "- hard: 40\n- 0.875 of the pairs" in text
    assert "parent" not in text.split("## Made from")[0]
    written = json.loads(text.split("```json\n")[1].split("```")[0])
    assert written == {key: LINEAGE[key] for key in ("parents", "untuned", "data", "plan", "settings", "seed", "threads", "versions")}


def test_what_was_not_measured_is_not_in_the_card() -> None:
    assert "of the pairs" not in card("encoder", {**LINEAGE, "audit": {"kinds": {}, "auc": {"rerank": None}}})


def test_names_differ_when_weights_differ(made: dict[str, Path]) -> None:
    names = {model_name("encoder", made[f"encoder{number}"]) for number in range(3)}
    assert len(names) == 3
    fitted = {model_name("reranker", made["reranker1"], {**WEIGHTS.as_json(), "depth": depth}) for depth in (20, 30)}
    assert len(fitted | {model_name("reranker", made["reranker1"])}) == 3


def test_the_same_reranker_beside_another_encoder_has_its_own_weights(made: dict[str, Path]) -> None:
    first = promoted(made, "encoder1", "reranker1")
    other = Weights({"lexical": 0.0, "dense": 1.0}, {"dense": 1.0}, 20)
    second = promoted(made, "encoder2", "reranker1", other)
    for facts, weights in ((first, WEIGHTS), (second, other)):
        found = notes(str(made["collection"] / facts.reranker))
        assert (found["encoder"], Weights.of(found)) == (facts.encoder, weights)
    assert promoted(made, "encoder1", "reranker1") == first  # what is there already is not written again


def test_models_given_by_name_stay_what_they_are(made: dict[str, Path]) -> None:
    """An encoder or a reranker that tuning did not change is not copied, and the fitted weights hold all the same."""
    with Collection.write(made["collection"]) as writer:
        before = writer.facts
        facts = own(writer, {"encoder": made["encoder1"], "reranker": before.reranker}, WEIGHTS, LINEAGE)
        promote(writer, facts, before, lambda what, done, total: None)
        kept = own(writer, {"encoder": facts.encoder, "reranker": made["reranker1"]}, WEIGHTS, LINEAGE)
    assert (facts.reranker, Weights.of(facts.weights)) == (before.reranker, WEIGHTS) and facts.encoder != before.encoder
    assert (kept.encoder, notes(str(made["collection"] / kept.reranker))["encoder"]) == (facts.encoder, facts.encoder)
    assert pipeline.rollback(made["collection"]).encoder == before.encoder


def test_what_was_measured_against_something_else_is_not_promoted(made: dict[str, Path]) -> None:
    with Collection.write(made["collection"]) as writer:
        facts = own(writer, {"encoder": made["encoder1"], "reranker": made["reranker1"]}, WEIGHTS, LINEAGE)
        before = writer.facts
        with pytest.raises(StoreError, match="nothing is promoted"):
            promote(writer, facts, replace(before, reranker="another"), lambda what, done, total: None)
        assert writer.facts == before


def test_an_untuned_model_that_was_changed_makes_another_run(made: dict[str, Path]) -> None:
    lineage = {**LINEAGE, "untuned": {"encoder": str(made["encoder0"]), "reranker": str(made["reranker0"])}}
    with Collection.write(made["collection"]) as writer:
        facts = own(writer, {"encoder": made["encoder1"], "reranker": made["reranker1"]}, WEIGHTS, lineage)
        promote(writer, facts, writer.facts, lambda what, done, total: None)

    def inputs() -> dict[str, Any]:
        with pipeline.open_collection(made["collection"]) as collection:
            return inputs_of(collection, Questions([], [], {}, ()), TuneSettings())

    before = inputs()
    assert inputs() == before
    durable.remove_folder(made["reranker0"])
    durable.write_folder(made["reranker0"], tiny(9, reranker=True), {})
    after = inputs()
    assert after["fingerprints"].pop("untuned reranker") != before["fingerprints"].pop("untuned reranker")
    assert after == before


def test_the_card_says_how_far_probabilities_are_right() -> None:
    measured = {"both": {"hits": 1500, "error": 0.0123, "confidence": [0.005, 0.02], "by_chance": 0.004}}
    text = card("reranker", {**LINEAGE, "dev": {**LINEAGE["dev"], "calibration": measured}})
    assert "| both | 1500 | 0.0123 | [0.0050, 0.0200] | 0.0040 |" in text
    assert "calibration error" not in card("reranker", LINEAGE)
