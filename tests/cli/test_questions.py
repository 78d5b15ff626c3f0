"""`bicross questions` from the command line: what is written, printed and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from bicross.data.chat import KEY
from bicross.data.questions import read_qrels, read_queries
from bicross.durable import read_manifest
from tests.cli.world import Run, Said, refused, write
from tests.data.served import Answer, question, serve

TEXT = "To reset the printer number {}, press the red button on its left side for ten seconds."


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / "a.md").write_text("# Printer X100\n## Reset the machine\nPress.\n## 如何更换墨盒\n打开盖子。\n")
    return tmp_path / "manual"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    rows = [f"{query},{query}-{number % 2},1,{number % 2},{number}" for number in range(200) for query in ("one", "two", "three")]
    path.write_text("query,doc_id,position,clicked,time\n" + "\n".join(rows))
    return path


def test_headings_become_files_that_tune_reads(run: Run, manual: Path, tmp_path: Path) -> None:
    said = run("questions", manual, "--into", tmp_path / "made")
    assert said.code == 0
    for words in ("train: 2 questions, 2 answers", "Reset the machine  ->  a.md (1)", "left out:", "note: ", "written"):
        assert words in said.out
    queries, _ = read_queries(tmp_path / "made")
    assert {query.text for query in queries} == {"Reset the machine", "如何更换墨盒"}
    assert read_qrels(tmp_path / "made" / "qrels" / "train.tsv") == {query.id: {"a.md": 1} for query in queries}
    assert read_manifest(tmp_path / "made")["settings"]["source"] == "titles"
    refused(run("questions", manual, "--into", tmp_path / "made"), "holds 'MANIFEST.json' already", "--into")


def test_the_same_command_writes_the_same_bytes(run: Run, manual: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run("questions", manual, "--into", tmp_path / name).code == 0
    for name in ("queries.jsonl", "qrels/train.tsv", "MANIFEST.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_dry_run_writes_nothing(run: Run, manual: Path, tmp_path: Path) -> None:
    made = run("questions", manual, "--into", tmp_path / "made", "--dry-run", "--json").json
    assert made["questions"] == {"train": 2} and not made["written"] and len(made["samples"]) == 2
    assert not (tmp_path / "made").exists()


def test_clicks_are_parted_by_time(run: Run, log: Path, tmp_path: Path) -> None:
    made = run("questions", log, "--into", tmp_path / "made", "--from", "clicks", "--dev-share", "0.4", "--json").json
    assert made["questions"] == {"train": 2, "dev": 1} and len(made["remarks"]) == 2
    parts = {part: read_qrels(tmp_path / "made" / "qrels" / f"{part}.tsv") for part in ("train", "dev")}
    assert not parts["train"].keys() & parts["dev"].keys()
    for qrels in parts.values():
        for answers in qrels.values():
            assert {doc[-1]: grade > 0 for doc, grade in answers.items()} == {"0": False, "1": True}


def test_query_ids_get_their_texts_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("query_id,doc_id\n" + "q,a\n" * 20 + "q,b\n")
    queries = write(tmp_path / "texts.jsonl", [{"_id": "q", "text": "how to reset"}])
    refused(run("questions", tmp_path / "log.csv", "--into", tmp_path / "made", "--from", "clicks"), "--queries")
    made = run("questions", tmp_path / "log.csv", "--into", tmp_path / "made", "--from", "clicks", "--queries", queries, "--json").json
    assert made["samples"][0]["text"] == "how to reset"


def test_an_endpoint_is_asked_and_what_it_answered_is_not_asked_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "d.jsonl", [{"_id": f"d{number}", "text": TEXT.format(number)} for number in range(6)])
    monkeypatch.setenv(KEY, "sk-secret")
    works = False

    def answering(body: dict[str, Any], number: int) -> Answer:
        if not works and number >= 2:
            return 401, {}, b"no more: sk-secret"
        return question("How is device {} brought back?".format(body["messages"][1]["content"].split("number ")[1][0]))

    def ask(*flags: str) -> Said:
        return run("questions", source, "--into", tmp_path / "made", "--from", "endpoint", "--endpoint", served.url, "--model", "m", *flags)

    with serve(answering) as served:
        assert ask("--dry-run").out.startswith("6 requests, about ") and not served.asked
        failed = ask("--in-flight", "1")
        refused(failed, "401", "no more: ***", "run again")
        assert "sk-secret" not in failed.err and not (tmp_path / "made").exists()
        works = True
        assert ask("--dry-run").out.startswith("4 requests, about ")
        done = ask()
        assert done.code == 0 and "train: 6 questions" in done.out and len(served.asked) == 3 + 4
    written = "".join(path.read_text("utf-8") for path in (tmp_path / "made").rglob("*") if path.is_file())
    assert "sk-secret" not in written and '"model": "m"' in written
    assert not (tmp_path / "made.answers").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--from", "nowhere"), ("source", "'titles', 'endpoint' or 'clicks'")),
        (("--from", "endpoint"), ("--endpoint",)),
        (("--from", "endpoint", "--endpoint", "http://localhost:1/v1"), ("--model",)),
        (("--from", "endpoint", "--endpoint", "file:///etc/passwd", "--model", "m"), ("--endpoint", "http(s)")),
        (("--limit", "0"), ("limit",)),
        (("--from", "clicks"), ("a click log",)),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    run: Run, manual: Path, tmp_path: Path, flags: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(run("questions", manual, "--into", tmp_path / "made", *flags), *words)
    assert not (tmp_path / "made").exists()


def test_documents_without_a_question_are_an_error(run: Run, tmp_path: Path) -> None:
    source = write(tmp_path / "d.jsonl", [{"_id": "a", "title": "How do I reset it?", "text": "Press the button."}])
    refused(run("questions", source, "--into", tmp_path / "made"), "No question could be made (1 titles", "--from")
    assert run("questions", source, "--into", tmp_path / "made", "--without-titles").code == 0
    assert json.loads((tmp_path / "made" / "queries.jsonl").read_text("utf-8"))["text"] == "How do I reset it?"
