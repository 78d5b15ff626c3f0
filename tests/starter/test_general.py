"""The general set that ships with the package: whole, small, and made by its script out of examples/data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bicross.data.languages import language_of
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.records import Document
from bicross.starter import GENERAL

ROOT = Path(__file__).parent.parent.parent


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_script_makes_these_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "make_general_set.py", tmp_path], check=True, capture_output=True)
    made = contents(tmp_path)
    assert len(made) == 6
    shipped = contents(GENERAL)
    assert b"ShareAlike 4.0" in shipped.pop("SOURCE.md")
    assert shipped == made and sum(map(len, made.values())) < 250_000


def test_each_language_has_questions_whose_answers_are_there() -> None:
    ids: list[str] = []
    for language in ("en", "zh"):
        folder = GENERAL / f"xquad_{language}"
        documents = [document for document in read_documents([folder]) if isinstance(document, Document)]
        queries, skipped = read_queries(folder)
        qrels = read_qrels(folder)
        assert (len(documents), len(queries), skipped) == (120, 60, [])
        assert qrels.keys() == {query.id for query in queries}
        answers = [answer for grades in qrels.values() for answer in grades]
        assert len(set(answers)) == 60 and set(answers) <= {document.id for document in documents}
        assert {language_of(query.text) for query in queries} == {language}
        ids += [*(document.id for document in documents), *qrels]
    assert len(set(ids)) == len(ids) == 360  # so that one collection can hold both
