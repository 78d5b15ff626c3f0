"""The sections of the two-stage report that hold numbers: tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bicross.evaluation import figures
from bicross.evaluation.changes import Change, said
from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.figures import Dot, Scale, Span
from bicross.evaluation.latency import STAGES
from bicross.evaluation.slices import FEWEST

MINI = (4.0, 116.0)  # where the scale of a small figure begins and ends


def measures(found: Evaluated) -> str:
    """Means with intervals and ceilings."""
    along = Scale(0, 1, *MINI)
    rows = [
        (
            escape(name),
            _value(value, found.confidence[name]),
            f"{found.ceiling[name]:.4f}" if name in found.ceiling else "",
            figures.span(Span(value, found.confidence[name]), along, found.ceiling.get(name)),
        )
        for name, value in found.measures.items()
    ]
    note = (
        f"Means over {found.queries} questions, with intervals. Diamond: the best that any order of what recall found can reach. Scale "
        "0 to 1."
    )
    return _grid(("measure", "mean", "best possible", ""), rows, (1, 2)) + _note(note)


def stages(found: Evaluated) -> str:
    """Where quality is lost, what reranking did, and the scatter."""
    two = found.two_stage
    if two is None:
        return ""
    final, reach, best, ideal = (two.means[name] for name in ("final", "reach", "best", "ideal"))
    behind = "found, not read (a greater depth could get it)" if two.depth else "found, not reranked (a reranker could get it)"
    shares = [
        (f"{two.measure} reached", final, figures.BLUE),
        ("left by the order (a better reranker could get it)", reach - final, figures.ORANGE),
        (behind, best - reach, figures.SKY),
        ("missed at recall (no reranker could)", ideal - best, figures.RED),
        ("out of reach (nothing or too little is judged relevant)", 1 - ideal, figures.GREY),
    ]
    shares = [share for place, share in enumerate(shares) if not place or share[1] > 1e-9]
    kinds = [(escape(kind), str(count)) for kind, count in two.kinds.items()]
    text = f"<p>{escape(two.verdict)}</p>"
    lacking = f"<h3>Questions by what they lack</h3>{_grid(('', 'questions'), kinds, (1,))}"
    left = f"<div><h3>Where the measure goes</h3>{figures.stacked(shares)}{lacking}</div>"
    if not two.depth:
        return f'{text}<div class="pair">{left}</div>'
    dots = [Dot(one.query_id, one.recalled, one.final) for one in two.outcomes]
    right = f"<div><h3>Question by question</h3>{figures.scatter(dots, f'{two.measure} in the order of recall', 'reranked')}</div>"
    told = "<h3>The same hits, in the order of recall and reranked</h3>" + _changes(two.changes, "reranked")
    return f'{text}<div class="pair">{left}{right}</div>{told}'


def baseline(found: Evaluated) -> str:
    """What changed since, and the answers to the rules."""
    against = found.against
    if against is None:
        return ""
    head = f"<p>{escape(against.baseline)} is before, this evaluation is now, on {against.queries} questions that both have.</p>"
    remarks = "".join(f'<p class="remark">{escape(remark)}</p>' for remark in against.remarks)
    rules = "".join(
        f'<li class="{"failed" if check.state == "failed" else ""}"><b>{escape(check.rule)}</b> {escape(check.reason)}.</li>'
        for check in found.checks
    )
    named = [("asked only now", against.only_here), ("only in the baseline", against.only_there)]
    others = "".join(_note(f"{what}: {_named(ids)}") for what, ids in named if ids)
    return head + remarks + _changes(against.changes, "now") + others + (f"<h3>Rules</h3><ul>{rules}</ul>" if rules else "")


def depths(found: Evaluated) -> str:
    """The depth curve, of quality and of latency."""
    curve = found.depths
    if curve is None or not found.depth:
        return ""
    deepest, x_name = curve.points[-1], "candidates read again"
    spans = [(p.depth, Span(p.value, (deepest.value + p.confidence[0], deepest.value + p.confidence[1]))) for p in curve.points]
    quality = figures.curve(spans, x_name, curve.measure, curve.supported)
    rows = [
        (
            str(p.depth),
            f"{p.value:.4f}",
            _difference(p.difference, p.confidence) if p is not deepest else "the deepest",
            _time(p.seconds, p.timed),
        )
        for p in curve.points
    ]
    table = _grid(("depth", curve.measure, "from the deepest", "time"), rows, (0, 1, 2, 3))
    timed = [(p.depth, Span(1000 * p.seconds, None)) for p in curve.points if p.seconds is not None]
    hollow = [p.depth for p in curve.points if not p.timed]
    took = ""
    if timed:
        took = figures.curve(timed, x_name, "milliseconds (median)", curve.supported, hollow, from_zero=True)
    counts = ", ".join(f"{p.timed} at depth {p.depth}" for p in curve.points if p.timed)
    note = (
        f"All depths come from one reading of {deepest.depth} candidates of each of {curve.queries} questions. Upright bars: the interval "
        f"of the difference from the deepest. Times: medians of single questions asked in turn ({counts}); hollow points lie on the line "
        "between them. Dashed: the depth that the data support."
    )
    return f'<p>{escape(curve.sentence)}</p><div class="pair"><div>{quality}</div><div>{took}</div></div>{table}{_note(note)}'


def latency(found: Evaluated) -> str:
    """Percentiles of each stage."""
    if not found.latency:
        return ""
    by_stage = {stage: found.stage_latency[stage] for stage in STAGES if stage in found.stage_latency} | {"total": found.latency}
    names = ("p50", "p95", "p99", "max")
    rows = [(stage, *(seconds(times[name]) for name in names)) for stage, times in by_stage.items()]
    drawn = figures.bars([(stage, times["p50"], times["p95"]) for stage, times in by_stage.items()], seconds)
    note = (
        f"{found.timed} questions asked one by one, models warm, on the machine named below. Bar: median; thin line: 95 of 100 take less. "
        f"Of {found.timed} times p99 is little more than the slowest."
    )
    if found.timed_again:
        note += (
            f" There are so few questions that {found.timed_again} of the searches timed, over all depths, asked one again: late "
            "interaction, which keeps what it has read, is quicker then."
        )
    return f'<div class="pair"><div>{drawn}</div><div>{_grid(("stage", *names), rows, (1, 2, 3, 4))}</div></div>{_note(note)}'


def slices(found: Evaluated) -> str:
    """The leading measure on parts of the questions."""
    if not found.slices or found.two_stage is None:
        return ""
    along = Scale(0, 1, *MINI)
    rows = [
        (
            f'<span class="text">{escape(one.name)}</span>' + small(f"{one.queries} questions"),
            _value(one.value, one.confidence),
            f"{one.best:.4f}",
            _difference(one.gain, one.gain_confidence) if found.depth else "",
            figures.span(Span(one.value, one.confidence), along, one.best),
        )
        for one in found.slices
    ]
    note = (
        "Short and long: the shorter and the longer third of each language's questions. Tags: what the queries' `tag` or `tags` say. "
        f"Parts of fewer than {FEWEST} questions have no interval and prove nothing. Diamond: best possible."
    )
    heads = ("part", found.two_stage.measure, "best possible", "by reranking" if found.depth else "", "")
    return _grid(heads, rows, (1, 2, 3)) + _note(note)


def made_by(found: Evaluated) -> str:
    """Settings, models, files, versions, machine."""
    facts = _flat(found.made_by, "")
    rows = "".join(f'<tr><td class="text">{escape(name)}</td><td class="text">{escape(value)}</td></tr>' for name, value in facts)
    lack = f"{len(found.unknown)} judged documents are not in the collection; the relevant ones count as misses"
    left_out = "".join(f"<li>{escape(skip.id)}: {escape(skip.reason)}</li>" for skip in found.skipped[:20])
    more = f" (the first 20 of {len(found.skipped)})" if len(found.skipped) > 20 else ""
    skipped = f"<p>Left out{more}:</p><ul>{left_out}</ul>" if left_out else ""
    return f'<table class="facts">{rows}</table>{f"<p>{lack}: {_named(found.unknown)}</p>" if found.unknown else ""}{skipped}'


def tongue(language: str) -> str:
    """The attribute that lets a browser set a text in its own fonts."""
    return f' lang="{escape(language)}"' if language else ""


def seconds(value: float) -> str:
    """A time to about two digits."""
    if value < 0.01:
        return f"{1000 * value:.1f} ms"
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"


def small(*lines: str) -> str:
    """Lines below what a cell says first."""
    return "".join(f"<small>{escape(line)}</small>" for line in lines)


def _changes(changes: Sequence[Change], now: str) -> str:
    rows = [
        (
            escape(one.measure),
            f"{one.after:.4f}" + small(f"from {one.before:.4f}"),
            _difference(one.difference, one.confidence),
            escape(one.shown) + small(said(one.adjusted), f"{one.wins} up, {one.losses} down, {one.ties} unchanged"),
        )
        for one in changes
    ]
    return _grid(("measure", now, "difference", "shown"), rows, (1, 2)) + _note("p is the paired test's after Holm's correction.")


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> str:
    """A table of cells that are HTML; the columns `numbers` stand right."""
    kinds = [' class="n"' if column in numbers else "" for column in range(len(head))]
    top = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(head, kinds, strict=True))
    body = "".join("<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _value(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:.4f}" + (f"<small>{interval[0]:.4f} to {interval[1]:.4f}</small>" if interval else "<small>too few</small>")


def _difference(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:+.4f}" + (f"<small>{interval[0]:+.4f} to {interval[1]:+.4f}</small>" if interval else "<small>too few</small>")


def _time(value: float | None, timed: int) -> str:
    return "" if value is None else seconds(value) if timed else f"{seconds(value)}<small>between</small>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _named(ids: Sequence[str], most: int = 20) -> str:
    return ", ".join(map(escape, ids[:most])) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _flat(facts: Mapping[str, Any], above: str) -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name} · ")
        else:
            yield f"{above}{name}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
