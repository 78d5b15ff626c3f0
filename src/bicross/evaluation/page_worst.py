"""The section of the worst questions: what stood where, the order of recall beside the final one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.page_sections import tongue
from bicross.evaluation.two_stage import BOTH, KINDS, LOST, LOW, MISSED, UNREAD, TwoStage
from bicross.evaluation.worst import SeenDocument, WorstQuestion

MEANINGS = {
    MISSED: "Recall did not find relevant documents, so that no reranker can help: only better recall does (tuning, fuller documents).",
    LOST: "The relevant documents stood better before reranking.",
    BOTH: "Recall missed relevant documents, and the reranker put those that it found lower.",
    UNREAD: "Recall found the relevant documents, but too far down to be read again: a greater depth could bring them up.",
    LOW: "The relevant documents were read again, and reranking did no harm, but their order could be better: a better reranker helps.",
}
NOT_RERANKED = "Recall found the relevant documents, but not in the best order, and nothing was reranked: a reranker could bring them up."


def worst(found: Evaluated) -> str:
    """The worst questions, kind by kind."""
    if found.two_stage is None or not found.worst:
        return ""
    parts = []
    for kind in KINDS:
        members = [one for one in found.worst if one.outcome.kind == kind]
        if members:
            count = f"{len(members)} of {found.two_stage.kinds[kind]}"
            meaning = NOT_RERANKED if kind == UNREAD and not found.depth else MEANINGS[kind]
            parts.append(f'<h3>{escape(kind.capitalize())} ({count})</h3><p class="note">{escape(meaning)}</p>')
            parts += [_article(one, found.two_stage) for one in members]
    return "".join(parts)


def anchor(one: WorstQuestion) -> str:
    """The name of a question's place in the page."""
    return f"worst-{one.place}"


def _article(one: WorstQuestion, two: TwoStage) -> str:
    seen, reranked = one.outcome, bool(two.depth)
    values = f"reached {seen.final:.4f}"
    if reranked:
        values = f"order of recall {seen.recalled:.4f}, reranked {seen.final:.4f}, best possible at depth {two.depth} {seen.reach:.4f}"
    facts = (
        f"question {seen.query_id} · place {one.place} from the worst · {two.measure}: {values}, best possible {seen.best:.4f}, ideal "
        f"{seen.ideal:.4f} · recall found {seen.found} of {seen.relevant} relevant documents"
        + (f", {seen.read} were read" if reranked else "")
    )
    before, after = "Order of recall" if reranked else "Found", "Reranked"
    sides = _side(
        before, [(document.recalled, _moved(document.final, "reranked") if reranked else "", document) for document in one.recalled]
    )
    if reranked:
        sides += _side(after, [(document.final, _moved(document.recalled, "in recall"), document) for document in one.final])
    missing = ""
    if one.missed:
        shown = f", {len(one.missing)} of them here" if one.missed > len(one.missing) else ""
        head = f"Relevant, but not among the first {two.looked} of recall ({one.missed}{shown})"
        missing = f'<div class="sides">{_side(head, [(None, "", document) for document in one.missing])}</div>'
    return (
        f'<article id="{anchor(one)}"><h4{tongue(one.language)}>{escape(one.text)}</h4><p class="scores">{escape(facts)}</p>'
        f'<div class="pair sides">{sides}</div>{missing}</article>'
    )


def _side(head: str, rows: Sequence[tuple[int | None, str, SeenDocument]]) -> str:
    """One order: of each document its place here, where it stands in the other order, and what it is."""
    return f"<div><b>{escape(head)}</b><ol>{''.join(_hit(*row) for row in rows)}</ol></div>"


def _moved(place: int | None, where: str) -> str:
    return f"not {where}" if place is None else f"{where} {place}"


def _hit(place: int | None, other: str, seen: SeenDocument) -> str:
    relevant = seen.grade is not None and seen.grade > 0
    grade = (
        "not judged"
        if seen.grade is None
        else f"✓ relevant, grade {seen.grade}"
        if relevant
        else f"judged not relevant, grade {seen.grade}"
    )
    facts = " · ".join(filter(None, [grade, other, seen.doc_id]))
    title = f"<b>{escape(seen.title)}</b> " if seen.title else "" if seen.text else "not in the collection"
    number = f"{place}. " if place else ""
    kind = ' class="relevant"' if relevant else ""
    return f'<li{kind}>{number}<span{tongue(seen.language)}>{title}{escape(seen.text)}</span> <span class="tag">{escape(facts)}</span></li>'
