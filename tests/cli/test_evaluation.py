"""`evaluate` on the command line: the report, the baseline, and the exit code of the regression gate."""

from __future__ import annotations

import json
import os
from html import unescape
from pathlib import Path

import pytest

from bicross.models import registry
from tests.cli.world import Run, refused, write
from tests.pipeline.world import COUNT, TOPICS, row
from tests.test_evaluating import Shuffler


@pytest.fixture
def many(tmp_path: Path, run: Run) -> tuple[str | Path, ...]:
    """The command that evaluates a collection of some more documents."""
    source = write(tmp_path / "many.jsonl", [row(number) for number in range(COUNT)])
    assert run("index", source, "--into", tmp_path / "many", "--encoder", registry.HASHED, "--reranker", registry.HASHED).code == 0
    queries = [{"_id": f"q{n}", "text": f"reset the {TOPICS[n % 8]} with button {n}"} for n in range(COUNT)]
    lines = ["query-id\tcorpus-id\tscore", *(f"q{number}\td{number}\t1" for number in range(COUNT))]
    (tmp_path / "many.tsv").write_text("\n".join(lines))
    return "evaluate", tmp_path / "many", "--queries", write(tmp_path / "many.q.jsonl", queries), "--qrels", tmp_path / "many.tsv"


def test_the_report_the_json_and_the_summary(tmp_path: Path, many: tuple[str | Path, ...], run: Run) -> None:
    said = run(*many, "--report", tmp_path / "report.html", "--json")
    assert said.code == 0 and said.json["report"] == str(tmp_path / "report.html")
    assert said.json["two_stage"]["verdict"] in unescape((tmp_path / "report.html").read_text("utf-8"))
    assert {"made_by", "depths", "worst", "slices", "checks", "against"} <= set(said.json)
    lines = run(*many).out.splitlines()
    assert lines[0] == "24 questions, stage both, depth 20" and len(lines) < 20
    assert any("over 24 questions" in line for line in lines) and any(line.startswith("questions: ") for line in lines)


def test_a_regression_exits_with_3_and_one_line(
    tmp_path: Path, many: tuple[str | Path, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = tmp_path / "baseline.json"
    baseline.write_text(run(*many, "--json").out, "utf-8")
    same = run(*many, "--against", baseline, "--fail-if", "nDCG@10 drops 0.2")
    assert same.code == 0 and same.err == "" and "rule 'nDCG@10 drops 0.2' passed: " in same.out
    small = run(*many, "--against", baseline, "--fail-if", "nDCG@10 drops 0.01")
    assert small.code == 0 and small.err.endswith("of 300 that did not move it would be excluded (the rule of three).\n")
    monkeypatch.setattr(registry, "load_reranker", lambda name: Shuffler())
    for flags in ((), ("--json",)):
        worse = run(*many, "--against", baseline, "--fail-if", "nDCG@10 drops 0.01", "--fail-if", "RR@10 drops 0.5", *flags)
        assert worse.code == 3
        (line,) = [line for line in worse.err.splitlines() if "failed" in line]
        assert line.startswith("bicross: 'nDCG@10 drops 0.01' failed: nDCG@10 fell by 0.") and "over 24 questions" in line
    assert json.loads(worse.out)["checks"][0]["state"] == "failed"
    assert "against baseline.json, on 24 questions that both have:" in run(*many, "--against", baseline).out


def test_what_cannot_be_told_is_a_warning(tmp_path: Path, many: tuple[str | Path, ...], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    values = json.loads(run(*many, "--json").out)["per_query"]
    values["nDCG@10"]["q0"] += 0.4
    (tmp_path / "baseline.json").write_text(json.dumps({"per_query": values}))
    unsure = run(*many, "--against", tmp_path / "baseline.json", "--fail-if", "nDCG@10 drops 0.01")
    assert unsure.code == 0 and unsure.err.count("\n") == 1
    assert (
        unsure.err.startswith("bicross: 'nDCG@10 drops 0.01' cannot tell: ") and "questions would show one four times in five" in unsure.err
    )


def test_a_device_is_never_replaced_by_a_page_or_a_run(tmp_path: Path, many: tuple[str | Path, ...], run: Run) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(run(*many, "--report", tmp_path / "pipe"), "The report cannot be written to")
    refused(run(*many, "--run", tmp_path / "pipe"), "A run cannot be written to")
    assert (tmp_path / "pipe").is_fifo()


def test_bad_rules_and_baselines_are_one_line(tmp_path: Path, many: tuple[str | Path, ...], run: Run) -> None:
    refused(run(*many, "--fail-if", "nDCG@10 drops 0.01"), "name a baseline with --against")
    refused(run(*many, "--against", tmp_path, "--fail-if", "worse"), "expected MEASURE drops AMOUNT")
    (tmp_path / "bad.json").write_text('{"per_query": 1}')
    refused(run(*many, "--against", tmp_path / "bad.json"), "bad.json has no values by question")
