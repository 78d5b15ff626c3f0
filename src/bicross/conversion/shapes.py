"""One shape from another: rows of a judged set, a judged set of rows, and the rows of each format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from bicross.conversion.reading import Data, asked_of
from bicross.data import written
from bicross.data.arrow import parquet_of_rows
from bicross.data.pairs import same
from bicross.data.questions import qrels_bytes
from bicross.data.rows import JSONL
from bicross.data.written import JudgedSet
from bicross.errors import InputError
from bicross.records import Document, Example, LabelledPair, Query


def rows_of(data: Data, form: str, negatives: int | None) -> tuple[written.Rows, dict[str, int]]:
    """The rows of a format, and what does not fit in them. Raises InputError."""
    if data.log is not None:
        return (written.ubi_events(data.log) if form == "ubi" else written.flat_events(data.log)), dict(data.log.left_out)
    left: dict[str, int] = {}
    rows = data.rows
    if data.judged is not None:
        rows, left = _examples(data.judged)
    pairs = [row for row in rows if isinstance(row, LabelledPair)]
    if pairs and form == "flagembedding":
        raise InputError(
            "Labelled pairs have no positive and negatives, which the rows of FlagEmbedding are; expected sentence-transformers."
        )
    if pairs:
        return written.pair_rows(pairs), left
    examples = [row for row in rows if isinstance(row, Example)]
    if form == "flagembedding":
        return written.flag_rows(examples), left
    made, more = written.trainer_rows(examples, negatives)
    return made, left | more


def _examples(judged: JudgedSet) -> tuple[list[Example], dict[str, int]]:
    """A row for each answer with a grade above 0; documents of grade 0 are its negatives."""
    texts = {
        one.id: f"{one.title}\n{one.text}" if one.title and not one.text.startswith(one.title) else one.text for one in judged.documents
    }
    asked = {query.id: query.text for query in judged.queries}
    found, gone, unasked = list[Example](), 0, 0
    for qrels in judged.splits.values():
        for query, grades in qrels.items():
            if query not in asked:
                unasked += 1
                continue
            gone += sum(document not in texts for document in grades)
            negatives = tuple(texts[document] for document, grade in grades.items() if grade <= 0 and document in texts)
            answers = [document for document, grade in grades.items() if grade > 0 and document in texts]
            found += (Example(asked[query], texts[document], negatives, query_id=query) for document in answers)
    left = {"judged questions without a text": unasked, "judged documents that are not there": gone}
    return found, {reason: count for reason, count in left.items() if count}


def judged_of(rows: Sequence[Example] | Sequence[LabelledPair]) -> JudgedSet:
    """Texts as documents, each once, under a hash of itself: positives have grade 1, negatives 0."""
    documents: dict[str, Document] = {}
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, int]] = {}
    for row in rows:
        if isinstance(row, LabelledPair):
            raise InputError("Labelled pairs are no judged set: nothing says which of the two texts asks. Convert rows with a query.")
        query = _named("q", row.query)
        queries.setdefault(query, Query(query, row.query))
        for grade, texts in ((1, (row.positive,)), (0, row.negatives)):
            for text in texts:
                name = _named("d", text)
                documents.setdefault(name, Document(name, text))
                known = qrels.setdefault(query, {})
                known[name] = max(grade, known.get(name, 0))
    return JudgedSet(list(documents.values()), list(queries.values()), {"train": qrels})


def _named(kind: str, text: str) -> str:
    return f"{kind}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def table_of(rows: written.Rows, into: Path) -> bytes:
    """The rows as the name of the file wants them."""
    if into.suffix.lower() == ".parquet":
        return parquet_of_rows(rows)
    if into.suffix.lower() not in JSONL:
        raise InputError(f"{into} is not named as a file of rows; expected a name that ends in .jsonl or .parquet.")
    return written.jsonl(rows)


def part_files(data: Data, parts: Mapping[str, Sequence[Query]]) -> tuple[dict[str, bytes], dict[str, int]]:
    """File -> content, and part -> rows or judgements in it."""
    files: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    for name, part in parts.items():
        if data.judged is not None:
            all_of: dict[str, dict[str, int]] = {}
            for qrels in data.judged.splits.values():
                for query, grades in qrels.items():
                    all_of.setdefault(query, {}).update(grades)
            chosen = {query.id: all_of[query.id] for query in part}
            files[f"{name}.tsv"], counts[name] = qrels_bytes(chosen), sum(map(len, chosen.values()))
            continue
        texts = {same(query.text) for query in part}
        rows = [row for row in data.rows if same(asked_of(row)) in texts]
        pairs = [row for row in rows if isinstance(row, LabelledPair)]
        examples = [row for row in rows if isinstance(row, Example)]
        files[f"{name}.jsonl"] = written.jsonl(written.pair_rows(pairs) if pairs else written.flag_rows(examples))
        counts[name] = len(rows)
    return files, counts
