"""A collection opened for search: its models, loaded when first needed, and its searchers joined by its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Self

from bicross.collection.store import Collection
from bicross.data.lines import SURROGATE
from bicross.errors import InputError
from bicross.models import registry
from bicross.protocols import Scorer, Searcher
from bicross.records import Query, Ranking
from bicross.results import Answer, Answers
from bicross.searchers.dense import DenseSearcher
from bicross.searchers.fused import FusedSearcher
from bicross.searchers.lexical import LexicalSearcher
from bicross.searchers.reranked import RerankedSearcher
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import SearchSettings


class OpenCollection:
    """A collection opened for search; its models are loaded when first needed, and once. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._view = Collection.open(path).view()
        self.weights = Weights.of(self._view.facts.weights)

    @cached_property
    def encoder(self) -> registry.TokenEncoder:
        """The bi-encoder that made the collection's vectors."""
        return registry.load_encoder(self._view.facts.encoder)

    @cached_property
    def reranker(self) -> Scorer:
        """The collection's cross-encoder."""
        return registry.load_reranker(self._view.facts.reranker)

    @cached_property
    def late_interaction(self) -> Scorer | None:
        """Late interaction over the bi-encoder's token vectors; None for an encoder without them."""
        return registry.load_late_interaction(self.encoder)

    def search(self, questions: str | Sequence[str], settings: SearchSettings = SearchSettings()) -> Answers:
        """Answer questions: recall, then rerank the best `depth` candidates.

        Raises:
            InputError: a question is empty. SpaceMismatch: the encoder is not the one that made the vectors.
        """
        texts = [questions] if isinstance(questions, str) else list(questions)
        for text in texts:
            if not text.strip():
                raise InputError("A question is empty; expected some words.")
            if not text.isascii() and SURROGATE.search(text):
                raise InputError(f"The question {text!a} holds a lone surrogate; expected text.")
        queries = [Query(str(number), text) for number, text in enumerate(texts)]
        stopwatch = Stopwatch()
        found = self.rank(queries, self.all_candidates(settings), stopwatch)
        with self._view.snapshot():
            titles = self._view.titles({hit.doc_id for ranking in found.values() for hit in ranking[: settings.k]})
        depth = self.depth(settings)
        answers = [Answer(query.text, found[query.id][: settings.k], titles, min(depth, len(found[query.id]))) for query in queries]
        return Answers(tuple(answers), stopwatch.seconds)

    def all_candidates(self, settings: SearchSettings) -> SearchSettings:
        """The same search, but with every candidate that was reranked among its hits."""
        return settings.model_copy(update={"k": max(settings.k, self.depth(settings))})

    def rank(self, queries: Sequence[Query], settings: SearchSettings, stopwatch: Stopwatch) -> Mapping[str, Ranking]:
        """The rankings themselves, all in one state of the collection."""
        searcher = self.searcher(settings, stopwatch)
        with self._view.snapshot():
            return searcher.search(queries, settings.k)

    def depth(self, settings: SearchSettings) -> int:
        """How many candidates are reranked; 0 where nothing is."""
        if settings.stage != "both" or not self.weights.combination:
            return 0
        return self.weights.depth if settings.depth == "auto" else settings.depth

    def searcher(self, settings: SearchSettings, stopwatch: Stopwatch) -> Searcher:
        """The Searcher that the settings name, over this collection."""
        lexical = LexicalSearcher(self._view, stopwatch)
        if settings.stage == "lexical":
            return lexical
        depth = self.depth(settings)
        scorers = self._scorers() if depth else {}
        dense = DenseSearcher(self.encoder, self._view, stopwatch)
        if settings.stage == "dense":
            return dense
        fused = FusedSearcher({"lexical": lexical, "dense": dense}, self.weights.fusion)
        if not depth:
            return fused
        return RerankedSearcher(fused, scorers, self._view, self.weights.combination, depth, self.weights.calibration, stopwatch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the collection's files."""
        self._view.close()

    def absent(self, documents: set[str]) -> tuple[str, ...]:
        """Those of the documents that the collection does not hold, in order."""
        with self._view.snapshot():
            return tuple(sorted(documents - self._view.titles(documents).keys()))

    def _scorers(self) -> dict[str, Scorer]:
        """The scorers that have a weight. The two models load at the same time."""
        wanted = [name for name in ("late", "rerank") if self.weights.combination.get(name)]
        with ThreadPoolExecutor(1) as pool:
            encoder = pool.submit(lambda: self.encoder)
            scorers: dict[str, Scorer | None] = {"rerank": self.reranker} if "rerank" in wanted else {}
            encoder.result()
        if "late" in wanted:
            scorers["late"] = self.late_interaction
        return {name: scorer for name, scorer in scorers.items() if scorer is not None}
