"""The contract of the command line: one JSON object on stdout and nothing else, three exit codes, and light help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bicross import durable
from bicross.models.registry import HASHED
from tests.cli.world import PAIR, ROWS, Run, process, refused, write
from tests.models.tiny import tiny

HEAVY = {"torch", "transformers", "openvino", "faiss", "numpy", "scipy", "bm25s", "pydantic", "tokenizers", "ir_measures", "fastapi"}

# --- what every verb prints -------------------------------------------------------------------------------------------


def test_index(tmp_path: Path, source: Path, run: Run) -> None:
    said = run("index", source, "--into", tmp_path / "c", *PAIR, "--json")
    found = said.json
    assert said.code == 0
    assert (found["documents"], found["passages"], found["skipped"], found["truncated"]) == (3, 3, [], [])
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
    assert hit["passage"] == {"text": ROWS[0]["text"], "start": 0, "end": len(ROWS[0]["text"]), "page": None, "heading": ""}
    assert set(hit["stages"]) == {"lexical", "dense", "fused", "rerank"}
    assert set(hit["stages"]["rerank"]) == {"rank", "score"}
    for seconds in (said.json["seconds"], first["seconds"], second["seconds"]):
        assert set(seconds) == {"encode", "recall", "rerank"}


def test_search_with_a_filter(tmp_path: Path, run: Run) -> None:
    rows = [{**row, "lang": "zh" if row["_id"] == "打印机" else "en", "year": 2020 + number} for number, row in enumerate(ROWS)]
    run("index", write(tmp_path / "d.jsonl", rows), "--into", tmp_path / "c", *PAIR, "--json")
    for where, ids in (('{"lang": "zh"}', ["打印机"]), ('{"year": {"lt": 2021}}', ["printer"]), ('{"lang": "de"}', [])):
        (found,) = run("search", tmp_path / "c", "reset the printer 打印机", "--filter", where, "--json").json["queries"]
        assert [hit["id"] for hit in found["hits"]] == ids
    refused(run("search", tmp_path / "c", "printer", "--filter", "lang=zh"), "'lang=zh' is not JSON", '{"lang": "zh"}')
    refused(run("search", tmp_path / "c", "printer", "--filter", '{"year": {"from": 1}}'), "'year'", "gt, gte, lt, lte")


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


def test_rollback(tmp_path: Path, made: Path, source: Path, run: Run) -> None:
    refused(run("rollback", made, "--json"), "nothing to go back to")
    own = made / "models" / "tiny"
    durable.write_folder(own, tiny(0), {})
    moved = run("reembed", made, "--encoder", "models/tiny", "--json").json
    said = run("rollback", made, "--json")
    assert (said.code, set(said.json)) == (0, {"encoder", "reranker", "changed", "embedded", "space", "seconds"})
    assert (said.json["encoder"], said.json["reranker"], said.json["embedded"], said.json["space"]["dim"]) == (HASHED, HASHED, 0, 64)
    (model,) = run("status", made, "--json").json["models"]
    assert (model["name"], model["use"]) == ("models/tiny", "previous")
    assert f"model models/tiny, {model['bytes'] / 1e6:.1f} MB, previous" in run("status", made).out
    assert run("rollback", made).out.startswith(f"encoder models/tiny, reranker {HASHED}\n0 texts embedded, ")
    assert run("status", made, "--json").json["space"] == moved["space"]
    assert run("index", source, "--into", made, "--encoder", "models/tiny", "--json").json["unchanged"] == 3
    (own / "model.safetensors").write_bytes(b"")
    said = run("verify", made, "--json")
    assert (said.code, [problem["where"] for problem in said.json["problems"]], said.json["models"]) == (1, ["models/tiny"], 1)
    assert "1 models: 1 problems" in run("verify", made).out


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no file that is always full")
def test_output_that_cannot_be_written_is_an_error(made: Path) -> None:
    command = [sys.executable, "-m", "bicross.cli.main", "search", str(made), "printer", "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "bicross: Cannot write the output: No space left on device. What the command did is kept; send its output elsewhere.\n",
    )


def test_a_process_that_ends_at_once_removes_its_temporary_folders(tmp_path: Path) -> None:
    code = """
import sys, tempfile
from bicross.cli.main import script
kept = tempfile.TemporaryDirectory()
sys.argv = ["bicross", "--version"]
script()
"""
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", []) and done.stdout.startswith("bicross ")


def test_an_argument_that_is_not_utf8(made: Path) -> None:
    said = process("search", made, b"caf\xe9", "--json")
    assert (said.code, said.out) == (2, "")
    assert r"'caf\udce9' is not UTF-8" in said.err and "Traceback" not in said.err


def test_reembed_says_what_it_would_take(made: Path, run: Run) -> None:
    before = run("status", made, "--json").json
    said = run("reembed", made, "--encoder", PAIR[1], "--dry-run", "--json")
    assert (said.code, said.json["texts"]) == (0, 3)
    assert said.json["estimated_bytes"] == 2 * 4 * said.json["space"]["dim"] * 3
    assert run("status", made, "--json").json == before


def test_a_slip_of_the_hand_is_told_what_was_meant(made: Path, run: Run) -> None:
    assert "Did you mean 'search'" in run("serch", made, "printer").err
    assert "--depth" in run("search", made, "printer", "--dept", "3").err
    refused(run("search", made.with_name("mdae"), "printer"), f"Did you mean {made}?")
    refused(run("search", made, "printer", "--stage", "dens"), "did you mean 'dense'?")


def test_a_shell_completes_commands_flags_and_values() -> None:
    def completed(words: str) -> list[str]:
        env = {"_BICROSS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        command = Path(sys.executable).with_name("bicross")  # the shell completes a command's own name
        return subprocess.run([command], env=os.environ | env, capture_output=True, text=True, timeout=60, check=False).stdout.split()

    assert completed("bicross sear") == ["search"]
    assert completed("bicross search c q --dep") == ["--depth"]
    assert completed("bicross search c q --stage d") == ["dense"]


def test_an_index_can_be_tried_dry(tmp_path: Path, source: Path, run: Run) -> None:
    said = run("index", source, "--into", tmp_path / "c", "--encoder", PAIR[1], "--dry-run", "--json")
    assert (said.code, said.json["documents"]) == (0, 3) and not (tmp_path / "c").exists()
