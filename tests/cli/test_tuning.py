"""mine, distill, train and tune on the command line: one JSON object on stdout, and bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bicross import estimating
from bicross.cli.options import duration
from bicross.cli.progress import _Lines, _Rates, bar, short
from bicross.cli.tuning import dimensions
from bicross.errors import InputError
from bicross.models.registry import HASHED
from tests.cli.world import Run, process, refused, write

pytest.importorskip("torch")

from bicross.tuning import rates
from tests.tuning.hashed import make_world
from tests.tuning.world import make_collection, make_models

MINE = ("--depth", "3")


@pytest.fixture
def mined(tmp_path: Path, made: Path, judged: tuple[Path, Path], run: Run) -> Path:
    said = run("mine", made, "--queries", judged[0], "--qrels", judged[1], "--into", tmp_path / "mined.jsonl", *MINE, "--json")
    assert said.code == 0, said
    return tmp_path / "mined.jsonl"


# --- what the verbs print ---------------------------------------------------------------------------------------------


def test_mine(tmp_path: Path, made: Path, judged: tuple[Path, Path], run: Run) -> None:
    asked = ("mine", made, "--queries", judged[0], "--qrels", judged[1], *MINE, "--audit", tmp_path / "audit.html")
    found = run(*asked, "--into", tmp_path / "m.jsonl", "--json").json
    assert set(found) == {"path", "questions", "audit", "page", "skipped", "seconds"}
    assert (found["path"], found["questions"], found["page"]) == (str(tmp_path / "m.jsonl"), 2, str(tmp_path / "audit.html"))
    assert found["audit"]["kinds"]["positive"] == 2 and found["audit"]["absent"] == 1
    assert len((tmp_path / "m.jsonl").read_text("utf-8").splitlines()) == 2
    said = run(*asked, "--into", tmp_path / "n.jsonl")
    assert said.code == 0
    assert said.out.startswith("2 questions in ") and "hard negatives a question" in said.out and "audit.html" in said.out


def test_distill(tmp_path: Path, mined: Path, run: Run) -> None:
    said = run("distill", mined, "--teacher", HASHED, "--into", tmp_path / "taught.jsonl", "--json")
    assert (said.code, said.json["questions"]) == (0, 2)
    row = json.loads((tmp_path / "taught.jsonl").read_text("utf-8").splitlines()[0])
    assert all(one["scores"]["teacher"] == one["scores"]["rerank"] for one in (*row["positives"], *row["candidates"]))


def rows_of(folder: Path) -> Path:
    return write(folder / "rows.jsonl", [{"query": f"q{n}", "positive": f"d{n}", "negatives": [f"d{(n + 3) % 8}"]} for n in range(8)])


QUICK = ("--epochs", "1", "--batch", "4", "--max-tokens", "32", "--json")


def test_train_in_a_process_of_its_own_prints_one_object_and_nothing_else(tmp_path: Path) -> None:
    """What libraries print below Python would be seen here."""
    encoder, _ = make_models(tmp_path)
    asked = ("train", "bi-encoder", rows_of(tmp_path), "--base", encoder, "--into", tmp_path / "m", "--matryoshka", "16,8", *QUICK)
    said = process(*asked)
    assert said.code == 0
    assert all(line.startswith("training the bi-encoder: ") for line in said.err.splitlines())  # progress, on a slow machine
    assert set(said.json) == {"kind", "path", "fingerprint", "rows", "steps", "losses", "seconds"}
    assert (said.json["kind"], said.json["rows"]) == ("bi-encoder", 8)


def test_train_a_cross_encoder(tmp_path: Path, run: Run) -> None:
    _, reranker = make_models(tmp_path)
    rows = rows_of(tmp_path)
    said = run("train", "cross-encoder", rows, "--base", reranker, "--into", tmp_path / "m", *QUICK)
    assert (said.code, said.json["kind"], said.json["rows"]) == (0, "cross-encoder", 8)
    again = run("train", "cross-encoder", rows, "--base", reranker, "--into", tmp_path / "m", *QUICK)
    refused(again, "not an empty folder")
    plain = run("train", "cross-encoder", rows, "--base", reranker, "--into", tmp_path / "n", *QUICK[:-1])
    assert plain.out.startswith("cross-encoder in ") and f"fingerprint {said.json['fingerprint'][:12]}" in plain.out


def test_tune_says_its_plan_and_stops(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MEASURED", 0.05)
    collection, queries, qrels = make_collection(tmp_path, questions=60)
    asked = ("tune", collection, "--queries", queries, "--qrels", qrels, "--dry-run")
    found = run(*asked, "--budget", "10m", "--json").json
    assert (found["promoted"], found["dev"], found["models"]) == (False, {}, {})
    assert sum(found["questions"].values()) == 60
    assert found["estimated_seconds"] == pytest.approx(sum(found["stages"].values()), abs=0.5)
    assert found["estimated_seconds"] < 600
    assert not (collection / "tuning").exists()
    said = run(*asked)
    assert said.code == 0 and "plan: rounds 1" in said.out and "a dry run" in said.out
    refused(run(*asked, "--budget", "5s", "--json"), "budget of 5 s is too short", "needs about")


def test_what_costs_time_is_estimated_and_not_done(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "MEASURED", 0.02)
    collection, queries, qrels = make_world(tmp_path)
    asked = (collection, "--queries", queries, "--qrels", qrels)
    assert run("mine", *asked, *MINE, "--into", tmp_path / "m.jsonl").code == 0
    encoder, reranker = make_models(tmp_path / "models")
    new = ("--into", tmp_path / "new.jsonl")
    training = (rows_of(tmp_path), "--into", tmp_path / "new", *QUICK[:-1])
    before = sorted(tmp_path.iterdir())
    for counted, command in (
        ({"questions", "pairs"}, ("mine", *asked, *MINE, *new)),
        ({"questions", "pairs"}, ("distill", tmp_path / "m.jsonl", "--teacher", HASHED, *new)),
        ({"questions", "searches", "pairs"}, ("weigh", *asked)),
        ({"questions", "searches", "pairs"}, ("evaluate", *asked, "--report", tmp_path / "new.html")),
        ({"rows", "steps"}, ("train", "bi-encoder", *training, "--base", encoder)),
        ({"rows", "steps"}, ("train", "cross-encoder", *training, "--base", reranker)),
    ):
        found = run(*command, "--dry-run", "--json").json
        assert set(found) == {"counts", "rates", "estimated_seconds", "remarks", "skipped"}
        assert set(found["counts"]) == counted >= set(found["rates"]) and found["estimated_seconds"] > 0
    said = run("mine", *asked, *MINE, *new, "--dry-run")
    first, second = said.out.splitlines()
    assert said.code == 0 and first.startswith("20 questions, ") and " pairs: about " in first
    assert second.startswith("measured here on a sample: ") and second.endswith(" pairs/s; a dry run: nothing was written")
    assert sorted(tmp_path.iterdir()) == before
    refused(run("mine", *asked, "--into", tmp_path / "new.csv", "--dry-run", "--json"), "new.csv", ".jsonl")


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "soon", "30 days", "-5m", "1h30m", "m", "9" * 400, "٣m", "nan", "inf"])
def test_a_bad_budget(text: str, made: Path, judged: tuple[Path, Path], run: Run) -> None:
    said = run("tune", made, "--queries", judged[0], "--qrels", judged[1], f"--budget={text}", "--json")
    refused(said, "--budget", "expected a time such as 50ms, 90s, 30m or 2h")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--budget", "0"), ("budget", "greater than 0")),
        (("--rounds", "9"), ("rounds", "less than or equal to 5")),
        (("--depth", "0"), ("depth", "greater than or equal to 1")),
    ],
)
def test_a_bad_setting_of_tune(flags: tuple[str, ...], words: tuple[str, ...], made: Path, judged: tuple[Path, Path], run: Run) -> None:
    said = run("tune", made, "--queries", judged[0], "--qrels", judged[1], *flags, "--json")
    refused(said, "A setting is not what it should be", *words)
    assert said.err.count("\n") == 1


def test_too_few_questions_to_tune(made: Path, judged: tuple[Path, Path], run: Run) -> None:
    refused(run("tune", made, "--queries", judged[0], "--qrels", judged[1], "--json"), "1 questions are left to train on; expected 20")


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--loss", "best"), "loss"),
        (("--epochs", "0"), "epochs"),
        (("--pooling", "median"), "pooling"),
        (("--learning-rate", "nan"), "learning_rate"),
        (("--matryoshka", "256,abc"), "'abc'"),
        (("--matryoshka", "256,-1"), "'-1'"),
        (("--matryoshka", "256,,128"), "''"),
        (("--matryoshka", "0"), "'0'"),
        (("--matryoshka", "128.5"), "'128.5'"),
    ],
)
def test_a_bad_setting_of_train(flags: tuple[str, str], word: str, tmp_path: Path, run: Run) -> None:
    said = run("train", "bi-encoder", rows_of(tmp_path), "--into", tmp_path / "m", *flags, "--json")
    refused(said, word)
    assert said.err.count("\n") == 1


def test_files_that_are_not_there(tmp_path: Path, made: Path, judged: tuple[Path, Path], run: Run) -> None:
    refused(run("train", "bi-encoder", tmp_path / "absent.jsonl", "--into", tmp_path / "m", "--json"), "absent.jsonl cannot be read")
    refused(run("distill", tmp_path / "absent.jsonl", "--teacher", HASHED, "--into", tmp_path / "t.jsonl", "--json"), "absent.jsonl")
    asked = ("mine", made, "--queries", judged[0], "--qrels", judged[1])
    refused(run(*asked, "--into", tmp_path / "m.csv", "--json"), "m.csv", ".jsonl")
    refused(run(*asked, "--into", tmp_path / "m.jsonl", "--quantile", "1", "--json"), "quantile", "less than 1")
    refused(run(*asked, "--into", tmp_path / "m.jsonl", "--reranker", "no/such/model", "--json"), "no/such/model")
    refused(run("distill", rows_of(tmp_path), "--teacher", HASHED, "--into", tmp_path / "t.jsonl", "--json"), "expected a mined row")


# --- flags and progress -----------------------------------------------------------------------------------------------


def test_durations() -> None:
    texts = ("90", "90s", "30m", "2h", "1.5 H", " 45M ", "50ms")
    assert [duration(text, "--budget") for text in texts] == [90, 90, 1800, 7200, 5400, 2700, 0.05]
    with pytest.raises(InputError, match="--budget is '45 min'"):
        duration("45 min", "--budget")


def test_dimensions() -> None:
    assert [dimensions(text) for text in ("", " ", "256", "256, 128,64")] == [(), (), (256,), (256, 128, 64)]


def test_a_rate_begins_anew_with_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    rates, found = _Rates(), []
    for what, done, now in (("one", 100, 0.0), ("one", 120, 10.0), ("two", 5, 20.0), ("two", 10, 25.0), ("two", 0, 30.0), ("two", 4, 32.0)):
        clock[0] = now
        found.append(rates(what, done))
    assert found == [0, 2, 0, 1, 0, 2]  # what was done before a run was resumed does not count
    assert [short(rate) for rate in (1234.5, 12.3, 2.345, 0.0123)] == ["1234", "12", "2.3", "0.012"]


def test_lines_now_and_then_on_stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with bar() as progress:
        assert isinstance(progress, _Lines)
        for now in range(26):
            clock[0] = float(now)
            progress("scoring", 2 * now, 100)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "scoring: 20 of 100, 2/s, 40 s left\nscoring: 40 of 100, 2/s, 30 s left\n")


def test_a_rate_that_is_not_known_is_not_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with bar() as progress:
        clock[0] = 22.0
        progress("documents", 240, 240)
    assert capsys.readouterr().err == "documents: 240 of 240\n"


def test_the_bar_of_a_terminal_is_on_stderr_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with bar() as progress:
        progress("one", 100, 100)
        progress("two", 50, 100)
    out, err = capsys.readouterr()
    assert out == "" and "two" in err and "50/100" in err
    assert "-:--:--" in err  # how long the other work takes is not known yet: it is not 0
