"""The two-stage report as one page: what to know first, the three worst questions, then everything that they rest on."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from bicross.evaluation.compare import FEW, ROUNDING
from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.page_probabilities import probabilities
from bicross.evaluation.page_questions import questions
from bicross.evaluation.page_sections import baseline, depths, latency, made_by, measures, seconds, slices, small, stages, tongue
from bicross.evaluation.page_worst import anchor, worst
from bicross.evaluation.two_stage import FINE, NONE, TwoStage
from bicross.evaluation.worst import TOP, clipped
from bicross.html_page import document, section

CLIPPED = 160  # characters of a question at the top of the page
STYLE = """
body { max-width: 68rem; }
h2 { margin-top: 2.2rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } h4 { margin: 0; font-size: 1rem; }
p, li, h1, h4, .text { overflow-wrap: anywhere; } td { overflow-wrap: break-word; }
p { margin: .4rem 0; max-width: 52rem; } ul { margin: .4rem 0; padding-left: 1.2rem; }
a { color: #0b57a4; } small { color: #555; font-size: .82rem; }
nav { font-size: .9rem; margin: .8rem 0; } nav a { margin-right: .9rem; white-space: nowrap; }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem 2.2rem; margin: .8rem 0; } .tiles div { line-height: 1.3; }
.tiles b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.failed { border-left: 3px solid #d55e00; padding-left: .7rem; }
table { max-width: 100%; } .wide { width: 100%; } th { border-bottom: 1px solid #ccc; font-size: .87rem; }
td { border-bottom: 1px solid #eee; padding: .25rem .9rem .25rem 0; } td small { display: block; }
td.n, th.n { text-align: right; } td.n { white-space: nowrap; }
table.facts { table-layout: fixed; width: 100%; } table.facts td:first-child { color: #555; width: 15rem; }
svg.figure { max-width: 32rem; } svg.reliability { max-width: 24rem; } svg.mini { width: 120px; }
summary { cursor: pointer; } .scroll { overflow-x: auto; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem 2.5rem; } .pair > * { min-width: 0; }
article { padding: .9rem 0; break-inside: auto; } article li { break-inside: avoid; } article:target { background: #fffbe9; }
.sides ol { list-style: none; margin: .2rem 0; padding: 0; } .sides li b { color: inherit; }
.sides li { border-left: 4px solid #ddd; padding: 0 0 .1rem .6rem; margin: .45rem 0; }
.sides li.relevant { border-color: #009e73; }
.tag { display: block; font-size: .82rem; color: #666; } .relevant .tag { color: #00664a; font-weight: 600; }
@media (max-width: 700px) {
  body { margin-top: 1rem; } .pair { grid-template-columns: 1fr; } td, th { padding-right: .5rem; }
  .tiles { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem 1rem; } .tiles b { font-size: 1.3rem; }
  .first { display: flex; flex-direction: column; } .first .wide { order: -1; }
  .first td a { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
  table { width: 100%; } td.n small { white-space: normal; } svg.mini { display: none; }
  td .text { min-width: 5rem; display: inline-block; } table.facts td:first-child { width: 8.5rem; }
}
@media print {
  .pair { grid-template-columns: 1fr 1fr; } nav { display: none; } a { color: inherit; text-decoration: none; }
  svg.figure { break-inside: avoid; max-width: 24rem; } tr { break-inside: avoid; }
}
"""
SECTIONS: tuple[tuple[str, str, Callable[[Evaluated], str]], ...] = (
    ("Measures", "measures", measures),
    ("Recall and reranking apart", "stages", stages),
    ("Against the baseline", "baseline", baseline),
    ("Depth", "depth", depths),
    ("Time of a single question", "time", latency),
    ("Languages, lengths, tags", "slices", slices),
    ("Probabilities", "probabilities", probabilities),
    ("The worst questions", "worst", worst),
    ("All questions", "questions", questions),
    ("Made by", "made", made_by),
)
READING = """
<p>Every mean is over questions, each counting alike; a question that finds nothing counts 0. <b>Intervals</b> hold the true mean of such
questions at the confidence named, as far as these questions are drawn like those to come. <b>Better</b> and <b>worse</b> are said only
where the paired randomisation test says so after Holm's correction over the measures of its table, and the interval does not hold 0;
anything else is <i>no difference shown</i>, which is not the same as no difference.</p>
<p><b>Best possible</b> is the measure if all that recall found stood in the best order: no reranker can pass it. What lacks between it
and the ideal was <b>missed at recall</b>. What the reranker read can be put into a better order by a better reranker; what was <b>found,
not read</b> stands behind the candidates, and only a greater depth reaches it. Found is what stands among the first hundred hits of
recall, or more where more are read or measured. A question is <b>lost at rerank</b> where the order of recall was better. The intervals of
slices and depths are not corrected for their number: of twenty, one is expected to be wrong.</p>
"""


def page(found: Evaluated) -> str:
    """The whole page, as HTML in one string."""
    drawn = [(title, at, draw(found)) for title, at, draw in SECTIONS]
    links = " ".join(f'<a href="#{at}">{escape(title)}</a>' for title, at, body in drawn if body)
    name, date = str(found.made_by.get("collection", "")), str(found.made_by.get("date", ""))
    depth = f"depth {found.depth}" if found.depth else "no reranking"
    parts = [
        f"<h1>Search report: {escape(name)}</h1>",
        f'<p class="note">{escape(date)} · {found.queries} questions with known answers · stage {escape(found.stage)}, {depth}</p>',
        *(f'<p class="failed"><b>Regression gate</b> {escape(check.reason)}.</p>' for check in found.failed),
        _tiles(found),
        '<div class="first"><ul>' + "".join(f"<li>{escape(line)}</li>" for line in in_words(found)) + "</ul>",
        *(f'<p class="remark">{escape(remark)}</p>' for remark in found.remarks),
        f"{_worst_first(found)}</div>",
        f"<nav>{links}</nav>",
        *(section(title, body, at) for title, at, body in drawn if body),
        section("How to read this", READING, "reading"),
    ]
    return document(f"Search report: {name}", parts, STYLE)


def in_words(found: Evaluated) -> list[str]:
    """What the numbers say, in sentences that count questions instead of quoting scores."""
    lines = [] if found.two_stage is None else _stages_in_words(found.two_stage)
    if found.depths is not None and found.depth:
        supported, deepest = found.depths.supported, found.depths.points[-1].depth
        if found.depths.queries < FEW:
            lines.append("So few questions do not say how many candidates are worth reading again.")
        elif supported is None:
            lines.append(f"How many candidates are read again, up to {deepest}, makes no difference that these questions show.")
        elif supported == deepest:
            lines.append(f"All {deepest} candidates that were read are worth it; more may be, too.")
        else:
            lines.append(f"Reading {supported} candidates again does about as well as reading {deepest}.")
    if found.against is not None:
        said = ", ".join(f"{change.measure} {change.shown}" for change in found.against.changes)
        lines.append(f"Against {found.against.baseline}, on {found.against.queries} questions that both have: {said}.")
    if found.latency:
        lines.append(
            f"One question alone takes about {seconds(found.latency['p50'])}, one in twenty more than {seconds(found.latency['p95'])}."
        )
    return lines


def _stages_in_words(two: TwoStage) -> list[str]:
    asked, cut = len(two.outcomes), re.search(r"@(\d+)$", two.measure)
    place = f"among the first {cut[1]} hits" if cut else "among the hits"
    answerable = [one for one in two.outcomes if one.kind != NONE]
    answered, short = sum(one.final > 0 for one in answerable), sum(one.ideal > one.best + ROUNDING for one in answerable)
    read = f", {two.read} of them among the {two.depth} that were read again" if two.depth else ""
    lines = [
        f"{answered} of {len(answerable)} questions have a relevant document {place}; {two.kinds[FINE]} are answered as well as can be.",
    ]
    lines.append(
        f"Recall found {two.found} of {two.relevant} relevant documents in its first {two.looked} hits{read}; for {short} questions what "
        "it missed costs something."
    )
    if two.kinds[NONE]:
        lines.append(f"{two.kinds[NONE]} more questions have no document that is judged relevant.")
    if two.depth:
        change = two.changes[0]
        said = {
            "better": "Reranking helps",
            "worse": "Reranking harms",
            "no difference shown": "Reranking makes no difference that is shown",
        }
        lines.append(f"{said[change.shown]}: of {asked} questions, {change.wins} up, {change.losses} down, {change.ties} unchanged.")
    return lines


def _tiles(found: Evaluated) -> str:
    name, value = next(iter(found.measures.items()))
    low, high = found.confidence[name]
    tiles = [
        (f"{value:.4f}", f"{name}, interval {low:.4f} to {high:.4f}"),
        (f"{found.ceiling[name]:.4f}", "best possible after recall"),
    ]
    if found.depth and found.two_stage is not None:
        tiles.append((f"{found.two_stage.means['reach']:.4f}", f"best possible at depth {found.depth}"))
        change = found.two_stage.changes[0]
        tiles.append((f"{change.difference:+.4f}", f"by reranking ({change.shown})"))
    if found.latency:
        tiles.append((seconds(found.latency["p50"]), f"median of {found.timed} single questions"))
    drawn = "".join(f"<div><b>{escape(big)}</b><small>{escape(said)}</small></div>" for big, said in tiles)
    return f'<div class="tiles">{drawn}</div>'


def _worst_first(found: Evaluated) -> str:
    """The three worst of all questions, with links to their hits."""
    first = sorted((one for one in found.worst if one.place <= TOP), key=lambda one: one.place)
    if not first or found.two_stage is None:
        return "<p>No question lacks anything that is judged relevant.</p>"
    rows = "".join(
        f'<tr><td class="text"><a href="#{anchor(one)}"{tongue(one.language)}>{escape(clipped(one.text, one.language, CLIPPED))}</a>'
        f"{small(one.outcome.kind)}</td>"
        f'<td class="n">{one.outcome.final:.2f}<small>of {one.outcome.ideal:.2f}</small></td>'
        f'<td class="n">{one.outcome.found}<small>of {one.outcome.relevant}</small></td></tr>'
        for one in first
    )
    numbers = "".join(f'<th class="n">{escape(name)}</th>' for name in (found.two_stage.measure, "relevant found"))
    return f'<table class="wide"><tr><th>The {len(first)} worst questions</th>{numbers}</tr>{rows}</table>'
