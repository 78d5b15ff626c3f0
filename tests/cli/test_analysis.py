"""`cluster`, `duplicates` and `pairs` as they are typed, over texts whose answer can be seen by eye."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bicross.cli.analysis import clustered, duplicated, paired
from bicross.errors import InputError
from bicross.pipeline import cluster, duplicates, index, pairs
from bicross.settings import AnalysisSettings, ClusterSettings, IndexSettings
from tests.cli.world import PAIR, Run

TEXTS = [
    "How do I reset my password?",
    "How can I reset my password?",
    "The weather is nice today.",
    "The weather is nice today!",
    "怎样重置我的密码？",
    "",
    "the weather is so nice today",
    "Trains to Berlin leave at noon.",
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_bytes("\n".join(TEXTS).encode() + b"\n\xff\xfe broken\n")
    return path


def test_pairs_names_what_says_the_same_and_what_that_saved(run: Run, source: Path) -> None:
    found = run("pairs", source, "--threshold", "0.6", *PAIR, "--json").json
    assert next((pair["left"], pair["right"]) for pair in found["pairs"]) == ("3", "4")
    assert {("1", "2"), ("3", "7"), ("4", "7")} <= {(pair["left"], pair["right"]) for pair in found["pairs"]}
    assert (found["texts"], found["cross_encoder_pairs"], found["recall"]) == (7, 21, 1.0)
    assert found["pairs"][0]["second"] == 1.0 and found["second_opinion"]["needed"] == 21
    assert [skip["id"].rpartition(":")[2] for skip in found["skipped"]] == ["6", "9"]


def test_duplicates_keep_the_first(run: Run, source: Path) -> None:
    found = run("duplicates", source, *PAIR, "--json").json
    assert [(group["kept"], [copy["id"] for copy in group["copies"]]) for group in found["groups"]] == [("3", ["4"])]
    assert found["redundant"] == 1 and found["groups"][0]["copies"][0]["likeness"] == 1.0


def test_cluster_draws_a_map(run: Run, source: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "map.svg"
    flags = ("--min-size", "2", "--threshold", "0.6", "--second-opinion", "9", "--map", drawn)
    found = run("cluster", source, *flags, *PAIR, "--json").json
    assert [sorted(one["members"]) for one in found["clusters"]] == [["3", "4", "7"], ["1", "2"]]
    assert found["alone"] == 2 and found["agreement"] == 1.0 and "<svg" in drawn.read_text("utf-8")
    assert run("cluster", source, "--clusters", "3", "--min-size", "1", *PAIR, "--json").json["method"] == "hierarchical"


def test_a_collection_gives_its_own_vectors(tmp_path: Path) -> None:
    rows = [{"_id": f"d{number}", "text": text} for number, text in enumerate(TEXTS) if text]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    index([tmp_path / "corpus.jsonl"], tmp_path / "c", IndexSettings(encoder="bicross/hashed", reranker="bicross/hashed"))
    from_source = pairs([tmp_path / "corpus.jsonl"], AnalysisSettings(encoder="bicross/hashed", reranker="bicross/hashed", threshold=0.5))
    from_collection = pairs([tmp_path / "c"], AnalysisSettings(threshold=0.5))
    assert [(one.left, one.right) for one in from_collection.pairs] == [(one.left, one.right) for one in from_source.pairs]
    with pytest.raises(InputError, match="its own encoder"):
        pairs([tmp_path / "c"], AnalysisSettings(encoder="bicross/hashed"))
    for lines in (paired(from_collection), duplicated(duplicates([tmp_path / "c"]))):
        assert any("a cross-encoder alone" in line for line in lines)
    assert any("clusters of 7 texts" in line for line in clustered(cluster([tmp_path / "c"], ClusterSettings(least=2))))


@pytest.mark.parametrize("content", [b"", b"only one\n", b"\x00\n"])
def test_one_text_is_too_few(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(InputError, match="expected two or more"):
        pairs([tmp_path / "t.txt"], AnalysisSettings(encoder="bicross/hashed"))
