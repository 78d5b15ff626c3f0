"""Nouns as the files of other tools: judged sets as BEIR, TREC and the Parquet of MTEB, training rows for sentence-transformers and
FlagEmbedding, events of click logs as UBI.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import numpy as np

from bicross.data.arrow import parquet_of_rows
from bicross.data.click_log import Log
from bicross.data.outline import OUTLINE
from bicross.data.questions import qrels_bytes
from bicross.data.trec import qrels_lines
from bicross.records import Document, Example, LabelledPair, Qrels, Query

Rows = list[dict[str, Any]]
_MILLISECONDS = 1e11  # as seconds it would be the year 5138
_SECONDS = 1e8  # from 1973 on


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """Documents, questions, and split -> judgements."""

    documents: Sequence[Document]
    queries: Sequence[Query]
    splits: Mapping[str, Qrels]


def beir_files(of: JudgedSet) -> dict[str, bytes]:
    """corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv; other columns lie in `metadata`, as BEIR has it."""
    files = {"corpus.jsonl": jsonl(_corpus(of.documents)), "queries.jsonl": jsonl(_queries(of.queries))}
    return files | {f"qrels/{split}.tsv": qrels_bytes(qrels) for split, qrels in of.splits.items()}


def trec_files(of: JudgedSet) -> dict[str, bytes]:
    """documents.jsonl (id, title, contents), topics.tsv (id, tab, text) and qrels.SPLIT.txt; white space in a question is one space."""
    documents = [{"id": one.id, "title": one.title, "contents": one.text} for one in of.documents]
    topics = "".join(f"{one.id}\t{' '.join(one.text.split())}\n" for one in of.queries)
    files = {"documents.jsonl": jsonl(documents), "topics.tsv": topics.encode()}
    return files | {f"qrels.{split}.txt": qrels_lines(qrels) for split, qrels in of.splits.items()}


def mteb_files(of: JudgedSet) -> dict[str, bytes]:
    """Parquet as MTEB's retrieval tasks lie on the hub: corpus/, queries/ and qrels/, a file a split."""
    files = {
        "corpus/corpus.parquet": parquet_of_rows(_corpus(of.documents)),
        "queries/queries.parquet": parquet_of_rows(_queries(of.queries)),
    }
    for split, qrels in of.splits.items():
        rows = [{"query-id": query, "corpus-id": doc, "score": grade} for query, grades in qrels.items() for doc, grade in grades.items()]
        files[f"qrels/{split}.parquet"] = parquet_of_rows(rows)
    return files


def _corpus(documents: Sequence[Document]) -> Rows:
    return [{"_id": one.id, "title": one.title, "text": one.text} | _metadata(one.meta) for one in documents]


def _queries(queries: Sequence[Query]) -> Rows:
    return [{"_id": one.id, "text": one.text} | _metadata(one.meta) for one in queries]


def _metadata(meta: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in meta.items() if name not in (OUTLINE, "metadata")}
    kept |= meta["metadata"] if isinstance(meta.get("metadata"), dict) else {}
    return {"metadata": kept} if kept else {}


def trainer_rows(examples: Sequence[Example], negatives: int | None) -> tuple[Rows, dict[str, int]]:
    """The rows that the trainers of sentence-transformers take: anchor, positive, negative_1 to negative_n, and `label`, the teacher's
    scores, where all rows have them. All have n negatives: as many as asked for, or as the row that has fewest but some.

    What does not fit comes with them: rows with fewer negatives, negatives beyond n, scores that only some rows have.
    """
    counts = [len(one.negatives) for one in examples]
    wanted = min((count for count in counts if count), default=0) if negatives is None else negatives
    kept = [one for one in examples if len(one.negatives) >= wanted]
    scored = bool(kept) and all(one.scores for one in kept)
    rows = []
    for one in kept:
        row: dict[str, Any] = {"anchor": one.query, "positive": one.positive}
        row |= {f"negative_{place}" if wanted > 1 else "negative": text for place, text in enumerate(one.negatives[:wanted], start=1)}
        rows.append(row | ({"label": list(one.scores[: wanted + 1])} if scored else {}))
    left = {
        f"rows with fewer than {wanted} negatives": len(examples) - len(kept),
        f"negatives beyond {wanted} of a row": sum(len(one.negatives) - wanted for one in kept),
        "rows whose scores go, because others have none": 0 if scored else sum(bool(one.scores) for one in kept),
    }
    return rows, {reason: count for reason, count in left.items() if count}


def pair_rows(pairs: Sequence[LabelledPair]) -> Rows:
    """Labelled pairs as the trainers of sentence-transformers take them."""
    return [{"sentence1": one.first, "sentence2": one.second, "score": one.label} for one in pairs]


def flag_rows(examples: Sequence[Example]) -> Rows:
    """The rows of FlagEmbedding: query, pos, neg, and pos_scores and neg_scores where there are any. Neighbours that differ in the
    positive alone are one row.
    """
    rows = []
    for (query, negatives, taught), group in groupby(
        examples, key=lambda one: (one.query, one.negatives, one.scores[1:] or bool(one.scores))
    ):
        same = list(group)
        row: dict[str, Any] = {"query": query, "pos": [one.positive for one in same], "neg": list(negatives)}
        if taught:
            row |= {"pos_scores": [one.scores[0] for one in same], "neg_scores": list(same[0].scores[1:])}
        rows.append(row)
    return rows


def ubi_events(log: Log) -> Rows:
    """The events of User Behavior Insights, a row each: what was clicked, or shown and not clicked."""
    rows = []
    for number in range(len(log.query)):
        query = log.queries[log.query[number]]
        attributes: dict[str, Any] = {"object": {"object_id": log.documents[log.document[number]], "object_id_field": "id"}}
        if log.positions:
            attributes["position"] = {"ordinal": int(log.position[number])}
        event = {"action_name": "click" if log.clicked[number] else "impression", "user_query": query}
        rows.append(event | _moment(float(log.time[number])) | {"event_attributes": attributes})
    return rows


def flat_events(log: Log) -> Rows:
    """The same events as a plain table: query, doc_id, clicked, position, timestamp."""
    rows = []
    for number in range(len(log.query)):
        row = {
            "query": log.queries[log.query[number]],
            "doc_id": log.documents[log.document[number]],
            "clicked": int(log.clicked[number] > 0),
        }
        row |= {"position": int(log.position[number])} if log.positions else {}
        rows.append(row | _moment(float(log.time[number])))
    return rows


def _moment(time: float) -> dict[str, Any]:
    """A time in ISO 8601 where it counts seconds or milliseconds since 1970, else as it is; nothing where there is none."""
    if np.isnan(time):
        return {}
    seconds = time / 1000 if time >= _MILLISECONDS else time
    try:
        told: Any = datetime.fromtimestamp(seconds, UTC).isoformat() if seconds >= _SECONDS else time
    except (ValueError, OverflowError, OSError):
        told = time
    return {"timestamp": told}


def jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A JSON object a line, in UTF-8."""
    return "".join(_lines(rows)).encode()


def _lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
