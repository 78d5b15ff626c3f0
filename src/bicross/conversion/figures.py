"""What a set, rows or a log hold, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from bicross.conversion.reading import ALIKE, Data, asked, asked_of, leakage
from bicross.data.near_duplicates import groups
from bicross.data.pairs import same
from bicross.data.written import JudgedSet
from bicross.records import Example, LabelledPair, Query

Found = tuple[dict[str, int], dict[str, Any], dict[str, int]]
"""Counts, figures, problems."""


def counted(judged: JudgedSet) -> dict[str, int]:
    """How much a set has."""
    counts = {"documents": len(judged.documents), "queries": len(judged.queries)}
    return counts | {f"judgements {split}": sum(map(len, qrels.values())) for split, qrels in judged.splits.items()}


def of_set(judged: JudgedSet) -> Found:
    """Of a judged set: grades, answers, what does not fit together, and what leaks from train into other splits."""
    documents, asked = {one.id for one in judged.documents}, {query.id for query in judged.queries}
    grades = Counter(grade for qrels in judged.splits.values() for graded in qrels.values() for grade in graded.values())
    answers = [sum(grade > 0 for grade in graded.values()) for qrels in judged.splits.values() for graded in qrels.values()]
    parts = {split: [query for query in judged.queries if query.id in qrels] for split, qrels in judged.splits.items()}
    judged_ids = {query for qrels in judged.splits.values() for query in qrels}
    problems = {
        "judged questions without a text": len(judged_ids - asked),
        "questions without a judgement": len(asked - judged_ids),
        "judged documents that are not there": len(
            {one for q in judged.splits.values() for graded in q.values() for one in graded} - documents
        ),
        "questions without an answer": sum(not count for count in answers),
        "questions that are near-duplicates of others": _near(list(judged.queries)),
    }
    for split, part in parts.items():
        if split != "train" and "train" in parts:
            problems |= {f"{what} of train in {split}": count for what, count in leakage(parts["train"], part).items()}
    figures = {"grades": {str(grade): count for grade, count in sorted(grades.items())}, "answers of a question": _spread(answers)}
    return counted(judged), figures, problems


def of_rows(rows: Sequence[Example] | Sequence[LabelledPair]) -> Found:
    """Of training rows: their shape, lengths and scores, and what would mislead training."""
    pairs = [row for row in rows if isinstance(row, LabelledPair)]
    examples = [row for row in rows if isinstance(row, Example)]
    known: dict[str, set[str]] = {}
    for one in examples:
        known.setdefault(same(one.query), set()).add(same(one.positive))
    different = asked(Data(rows=rows))
    problems = {
        "rows that came before": len(rows)
        - len({(row.first, row.second) if isinstance(row, LabelledPair) else (row.query, row.positive) for row in rows}),
        "answers that stand as negatives of their question": sum(
            same(text) in known[same(one.query)] for one in examples for text in one.negatives
        ),
        "rows without negatives": sum(not one.negatives for one in examples) if any(one.negatives for one in examples) else 0,
        "rows without scores, which others have": sum(not one.scores for one in examples) if any(one.scores for one in examples) else 0,
        "positives that a teacher scores below a negative": sum(
            bool(one.scores[1:]) and one.scores[0] < max(one.scores[1:]) for one in examples
        ),
        "questions that are near-duplicates of others": _near(different),
    }
    figures: dict[str, Any] = {"shape": "pairs with a label" if pairs else "query, positive, negatives"}
    figures["characters of a question"] = _spread([len(asked_of(row)) for row in rows])
    if pairs:
        figures["labels"] = _spread([pair.label for pair in pairs])
    else:
        figures["characters of a positive"] = _spread([len(one.positive) for one in examples])
        figures["negatives of a row"] = _spread([len(one.negatives) for one in examples])
        figures["rows with a teacher's scores"] = sum(bool(one.scores) for one in examples)
    return {"rows": len(rows), "questions": len(different)}, figures, problems


def of_log(log: Any) -> Found:
    """Of a click log."""
    counts = {
        "events": len(log.query),
        "clicks": int((log.clicked > 0).sum()),
        "questions": len(log.queries),
        "documents": len(log.documents),
    }
    figures = {"positions": log.positions, "shown and not clicked": log.impressions}
    return counts, figures, dict(log.left_out)


def _near(queries: Sequence[Query]) -> int:
    """How many questions are in a near-duplicate group behind its first."""
    numbers = groups([query.text for query in queries], ALIKE) if queries else []
    return len(numbers) - len(set(numbers))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"least": min(values), "median": median(values), "most": max(values)} if values else {}


def shared_positives(data: Data, trained: set[str]) -> dict[str, int]:
    """Answers that training questions share with others: the same text may be asked for in many ways, which is told, not mended."""
    examples = [row for row in data.rows if isinstance(row, Example)]
    of_training = {same(one.positive) for one in examples if same(one.query) in trained}
    others = {same(one.positive) for one in examples if same(one.query) not in trained}
    return {"answers in training that others have too": len(of_training & others)} if examples else {}
