"""The collection, the questions that are asked of it, and all that its models say of all candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from random import Random

from bicross import asking
from bicross.ancestry import unseen
from bicross.data.questions import read_queries
from bicross.data.sentences import sentences
from bicross.errors import InputError
from bicross.evaluation.agreement_of_stages import TOP, ids
from bicross.evaluation.metrics import per_query
from bicross.evaluation.overlap import overlap
from bicross.models import names, registry
from bicross.opened import Once, OpenCollection
from bicross.protocols import Progress, Scorer
from bicross.records import Qrels, Query, Ranking, Run, Skip, Stage, reading
from bicross.searchers.foresight import FAST
from bicross.searchers.reading import in_order, placed
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import STARTER_FAST, PlanSettings, SearchSettings, StageName

MEASURE = "nDCG@10"
SHIPPED_FAST = (STARTER_FAST,)  # rerankers that are tried where none is named
LONGEST_SENTENCE = 200  # code points of a sentence that stands in for a question


class World:
    """The collection, the questions, and what all of its models say of all candidates, so that every depth and every stop rule can be tried
    without asking a model again."""

    def __init__(
        self,
        collection: OpenCollection,
        queries: Sequence[Query],
        qrels: Qrels | None,
        deepest: int,
        fast: Sequence[str],
        progress: Progress,
    ) -> None:
        self.collection, self.queries, self.qrels, self.progress = collection, queries, qrels, progress
        self.plain = replace(collection.weights, stage="both", foresight=None, fast=None)
        self.deepest = deepest if self.plain.combination else 0
        self.rerankers = {name: Once(partial(registry.load_reranker, names.located(name, collection.path))) for name in fast}
        deep = SearchSettings(k=max(TOP, deepest), depth=self.deepest)
        found = asking.ranked(collection, queries, deep, Stopwatch(), self._tell("reading all candidates"))
        self.candidates = {query: _recalled(ranking) for query, ranking in found.items()}
        self.deepest = min(self.deepest, max(map(len, found.values()), default=0))
        self.fast = {name: self.read_by(self.rerankers[name](), FAST, name) for name in fast} if self.deepest else {}

    def value(self, rankings: Mapping[str, Ranking]) -> dict[str, float]:
        """What each question's ranking is worth."""
        if self.qrels is not None:
            return per_query([MEASURE], self.qrels, Run("", rankings))[MEASURE]
        return {query: overlap(ids(ranking), self._full[query], TOP) for query, ranking in rankings.items()}

    @cached_property
    def _full(self) -> dict[str, Sequence[str]]:
        """The documents of full depth, in their order."""
        return {query: ids(in_order(ranking, self.deepest, self.plain.combination)) for query, ranking in self.candidates.items()}

    def alone(self, stage: StageName) -> dict[str, Ranking]:
        """What a stage finds without the others."""
        settings = SearchSettings(k=TOP, stage=stage)
        return asking.ranked(self.collection, self.queries, settings, Stopwatch(), self._tell(f"{stage} search"))

    def pairs(self, query: Query) -> list[tuple[str, str]]:
        """The question beside each of its candidates, as a reranker reads them."""
        ranking = self.candidates[query.id]
        titles = self.collection.corpus.titles(hit.doc_id for hit in ranking)
        return [(query.text, reading(titles[hit.doc_id], hit.passage.text if hit.passage else "")) for hit in ranking]

    def read_by(self, scorer: Scorer, stage: str, name: str) -> dict[str, Ranking]:
        """The candidates with what another reranker says of them, as that stage."""
        tell, found = self._tell(f"reading with {name}"), dict[str, Ranking]()
        with self.collection.snapshot():
            for query in self.queries:
                found[query.id] = placed(stage, self.candidates[query.id], scorer.score(self.pairs(query)).tolist())
                tell("questions", len(found), len(self.queries))
        self.collection.cut()
        return found

    def _tell(self, what: str) -> Progress:
        return lambda _, done, total: self.progress(what, done, total)


def chosen_questions(
    collection: OpenCollection, queries: Path | None, qrels: Path | None, settings: PlanSettings
) -> tuple[list[Query], Qrels | None, list[Skip], list[str]]:
    """The questions that are asked, their judgements where there are some, what was left out, and what to know of them."""
    path, facts = collection.path, collection.facts
    if queries is None:
        return stand_ins(collection, settings), None, [], [STAND_INS]
    if qrels is None:
        found, skipped = read_queries(queries)
        known = None
    else:
        found, known, skipped = asking.judged(queries, qrels)
    drawn, seen = unseen(path, facts, found)
    if not drawn:
        raise InputError(
            f"All {len(found)} questions trained the models of {path}, which score the answers to them higher than those to others. Name "
            "questions that `bicross tune` did not get, such as those of its --dev."
        )
    if len(drawn) > settings.sample:
        drawn = Random(settings.seed).sample(sorted(drawn, key=lambda query: query.id), settings.sample)
    return drawn, known and {query.id: known[query.id] for query in drawn}, [*skipped, *seen], []


STAND_INS = (
    "No questions are given, so sentences of the documents stand in for them. They are easier to find than what people ask, and longer: "
    "name your own with --queries before you believe the figures."
)


def stand_ins(collection: OpenCollection, settings: PlanSettings) -> list[Query]:
    """A long sentence out of the first ones of each of some documents. Raises InputError where there is none."""
    with collection.snapshot():
        drawn = collection.view.of_documents(collection.view.draw(settings.sample, settings.seed))
    found = []
    for doc_id, passages in drawn.items():
        spans = [passages[0].text[span.start : span.end].strip() for span in sentences(passages[0].text)] if passages else []
        if told := max((text for text in spans[:5] if len(text) <= LONGEST_SENTENCE), key=len, default=""):
            found.append(Query(doc_id, told))
    if not found:
        raise InputError(
            f"No document of {collection.path} has a sentence that could stand in for a question; name questions with --queries."
        )
    return found


def fast_ones(collection: OpenCollection, settings: PlanSettings) -> list[str]:
    """The rerankers that are tried beside the collection's own, as it would keep their names."""
    named = [names.canonical(name, collection.path) for name in settings.fast or SHIPPED_FAST]
    return [name for name in dict.fromkeys(named) if name != collection.facts.reranker]


def _recalled(ranking: Ranking) -> Ranking:
    """The order of recall of a ranking that was reranked."""
    last = Stage(len(ranking) + 1, 0.0)
    return tuple(sorted(ranking, key=lambda hit: hit.stages.get("fused", last).rank))
