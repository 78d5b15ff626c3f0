"""The contract of the command line: one JSON object on stdout and nothing else, three exit codes, and no traceback for bad input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bicross.cli import main as cli
from bicross.models.registry import HASHED

ROOT = Path(__file__).parents[2]
PAIR = ("--encoder", HASHED, "--reranker", HASHED)
HEAVY = {"torch", "transformers", "openvino", "faiss", "numpy", "scipy", "bm25s", "pydantic", "tokenizers", "ir_measures", "fastapi"}
ROWS = [
    {"_id": "printer", "title": "Reset", "text": "To reset the printer, press the red button for ten seconds."},
    {"_id": "bread/rye", "text": "Rye bread needs sourdough, water, salt and patience."},
    {"_id": "打印机", "text": "要重置打印机，请按住红色按钮十秒钟。"},
]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1 and self.out.endswith("\n"), self.out
        return json.loads(self.out, parse_constant=pytest.fail)  # NaN and Infinity are no JSON


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, as the console script calls it."""

    def call(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["bicross", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


def process(*arguments: str | bytes | Path, env: dict[str, str] | None = None) -> Said:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "bicross.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(env or {})})
    return Said(done.returncode, done.stdout, done.stderr)


def write(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "documents.jsonl", ROWS)


@pytest.fixture
def made(tmp_path: Path, source: Path, run: Run) -> Path:
    assert run("index", source, "--into", tmp_path / "made", *PAIR).code == 0
    return tmp_path / "made"


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Path, Path]:
    queries = [{"_id": "q1", "text": "reset the printer"}, {"_id": "q2", "text": "红色按钮"}]
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tprinter\t1\nq2\t打印机\t1\nq2\tabsent\t1\n", "utf-8")
    return write(tmp_path / "queries.jsonl", queries), tmp_path / "qrels.tsv"


# --- what every verb prints -------------------------------------------------------------------------------------------


def test_index(tmp_path: Path, source: Path, run: Run) -> None:
    said = run("index", source, "--into", tmp_path / "c", *PAIR, "--json")
    found = said.json
    assert said.code == 0
    assert (found["documents"], found["passages"], found["skipped"], found["truncated"]) == (3, 3, [], 0)
    assert found["space"]["dim"] == 64
    assert found["seconds"] > 0 and found["documents_per_second"] > 0


def test_search(made: Path, run: Run) -> None:
    said = run("search", made, "reset the printer", "红色按钮", "-k", "2", "--json")
    first, second = said.json["queries"]
    assert said.code == 0
    assert (first["text"], first["reranked"], len(first["hits"])) == ("reset the printer", 3, 2)
    hit = first["hits"][0]
    assert (hit["id"], hit["title"], second["hits"][0]["id"]) == ("printer", "Reset", "打印机")
    assert set(hit) == {"id", "score", "probability", "title", "passage", "stages"}
    assert hit["passage"] == {"text": ROWS[0]["text"], "start": 0, "end": len(ROWS[0]["text"])}
    assert set(hit["stages"]) == {"lexical", "dense", "fused", "rerank"}
    assert set(hit["stages"]["rerank"]) == {"rank", "score"}
    for seconds in (said.json["seconds"], first["seconds"], second["seconds"]):
        assert set(seconds) == {"encode", "recall", "rerank"}


def test_evaluate_and_compare(tmp_path: Path, made: Path, judged: tuple[Path, Path], run: Run) -> None:
    queries, qrels = judged
    runs = {}
    for stage in ("lexical", "both"):
        runs[stage] = tmp_path / f"{stage}.run"
        said = run("evaluate", made, "--queries", queries, "--qrels", qrels, "--stage", stage, "--run", runs[stage], "--json")
        found = said.json
        assert said.code == 0
        assert set(found["measures"]) == {"nDCG@10", "RR@10", "R@100", "AP"} == set(found["ceiling"]) == set(found["confidence"])
        assert found["queries"] == 2 and set(found["per_query"]["RR@10"]) == {"q1", "q2"}
        assert {"p50", "p95", "p99"} <= set(found["latency"])
        assert found["unknown"] == ["absent"]
    compared = run("compare", runs["lexical"], runs["both"], "--qrels", qrels, "--json")
    assert compared.code == 0
    assert set(compared.json) >= {"measure", "mean_a", "mean_b", "difference", "confidence", "p_value", "wins", "losses", "ties", "verdict"}


def test_delete_status_verify_and_inspect(made: Path, source: Path, run: Run) -> None:
    assert run("delete", made, "bread/rye", "nobody", "--json").json == {"deleted": 1, "documents": 2, "unknown": ["nobody"]}
    status = run("status", made, "--json").json
    assert (status["documents"], status["encoder"], status["unfinished"]) == (2, HASHED, None)
    assert run("verify", made, "--json").json["problems"] == []
    found = run("inspect", source, "--encoder", HASHED, "--json").json
    assert (found["documents"], found["passages"], found["duplicates"]) == (3, 3, 0)
    assert {"languages", "tokens", "split", "estimated_seconds", "estimated_bytes"} <= set(found)


def test_reembed_into_the_same_space(made: Path, run: Run) -> None:
    found = run("reembed", made, "--encoder", HASHED, "--json").json
    assert (found["documents"], found["embedded"], found["space"]["dim"]) == (3, 0, 64)


def test_models(run: Run) -> None:
    assert {"name", "what"} == set(run("models", "list", "--json").json["models"][0])
    found = run("models", "show", "reranker", "--json").json
    assert found["kind"] == "reranker" and (Path(found["path"]) / "model.safetensors").is_file()


def test_every_verb_without_json_says_something_plain(
    tmp_path: Path, made: Path, source: Path, judged: tuple[Path, Path], run: Run
) -> None:
    measure = ["--queries", judged[0], "--qrels", judged[1]]
    for arguments in (
        ["index", source, "--into", made],
        ["inspect", source, "--encoder", HASHED],
        ["search", made, "reset the printer"],
        ["search", made, "qwxzj", "--stage", "lexical"],
        ["evaluate", made, *measure, "--run", tmp_path / "run"],
        ["compare", tmp_path / "run", tmp_path / "run", "--qrels", judged[1]],
        ["delete", made, "nobody"],
        ["reembed", made, "--encoder", HASHED],
        ["status", made],
        ["verify", made],
        ["models", "list"],
        ["models", "show", "encoder"],
    ):
        said = run(*arguments)
        assert (said.code, said.err) == (0, ""), arguments
        assert said.out.strip() and "object at 0x" not in said.out and "{" not in said.out.splitlines()[0]


def test_a_damaged_collection_is_reported_with_exit_code_one(made: Path, run: Run) -> None:
    (keys,) = made.glob("gen-*/keys.i64")
    keys.write_bytes(keys.read_bytes()[:-1] + b"\xff")
    said = run("verify", made, "--json")
    assert said.code == 1
    assert "keys.i64" in said.json["problems"][0]["what"]
    found = run("search", made, "reset the printer", "--json")
    assert (found.code, found.json["queries"][0]["hits"][0]["id"]) == (0, "printer"), "the truth is whole, so search goes on"


# --- the process itself -----------------------------------------------------------------------------------------------


def test_help_loads_nothing_heavy() -> None:
    script = """
import sys
from bicross.cli.main import main
sys.argv = ["bicross", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "index" in done.stdout and "search" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_a_process_of_its_own(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "c"
    indexed = process("index", source, "--into", path, *PAIR, "--json")
    assert (indexed.code, indexed.json["documents"], indexed.err) == (0, 3, "")
    found = process("search", path, "如何重置打印机？", "--json", env={"LC_ALL": "C", "PYTHONUTF8": "1"})
    assert (found.code, found.json["queries"][0]["hits"][0]["id"], found.err) == (0, "打印机", "")
    refused = process("search", tmp_path / "absent", "x", "--json")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("bicross: ") and refused.err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path, made: Path) -> None:
    command = [sys.executable, "-m", "bicross.cli.main", "search", str(made), "printer", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as work:
        assert work.stdout is not None and work.stderr is not None
        work.stdout.close()
        err = work.stderr.read()
    assert (work.returncode, err) == (1, "")


def test_an_argument_that_is_not_utf8(made: Path) -> None:
    said = process("search", made, b"caf\xe9", "--json")
    assert (said.code, said.out) == (2, "")
    assert r"'caf\udce9' is not UTF-8" in said.err and "Traceback" not in said.err


# --- bad input --------------------------------------------------------------------------------------------------------


def refused(said: Said, *words: str) -> None:
    """Exit code 2, nothing on stdout, and one line that says what was found."""
    assert (said.code, said.out) == (2, ""), said
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


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
        assert said.code in (1, 2) and said.out == ""
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
        assert said.code in (1, 2) and said.out == ""
        assert place in said.err and "Traceback" not in said.err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["diary.txt"]
