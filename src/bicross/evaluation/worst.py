"""The questions that search answers worst, with what stood where: recall's order beside the final one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bicross.evaluation.two_stage import BOTH, FINE, KINDS, LOST, LOW, MISSED, NONE, UNREAD, Outcome
from bicross.records import Query, Ranking

TOP = 3  # of all questions
EACH = 5  # of a kind
PLACES = 5  # of either order that are shown, whatever stands there
DEEPER = 3  # relevant documents further down that are shown besides
CHARACTERS = 240  # of a text; half as many of a Chinese one, which say about as much


@dataclass(frozen=True, slots=True)
class SeenDocument:
    """A document beside a question. `grade` is None where it was not judged; places count from 1, None where it does not stand there.

    `language` is that of the text ("en", "zh").
    """

    doc_id: str
    title: str
    text: str
    language: str
    grade: int | None
    recalled: int | None
    final: int | None


@dataclass(frozen=True, slots=True)
class WorstQuestion:
    """A question with the documents at the first places of both orders, the relevant ones further down, and some that recall missed.

    `place` counts from 1 over all questions, the worst first; `missed` counts all relevant documents that recall did not find, of which
    `missing` shows the first.
    """

    place: int
    text: str
    language: str
    outcome: Outcome
    recalled: tuple[SeenDocument, ...]
    final: tuple[SeenDocument, ...]
    missed: int
    missing: tuple[SeenDocument, ...]


def worst_of(outcomes: Sequence[Outcome]) -> list[tuple[int, Outcome]]:
    """The questions to show, kind by kind, each with its place among all: the TOP of all, and of every kind the EACH that lack most.

    Worst of all is what is furthest from the ideal; of equals that which reranking harmed more, then by id. Within a kind it is by the loss
    that names the kind.
    """
    lacking = [one for one in outcomes if one.kind not in (NONE, FINE)]
    order = sorted(lacking, key=lambda one: (one.final - one.ideal, one.final - one.recalled, one.query_id))
    places = {one.query_id: place for place, one in enumerate(order, start=1)}
    shown = []
    for kind in KINDS:
        members = sorted((one for one in order if one.kind == kind), key=lambda one: (_loss(one), places[one.query_id]))
        shown += [one for rank, one in enumerate(members) if rank < EACH or places[one.query_id] <= TOP]
    return [(places[one.query_id], one) for one in shown]


def _loss(one: Outcome) -> float:
    """Below 0: what the question lost in the way that names its kind."""
    return {
        MISSED: one.best - one.ideal,
        LOST: one.final - one.recalled,
        BOTH: one.final - one.ideal,
        UNREAD: one.reach - one.best,
        LOW: one.final - one.reach,
    }[one.kind]


@dataclass(frozen=True, slots=True)
class Library:
    """What the collection says of documents: titles and, of those that recall missed, texts, by document id; and the language of a text."""

    titles: Mapping[str, str]
    texts: Mapping[str, str]
    language: Callable[[str], str]


def worst_question(
    place: int, outcome: Outcome, query: Query, recalled: Ranking, final: Ranking, grades: Mapping[str, int], library: Library
) -> WorstQuestion:
    """What is shown of a question: `recalled` and `final` are what recall found in both orders."""
    hits = {hit.doc_id: hit for hit in (*recalled, *final)}
    before, after = ({hit.doc_id: rank for rank, hit in enumerate(order, start=1)} for order in (recalled, final))

    def seen(doc_id: str) -> SeenDocument:
        hit = hits.get(doc_id)
        text = (hit.passage.text if hit.passage else "") if hit else library.texts.get(doc_id, "")
        title = " ".join(library.titles.get(doc_id, "").split())
        language = library.language(text or title)
        return SeenDocument(doc_id, title, clipped(text, language), language, grades.get(doc_id), before.get(doc_id), after.get(doc_id))

    missed = missing_ids(recalled, grades)
    return WorstQuestion(
        place=place,
        text=query.text,
        language=library.language(query.text),
        outcome=outcome,
        recalled=tuple(map(seen, _first(recalled, grades))),
        final=tuple(map(seen, _first(final, grades))),
        missed=len(missed),
        missing=tuple(map(seen, missed[:DEEPER])),
    )


def _first(order: Ranking, grades: Mapping[str, int]) -> list[str]:
    """The documents at the first places, and relevant ones further down."""
    deeper = [hit.doc_id for hit in order[PLACES:] if grades.get(hit.doc_id, 0) > 0]
    return [hit.doc_id for hit in order[:PLACES]] + deeper[:DEEPER]


def missing_ids(recalled: Ranking, grades: Mapping[str, int]) -> list[str]:
    """The relevant documents that recall did not find, the highest grades first."""
    found = {hit.doc_id for hit in recalled}
    return sorted((doc for doc, grade in grades.items() if grade > 0 and doc not in found), key=lambda doc: (-grades[doc], doc))


def clipped(text: str, language: str, characters: int = CHARACTERS) -> str:
    """The beginning of a text, about as much to read in either language."""
    plain, most = " ".join(text.split()), characters // 2 if language == "zh" else characters
    return plain if len(plain) <= most else plain[:most] + " …"
