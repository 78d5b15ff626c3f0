"""A collection opened for search: its models, loaded when first needed, and its searchers joined by its weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Generic, Self, TypeVar

from bicross.collection.matching import Matching
from bicross.collection.store import Collection, Facts
from bicross.collection.trial import Trial
from bicross.data.lines import SURROGATE
from bicross.data.outline import placed
from bicross.data.sentences import pieces
from bicross.errors import InputError
from bicross.filters import read
from bicross.models import registry
from bicross.models.names import located
from bicross.models.registry import CountingScorer
from bicross.protocols import Corpus, Scorer, Searcher
from bicross.records import Query, Ranking, Space
from bicross.results import Answer, Answers
from bicross.searchers.calibrated import CalibratedSearcher
from bicross.searchers.dense import DenseSearcher
from bicross.searchers.explained import Parts, parts, was_read
from bicross.searchers.foresight import Foresight
from bicross.searchers.fused import FusedSearcher
from bicross.searchers.lexical import LexicalSearcher
from bicross.searchers.pace import Pace
from bicross.searchers.reranked import RerankedSearcher
from bicross.searchers.spans import Span, mattering
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import SearchSettings, StageName

T = TypeVar("T")
ATTRIBUTED = 32_768  # code points of a text in which spans are looked for: about what the longest models read


class Once(Generic[T]):
    """Something that is made at the first call, once, whichever thread comes first."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock, self._made = make, Lock(), list[T]()

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    @property
    def made(self) -> bool:
        """Whether it has been made."""
        return bool(self._made)


class OpenCollection:
    """A collection opened for search; its models are loaded when first needed, and once. Threads may share it.

    Given `trial`, it answers as it would with other models and weights, in a space that is filled and not yet active.
    """

    def __init__(self, path: Path, trial: tuple[Facts, Space] | None = None) -> None:
        self.path = path
        self.view = Collection.open(path).view()
        facts = self.view.facts
        self.corpus: Corpus = self.view
        if trial is not None:
            facts, space = trial
            self.corpus = Trial(self.view, space)
        self.weights = Weights.of(facts.weights)
        self.facts = facts
        self.encoder = Once(lambda: registry.load_encoder(located(facts.encoder, path)))
        self.reranker = Once(lambda: registry.load_reranker(located(facts.reranker, path)))
        self._late = Once(lambda: registry.load_late_interaction(self.encoder()))
        self._fast = Once(lambda: registry.load_reranker(located(self.weights.fast or facts.reranker, path)))
        self._pace = Pace()

    def search(
        self, questions: str | Sequence[str], settings: SearchSettings = SearchSettings(), where: Mapping[str, Any] | None = None
    ) -> Answers:
        """Answer questions: recall, then rerank the best `depth` candidates. Hits below `min_probability` are left out, and so are those
        without a probability; a question whose hits are all left out is not answerable. Hits have probabilities where the collection was
        calibrated. `where` is a filter on the documents' meta (`bicross.filters`): recall goes on until enough of those that it lets
        through are found, or all.

        Raises:
            InputError: a question is empty, a probability is asked for of a kind of search that was not calibrated, or the filter is none.
            SpaceMismatch: the encoder is not the one that made the vectors.
        """
        self._check_calibrated(settings)
        texts = [questions] if isinstance(questions, str) else list(questions)
        for text in texts:
            if not text.strip():
                raise InputError("A question is empty; expected some words.")
            if not text.isascii() and SURROGATE.search(text):
                raise InputError(f"The question {text!a} holds a lone surrogate; expected text.")
        queries = [Query(str(number), text) for number, text in enumerate(texts)]
        stopwatch = Stopwatch()
        found = self.rank(queries, self.all_candidates(settings), stopwatch, where)
        shown = {query: _probable(ranking, settings.min_probability)[: settings.k] for query, ranking in found.items()}
        with self.view.snapshot():
            owners = {hit.doc_id for ranking in shown.values() for hit in ranking}
            titles, metas = self.view.titles(owners), self.view.metas(owners)
        shown = {query: _placed(ranking, metas) for query, ranking in shown.items()}
        cut = self.cut()
        least = settings.min_probability
        answers = [
            Answer(
                text=query.text,
                hits=shown[query.id],
                titles=titles,
                reranked=sum(map(was_read, all_of)),
                truncated=query.text in cut,
                degraded=query.id in stopwatch.late,
                probability=_highest(all_of),
                least=least,
                parts=parts,
            )
            for query, all_of, parts in ((query, found[query.id], self._parts(found[query.id], settings)) for query in queries)
        ]
        return Answers(tuple(answers), stopwatch.seconds)

    def _parts(self, ranking: Ranking, settings: SearchSettings) -> Parts | None:
        kind = self.kind(settings)
        foreseen = self.depth(settings) if self._foresight(settings) else 0
        read = kind != "both" or foreseen or any(map(was_read, ranking))
        return parts(ranking, kind if read else "fused", self.weights, foreseen) if settings.explain else None

    def _check_calibrated(self, settings: SearchSettings) -> None:
        kind = self.kind(settings)
        if settings.min_probability is not None and kind not in self.weights.calibration:
            raise InputError(
                f"A probability of {settings.min_probability:g} is asked for, and {kind} search of {self.path} gives none: it was not "
                f"calibrated. Run: bicross calibrate {self.path} --queries QUERIES --qrels QRELS"
            )

    def all_candidates(self, settings: SearchSettings) -> SearchSettings:
        """The same search, but with every candidate that was reranked among its hits."""
        return settings.model_copy(update={"k": max(settings.k, self.depth(settings))})

    def rank(
        self, queries: Sequence[Query], settings: SearchSettings, stopwatch: Stopwatch, where: Mapping[str, Any] | None = None
    ) -> Mapping[str, Ranking]:
        """The rankings themselves, all in one state of the collection; of the documents that `where` lets through. The time of a deadline
        begins when models are loaded."""
        searcher = self.searcher(settings, stopwatch, where)
        stopwatch.begin(settings.deadline)
        with self.snapshot():
            return searcher.search(queries, settings.k)

    def mattering(self, question: str, texts: Sequence[str]) -> list[list[Span]]:
        """For each text the sentences or clauses that mattered to the cross-encoder beside the question, best first; see `searchers.spans`.

        A text is what the model reads of a passage (`records.reading`), or any other, of which no more than ATTRIBUTED code points count.
        """
        texts = [text[:ATTRIBUTED] for text in texts]
        cuts = [[(piece.start, piece.end) for piece in pieces(text)] for text in texts]
        return mattering(self.reranker(), question, texts, cuts)

    def snapshot(self) -> AbstractContextManager[None]:
        """All that is asked inside sees one state of the collection."""
        return self.view.snapshot()

    def depth(self, settings: SearchSettings) -> int:
        """How many candidates are reranked, or at most are where it is told by each question; 0 where nothing is."""
        if self._stage(settings) != "both" or not self.weights.combination:
            return 0
        return self.weights.depth if settings.depth == "auto" else settings.depth

    def searcher(self, settings: SearchSettings, stopwatch: Stopwatch, where: Mapping[str, Any] | None = None) -> Searcher:
        """The Searcher that the settings name, over this collection; its hits have probabilities where it was calibrated."""
        kind, known = self.kind(settings), self.weights.calibration
        calibration, recall = known.get(kind), known.get("fused") if kind == "both" else None
        corpus = self.corpus if where is None else Matching(self.view, read(where))
        plain = self._searcher(settings, stopwatch, corpus)
        return CalibratedSearcher(plain, calibration, recall) if calibration or recall else plain

    def kind(self, settings: SearchSettings) -> StageName:
        """The kind of search that the settings come to: "both" without a candidate to rerank is "fused"."""
        stage = self._stage(settings)
        return stage if stage != "both" or self.depth(settings) else "fused"

    def _stage(self, settings: SearchSettings) -> StageName:
        """The stage that is asked for, or, where that is left to the collection, its own."""
        return self.weights.stage if (settings.stage, settings.depth) == ("both", "auto") else settings.stage

    def adaptive(self, settings: SearchSettings) -> bool:
        """Whether each question tells how many of its candidates are reranked."""
        return bool(self.depth(settings)) and self._foresight(settings) is not None

    def _foresight(self, settings: SearchSettings) -> Foresight | None:
        """What tells how much of the candidates to read; None where a depth is asked for, which is read whole."""
        return self.weights.foresight if settings.depth == "auto" else None

    def _searcher(self, settings: SearchSettings, stopwatch: Stopwatch, corpus: Corpus) -> Searcher:
        lexical = LexicalSearcher(corpus, stopwatch)
        stage = self._stage(settings)
        if stage == "lexical":
            return lexical
        depth = self.depth(settings)
        scorers = self._scorers() if depth else {}
        dense = DenseSearcher(self.encoder(), corpus, stopwatch)
        if stage == "dense":
            return dense
        fused = FusedSearcher({"lexical": lexical, "dense": dense}, self.weights.fusion)
        if not depth:
            return fused
        foresight = self._foresight(settings)
        fast = self._fast() if foresight and self.weights.fast else None
        least = int(settings.min_probability is not None)  # what was calibrated is two-stage search, so some of it there must be
        combination = self.weights.combination
        return RerankedSearcher(fused, scorers, corpus, combination, depth, stopwatch, foresight, fast, self._pace, least)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the collection's files."""
        self.view.close()

    def trying(
        self, weights: Weights, reranker: Once[CountingScorer] | None = None, fast: Once[CountingScorer] | None = None
    ) -> OpenCollection:
        """The same collection as it would search with other weights, and with other rerankers where some are given; nothing is stored."""
        other = copy.copy(self)
        other.weights, other._pace = weights, Pace()
        other.reranker, other._fast = reranker or self.reranker, fast or self._fast
        return other

    def reopened(self) -> OpenCollection:
        """The collection as it is now, after its models or weights changed; models that are the same are not loaded again.

        Raises:
            InputError, StoreError: it cannot be opened any more.
        """
        fresh = OpenCollection(self.path)
        if self.encoder.made and self.encoder().space == fresh.view.space:
            fresh.encoder, fresh._late = self.encoder, self._late
        if fresh.facts.reranker == self.facts.reranker:
            fresh.reranker, fresh._pace = self.reranker, self._pace
        if fresh.weights.fast == self.weights.fast:
            fresh._fast = self._fast
        return fresh

    def absent(self, documents: set[str]) -> tuple[str, ...]:
        """Those of the documents that the collection does not hold, in order."""
        with self.view.snapshot():
            return tuple(sorted(documents - self.view.titles(documents).keys()))

    def _scorers(self) -> dict[str, Scorer]:
        """The scorers that have a weight. The two models load at the same time, and the lexical index beside them."""
        wanted = [name for name in ("late", "rerank") if self.weights.combination.get(name)]
        with ThreadPoolExecutor(2) as pool:
            encoder = pool.submit(self.encoder)
            pool.submit(self.view.lexical, [""], 1)
            scorers: dict[str, Scorer | None] = {"rerank": self.reranker()} if "rerank" in wanted else {}
            encoder.result()
        if "late" in wanted:
            scorers["late"] = self._late()
        return {name: scorer for name, scorer in scorers.items() if scorer is not None}

    def cut(self) -> set[str]:
        """The questions and passages that were longer than a model since this was asked last."""
        cut: set[str] = set()
        for model in (self.encoder, self.reranker, self._fast):
            if model.made:
                texts = getattr(model(), "cut", [])
                cut |= set(texts)
                del texts[:]
        return cut


def _probable(ranking: Ranking, least: float | None) -> Ranking:
    """The hits that are relevant with at least this probability."""
    return ranking if least is None else tuple(hit for hit in ranking if hit.probability is not None and hit.probability >= least)


def _placed(ranking: Ranking, metas: Mapping[str, Mapping[str, Any]]) -> Ranking:
    """The hits with page and heading of their passages."""
    return tuple(replace(hit, passage=placed(hit.passage, metas.get(hit.doc_id, {}))) if hit.passage else hit for hit in ranking)


def _highest(ranking: Ranking) -> float | None:
    return max((hit.probability for hit in ranking if hit.probability is not None), default=None)
