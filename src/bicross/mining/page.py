"""An audit as one page: no script, nothing from the network, made to be printed. Every text of the user's is escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

from bicross.html_page import document, section, table
from bicross.mining.audit import Audit, Seen

MEANINGS = {
    "positive": "known answers",
    "hard": "hard negatives: high in recall, low by the cross-encoder",
    "suspect": "suspected answers: score like known ones; kept out",
    "duplicate": "near-duplicates of a known answer; never negatives",
    "easy": "easy negatives: deeper in recall",
    "random": "drawn at random",
    "unsorted": "not yet sorted",
}
COLOURS = {"positive": "#2a7f62", "hard": "#b3462f", "suspect": "#b58a1b", "duplicate": "#7a5aa6", "easy": "#4a78a8", "random": "#777"}
WIDTH, HEIGHT = 640, 74  # of one histogram, in SVG units
CHARACTERS = 600  # shown of a text


def page(audit: Audit) -> str:
    """The whole page, as HTML in one string."""
    parts = [
        "<h1>Audit of mined negatives</h1>",
        f"<p>{audit.questions} questions, {audit.positives} known answers in the collection.</p>",
        *(f'<p class="remark">{escape(remark)}</p>' for remark in audit.remarks),
        section("What was found", _kinds(audit) + _facts(audit)),
        section("Cross-encoder scores", _histograms(audit)),
        section("Unmarked answers left among the hard negatives (an estimate)", _leak(audit)),
        section("How well the stages tell known answers apart", _agreement(audit)),
        section("Questions without a hard negative", _without(audit)),
        section("To read: hard negatives next to the threshold", _articles(audit.borderline)),
        section("To read: a random sample of suspected answers", _articles(audit.suspects)),
        section("To read: a random sample of near-duplicates", _articles(audit.duplicates)),
        section("Made by", "".join(f"<pre>{_json(source)}</pre>" for source in audit.sources)),
    ]
    return document("Audit of mined negatives", parts)


def _kinds(audit: Audit) -> str:
    return table((MEANINGS[kind], str(count)) for kind, count in audit.kinds.items() if count or kind != "unsorted")


def _facts(audit: Audit) -> str:
    hard = audit.hard
    return "<p></p>" + table(
        [
            ("hard negatives a question: mean, median, fewest", f"{hard['mean']:.1f}, {hard['median']:g}, {hard['min']:g}"),
            ("questions without a hard negative", str(audit.without_hard)),
            ("questions without any negative", str(audit.without_negatives)),
            ("known answers that recall did not find (positives all the same)", str(audit.missed)),
            ("known answers that the collection does not hold", str(audit.absent)),
            ("threshold", ", ".join(f"{value:.3f}" for value in audit.thresholds) or "none"),
        ]
    )


def _histograms(audit: Audit) -> str:
    if not audit.histograms:
        return "<p>Nothing was scored.</p>"
    note = '<p class="note">One row a kind, on one axis; each row has its own height. The dashed line is the threshold.</p>'
    return note + "".join(_histogram(audit, kind, counts) for kind, counts in audit.histograms.items())


def _histogram(audit: Audit, kind: str, counts: Sequence[int]) -> str:
    """Bars of one kind. Their heights are shares of the highest bar."""
    low, high = audit.edges[0], audit.edges[-1]
    base, step, top = HEIGHT - 16, WIDTH / len(counts), max(counts)
    bars = []
    for place, count in enumerate(counts):
        height = (base - 14) * count / top
        title = f"{audit.edges[place]:.3f} to {audit.edges[place + 1]:.3f}: {count}"
        bars.append(
            f'<rect x="{place * step + 1:.1f}" y="{base - height:.1f}" width="{step - 2:.1f}" height="{height:.1f}" '
            f'fill="{COLOURS.get(kind, "#777")}"><title>{title}</title></rect>'
        )
    places = [WIDTH * (value - low) / (high - low) for value in audit.thresholds]
    lines = [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{base}" stroke="#222" stroke-dasharray="3 3"/>' for x in places]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><text x="2" y="11">{escape(kind)} ({sum(counts)})</text>'
        f'{"".join(bars)}{"".join(lines)}<line x1="0" x2="{WIDTH}" y1="{base}" y2="{base}" stroke="#bbb"/>'
        f'<text x="0" y="{HEIGHT - 3}">{low:.3g}</text><text x="{WIDTH}" y="{HEIGHT - 3}" text-anchor="end">{high:.3g}</text></svg>'
    )


def _leak(audit: Audit) -> str:
    found = audit.leak
    if found is None:
        return "<p>Not estimated: nothing was sorted, or the cross-encoder does not tell known answers from other documents.</p>"
    low, high = found.confidence
    most = "" if found.most is None else f"; by the false alarms on random documents, at most {found.most:.1%}"
    return (
        f"<p>About <strong>{found.left:.0f} of {found.hard}</strong> hard negatives ({found.share:.1%}, 95% interval {low:.1%} to "
        f"{high:.1%}) answer their question without being marked.</p>"
        f'<p class="note">The threshold catches {found.caught:.1%} of the known answers that recall found, and {found.false_alarms:.1%} of '
        f"{escape(found.measured_on)} documents; it suspects {found.suspects} documents among the first of recall. "
        f"{escape(found.assumptions)} If every suspect were a false alarm, it would be none{most}. "
        "Read the samples below before believing it.</p>"
    )


def _agreement(audit: Audit) -> str:
    names = {
        "rerank": "cross-encoder, against other candidates",
        "dense": "dense search, against other candidates",
        "lexical": "lexical search, against other candidates",
        "random": "cross-encoder, against random documents",
    }
    rows = [(f"AUC of the {name}", _number(audit.auc[key])) for key, name in names.items()]
    return table([*rows, ("pairs of candidates that dense search and cross-encoder order differently", _number(audit.disagreement))])


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _without(audit: Audit) -> str:
    if not audit.without_hard:
        return "<p>None.</p>"
    more = f" and {audit.without_hard - len(audit.named)} more" if audit.without_hard > len(audit.named) else ""
    return f"<p>{', '.join(map(escape, audit.named))}{more}. They are kept, with easy and random negatives.</p>"


def _articles(several: Sequence[Seen]) -> str:
    return "".join(map(_article, several)) or "<p>None.</p>"


def _article(seen: Seen) -> str:
    bar = "" if seen.threshold is None else f" · threshold {seen.threshold:.3f}"
    return (
        f"<article><p><b>Question</b> {_text(seen.question)}</p><p><b>Known answer</b> {_text(seen.answer)}</p>"
        f"<p><b>Candidate</b> {_text(seen.candidate)}</p>"
        f'<p class="scores">{escape(seen.question_id)} · {escape(seen.doc_id)} · {escape(_scores(seen.scores))}{bar}</p></article>'
    )


def _scores(scores: Mapping[str, float]) -> str:
    return " · ".join(f"{name} {value:.4g}" for name, value in scores.items())


def _text(text: str) -> str:
    return escape(text if len(text) <= CHARACTERS else text[:CHARACTERS] + " …")


def _json(source: Mapping[str, object]) -> str:
    return escape(json.dumps(source, ensure_ascii=False, sort_keys=True))
