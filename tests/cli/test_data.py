"""`bicross data` as the command line has it."""

import json
from pathlib import Path

from tests.cli.world import Run, refused, write

ROWS = [{"query": f"what is thing {n}{chr(97 + n) * 5}", "pos": [f"thing {n}"], "neg": ["nothing"]} for n in range(10)]


def test_convert_inspect_and_split(tmp_path: Path, run: Run) -> None:
    source = write(tmp_path / "rows.jsonl", ROWS)
    said = run("data", "convert", source, "--to", "sentence-transformers", "--into", tmp_path / "st.jsonl", "--json")
    assert (said.code, said.json["counts"], said.json["written"]) == (0, {"rows": 10}, True)
    assert json.loads((tmp_path / "st.jsonl").read_text().splitlines()[0]).keys() == {"anchor", "positive", "negative"}
    assert "training rows as beir: 11 documents, 10 queries" in run("data", "convert", source, "--to", "beir", "--into", tmp_path / "b").out
    assert "training rows: 10 rows, 10 questions" in run("data", "inspect", tmp_path / "st.jsonl").out
    said = run("data", "split", source, "--into", tmp_path / "parts", "--json")
    assert said.json["questions"] == {"train": 8, "dev": 1, "test": 1}
    assert run("data", "inspect", tmp_path / "parts" / "train.jsonl", "--against", tmp_path / "parts" / "dev.jsonl").code == 0
    refused(run("data", "convert", source, "--to", "bier", "--into", tmp_path / "n"), "'bier'", "beir, trec")
