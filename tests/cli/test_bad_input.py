"""Bad input is normal input: exit code 2 or a named skip, the collection as before, and no traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.world import PAIR, ROWS, Run, refused, write


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--depth", "deep"), "depth"),
        (("--depth", "-1"), "depth"),
        (("--depth", "²"), "depth"),
        (("--depth", "1001"), "depth"),
        (("-k", "0"), "k:"),
        (("-k", "many"), "-k"),
        (("--stage", "all"), "stage"),
        (("--colour", "red"), "--colour"),
    ],
)
def test_a_flag_that_is_wrong(made: Path, run: Run, flags: tuple[str, ...], word: str) -> None:
    refused(run("search", made, "printer", "--json", *flags), word)


def test_settings_and_verbs_that_are_wrong(tmp_path: Path, source: Path, run: Run) -> None:
    refused(run("index", source, "--into", tmp_path / "c", "--passage-tokens", "3"), "passage_tokens")
    refused(run("index", source), "--into")
    refused(run("fly"), "fly")
    refused(run("index", source, "--into", tmp_path / "c", "--encoder", "no/such/model"), "no/such/model")
    refused(run("models", "show", "nothing"), "nothing")
    refused(run("export", "nothing", "--into", tmp_path / "c"), "nothing")
    refused(run("index", source, "--into", tmp_path / "c", "--text-column", "body"), "body", "_id, title, text")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question(made: Path, run: Run, question: str) -> None:
    refused(run("search", made, question), "empty")


def test_an_empty_folder_and_a_folder_of_nothing_that_is_read(tmp_path: Path, made: Path, run: Run) -> None:
    before = run("status", made, "--json").json
    (tmp_path / "empty").mkdir()
    refused(run("index", tmp_path / "empty", "--into", made), "no readable document")
    (tmp_path / "empty" / "blank.txt").write_text("\n \n")
    refused(run("index", tmp_path / "empty", "--into", made), "blank.txt", "empty")
    refused(run("index", tmp_path / "empty", "--into", tmp_path / "new"), "no readable document")
    assert not (tmp_path / "new").exists()
    assert run("status", made, "--json").json == before


BAD_FILES = {
    "empty.txt": (b"", "empty"),
    "nul.txt": (b"a\0b", "NUL"),
    "latin.txt": (b"caf\xe9 au lait", "not UTF-8"),
    "surrogate.md": (b"a \xed\xa0\x80 b", "not UTF-8"),
    "half.html": (b"<html><body></body></html>", "empty"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_indexed(tmp_path: Path, made: Path, run: Run, name: str) -> None:
    content, reason = BAD_FILES[name]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_bytes(content)
    (folder / "good.txt").write_text("A zebra crosses the road.")
    found = run("index", folder, "--into", made, "--json").json
    assert found["documents"] == 4
    (skip,) = found["skipped"]
    assert skip["id"].endswith(name) and reason in skip["reason"]


BAD_LINES = {
    '{"_id": "x", "text": ""}': "empty",
    '{"_id": "x", "text": "a\\u0000b"}': "NUL",
    '{"_id": "x", "text": "a\\ud800b"}': "lone surrogate",
    '{"_id": "x\\udfff", "text": "b"}': "lone surrogate",
    '{"_id": "", "text": "b"}': "id is empty",
    '{"_id": "printer", "text": "again"}': "second time",
    '{"_id": "x", "text": 3}': "expected text",
    '{"_id": "x"}': "no text column",
    "{": "not JSON",
    "[1]": "expected an object",
    "[" * 5000: "not JSON",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_cannot_be_read_is_named_and_the_others_are_indexed(tmp_path: Path, run: Run, line: str) -> None:
    source = write(tmp_path / "bad.jsonl", ROWS)
    source.write_text(source.read_text("utf-8") + line + "\n", "utf-8")
    found = run("index", source, "--into", tmp_path / "c", *PAIR, "--json").json
    assert found["documents"] == 3
    (skip,) = found["skipped"]
    assert BAD_LINES[line] in skip["reason"] and (skip["id"].endswith(":4") or skip["id"] == "printer")


def test_a_line_of_ten_megabytes_and_bytes_that_are_not_utf8(tmp_path: Path, run: Run) -> None:
    source = tmp_path / "big.jsonl"
    big = json.dumps({"_id": "big", "text": "Nobody reads this. " + "x" * 10_000_000}).encode()
    source.write_bytes(big + b'\n{"_id": "latin", "text": "caf\xe9"}\n{"_id": "good", "text": "A zebra."}\n')
    found = run("index", source, "--into", tmp_path / "c", *PAIR, "--json").json
    assert found["documents"] == 2
    assert [(skip["id"], "not UTF-8" in skip["reason"]) for skip in found["skipped"]] == [(f"{source}:2", True)]
    assert run("search", tmp_path / "c", "zebra", "--json").json["queries"][0]["hits"][0]["id"] == "good"


def test_ids_may_hold_a_slash_and_look_like_paths(tmp_path: Path, run: Run) -> None:
    ids = ["a/b", "../c", "/etc/passwd", "d\\e", ".", "-k", "'; DROP TABLE documents; --"]
    source = write(tmp_path / "s.jsonl", [{"_id": name, "text": f"zebra number{place}"} for place, name in enumerate(ids)])
    assert run("index", source, "--into", tmp_path / "c", *PAIR, "--json").json["documents"] == len(ids)
    hits = run("search", tmp_path / "c", "zebra", "--json").json["queries"][0]["hits"]
    assert {hit["id"] for hit in hits} == set(ids)
    assert run("delete", tmp_path / "c", "--json", "--", *ids).json == {"deleted": len(ids), "documents": 0, "unknown": []}
    assert {path.name for path in tmp_path.iterdir()} == {"s.jsonl", "c"}


def test_judgements_that_are_wrong(tmp_path: Path, made: Path, judged: tuple[Path, Path], run: Run) -> None:
    queries, qrels = judged
    for content, word in (("", "expected"), ("q1\tprinter\n", "expected"), ("query-id\tcorpus-id\tscore\nq1\tprinter\tgood\n", "good")):
        bad = tmp_path / "bad.tsv"
        bad.write_text(content)
        refused(run("evaluate", made, "--queries", queries, "--qrels", bad, "--json"), word)
    refused(run("evaluate", made, "--queries", queries, "--qrels", tmp_path / "absent.tsv"), "absent.tsv")
    refused(run("evaluate", made, "--queries", queries, "--qrels", qrels, "--measures", "nDCG@0"), "nDCG@0")
    refused(run("compare", queries, queries, "--qrels", qrels), "queries.jsonl:1", "expected")


def test_a_question_longer_than_any_model(made: Path, run: Run) -> None:
    said = run("search", made, "reset the printer " * 5000, "--json")
    assert (said.code, said.json["queries"][0]["hits"][0]["id"]) == (0, "printer")


def test_a_collection_of_another_model(made: Path, source: Path, run: Run) -> None:
    before = run("status", made, "--json").json
    said = run("index", source, "--into", made, "--encoder", "bicross/starter-encoder")
    refused(said, f"bicross reembed {made} --encoder NAME")
    after = run("status", made, "--json").json
    assert {**after, "unfinished": None, "bytes": 0} == {**before, "bytes": 0}


def test_a_half_deleted_collection(made: Path, source: Path, run: Run) -> None:
    (made / "truth.sqlite").unlink()
    for arguments in (["search", made, "x"], ["status", made], ["verify", made], ["delete", made, "x"], ["index", source, "--into", made]):
        said = run(*arguments, "--json")
        assert said.code == 2 and said.out == ""
        assert "half-deleted" in said.err and "Traceback" not in said.err


def test_a_collection_without_its_generations_is_searched_all_the_same(made: Path, source: Path, run: Run) -> None:
    for folder in made.glob("gen-*"):
        shutil.rmtree(folder)
    (made / "CURRENT").unlink()
    assert run("search", made, "reset the printer", "--json").json["queries"][0]["hits"][0]["id"] == "printer"
    assert run("index", source, "--into", made, "--json").json["unchanged"] == 3
    assert run("verify", made, "--json").code == 0


def test_a_place_where_no_collection_can_be(tmp_path: Path, source: Path, run: Run) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    (tmp_path / "file").touch()
    for place in ("full", "file", "file/below"):
        said = run("index", source, "--into", tmp_path / place, *PAIR)
        assert said.code == 2 and said.out == ""
        assert place in said.err and "Traceback" not in said.err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["diary.txt"]
