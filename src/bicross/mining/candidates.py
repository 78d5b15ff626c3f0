"""Candidates for training: what lexical and dense search find for each question, beside its known answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from bicross.protocols import Corpus, Encoder, Searcher
from bicross.records import Candidate, Mined, Passage, Qrels, Query, Ranking, reading
from bicross.settings import MineSettings
from bicross.vectors import Vectors, similarities

QUESTIONS = 64  # asked together; what is held in memory grows with it, never with queries x corpus
FLATNESS = 60  # the constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009)
DIGITS = 5  # decimals of a score: the last bits of a product of matrices depend on what else stands in them, on some processors
KEPT = 50_000  # passages of known answers that are kept between batches


@dataclass(slots=True)
class Found:
    """A document that recall found: the passage of the search that put it highest, and its scores."""

    doc_id: str
    passage: Passage | None
    scores: dict[str, float] = field(default_factory=dict)


def find(
    queries: Sequence[Query],
    qrels: Qrels,
    searchers: Mapping[str, Searcher],
    corpus: Corpus,
    encoder: Encoder,
    settings: MineSettings,
    source: Mapping[str, Any],
) -> Iterator[tuple[Mined, tuple[str, ...]]]:
    """One row a question, in their order: the union of what each searcher puts among its first `depth`, and the known answers.

    Beside each row stands what a model reads of every passage of its known answers, for finding their near-duplicates: it is too much
    to be kept for all questions.

    Candidates stand in the order of plain reciprocal rank fusion, ties by id, and are "unsorted". Their scores are each searcher's
    own, where it returned the document, and its rank there, as "lexical rank" and "dense rank"; and "rank", the position in the fused
    order. Ranks count from 1, and known answers have their places too. A document that was judged and is not relevant has the score
    "judged" = 0.

    Known answers (grade above 0), best grade first, are positives whether recall found them or not, with their "grade". The text of
    one is its passage nearest to the question. Those that the corpus does not hold are named in `source["absent"]`.

    Args:
        searchers: "lexical" and "dense".
        corpus: what the searchers search; it must stand still until the last row, so a collection's snapshot has to be open.
        encoder: reads known answers of several passages.
        source: fingerprints of collection and models; the rows' own source begins with it.
    """
    made = {**source, "encoder": encoder.space.fingerprint, "settings": {**source.get("settings", {}), "depth": settings.depth}}
    answers = _Answers(corpus, encoder)
    for start in range(0, len(queries), QUESTIONS):
        batch = queries[start : start + QUESTIONS]
        rankings = {name: searcher.search(batch, settings.depth) for name, searcher in searchers.items()}
        found = {query.id: fuse({name: ranking[query.id] for name, ranking in rankings.items()}) for query in batch}
        titles = corpus.titles({doc_id for hits in found.values() for doc_id in hits})
        texts = answers.read(batch, {query.id: _known(qrels.get(query.id, {})) for query in batch})
        for query in batch:
            yield _mined(query, qrels.get(query.id, {}), found[query.id], titles, texts[query.id], made), answers.passages(texts[query.id])


def fuse(rankings: Mapping[str, Ranking]) -> dict[str, Found]:
    """The union of the rankings by document id, in the order of the sum of 1 / (60 + rank), ties by id."""
    gains: dict[str, float] = {}
    highest: dict[str, int] = {}
    merged: dict[str, Found] = {}
    for name, ranking in rankings.items():
        for rank, hit in enumerate(ranking, start=1):
            one = merged.setdefault(hit.doc_id, Found(hit.doc_id, hit.passage))
            one.scores |= {name: round(hit.score, DIGITS), f"{name} rank": float(rank)}
            gains[hit.doc_id] = gains.get(hit.doc_id, 0.0) + 1 / (FLATNESS + rank)
            if rank < highest.setdefault(hit.doc_id, rank):
                highest[hit.doc_id], one.passage = rank, hit.passage
    order = sorted(merged, key=lambda doc_id: (-gains[doc_id], doc_id))
    for rank, doc_id in enumerate(order, start=1):
        merged[doc_id].scores["rank"] = float(rank)
    return {doc_id: merged[doc_id] for doc_id in order}


def _known(grades: Mapping[str, int]) -> list[str]:
    """Documents that answer, best grade first, ties by id."""
    return sorted((doc_id for doc_id, grade in grades.items() if grade > 0), key=lambda doc_id: (-grades[doc_id], doc_id))


def _mined(
    query: Query,
    grades: Mapping[str, int],
    found: Mapping[str, Found],
    titles: Mapping[str, str],
    answers: Mapping[str, str | None],
    source: Mapping[str, Any],
) -> Mined:
    positives, candidates, absent = [], [], [doc_id for doc_id, text in answers.items() if text is None]
    for doc_id, text in answers.items():
        if text is not None:
            recalled = found[doc_id].scores if doc_id in found else {}
            positives.append(Candidate(doc_id, text, "positive", {**recalled, "grade": float(grades[doc_id])}))
    for doc_id, one in found.items():
        if doc_id not in answers:
            text = reading(titles[doc_id], one.passage.text if one.passage else "")
            judged = {"judged": 0.0} if doc_id in grades else {}
            candidates.append(Candidate(doc_id, text, "unsorted", {**one.scores, **judged}))
    return Mined(query, tuple(positives), tuple(candidates), {**source, **({"absent": absent} if absent else {})})


class _Answers:
    """Texts of known answers. What was read of a document serves all its questions."""

    def __init__(self, corpus: Corpus, encoder: Encoder) -> None:
        self._corpus, self._encoder = corpus, encoder
        self._texts: dict[str, tuple[str, ...]] = {}
        self._vectors: dict[str, Vectors] = {}  # only of documents that have more than one passage, each (passages, dim)

    def read(self, queries: Sequence[Query], known: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str | None]]:
        """Query id -> known document -> its passage nearest to the question, the first of equals; None where there is none."""
        self._learn(doc_id for doc_ids in known.values() for doc_id in doc_ids)
        asking = [query for query in queries if any(doc_id in self._vectors for doc_id in known[query.id])]
        vectors: dict[str, Vectors] = {}  # each (1, dim)
        if asking:
            rows = self._encoder.encode_queries([query.text for query in asking])  # (asking, dim)
            vectors = {query.id: row[None] for query, row in zip(asking, rows, strict=True)}
        return {query: {doc_id: self._nearest(doc_id, vectors.get(query)) for doc_id in doc_ids} for query, doc_ids in known.items()}

    def passages(self, doc_ids: Iterable[str]) -> tuple[str, ...]:
        """All passages of documents that were read last."""
        return tuple(text for doc_id in doc_ids for text in self._texts[doc_id])

    def _nearest(self, doc_id: str, question: Vectors | None) -> str | None:
        texts = self._texts[doc_id]
        if question is None or len(texts) < 2:
            return texts[0] if texts else None
        return texts[int(similarities(question, self._vectors[doc_id], self._encoder.space).argmax())]

    def _learn(self, doc_ids: Iterable[str]) -> None:
        """Read the documents that were not read yet, and encode those that have more than one passage."""
        if sum(map(len, self._texts.values())) > KEPT:
            self._texts.clear()
            self._vectors.clear()
        fresh = [doc_id for doc_id in dict.fromkeys(doc_ids) if doc_id not in self._texts]
        passages, titles = self._corpus.of_documents(fresh), self._corpus.titles(fresh)
        self._texts.update({key: tuple(reading(titles[key], passage.text) for passage in passages.get(key, ())) for key in fresh})
        several = [doc_id for doc_id in fresh if len(self._texts[doc_id]) > 1]
        if several:
            encoded = self._encoder.encode_documents([text for doc_id in several for text in self._texts[doc_id]])  # (passages, dim)
            ends = accumulate(len(self._texts[doc_id]) for doc_id in several)
            self._vectors.update({key: encoded[end - len(self._texts[key]) : end] for key, end in zip(several, ends, strict=True)})
