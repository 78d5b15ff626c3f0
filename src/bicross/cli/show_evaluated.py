"""The terminal summary of `evaluate`; its report and its JSON say more of the same."""

from __future__ import annotations

from collections.abc import Iterable

from bicross.cli.show import NAMED, skips, time_of, times_of
from bicross.evaluation.changes import said
from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.latency import STAGES

WORST, WORST_WIDTH = 3, 80  # questions, and characters of each
PARTS = 8  # that are named; the report has all


def evaluated(found: Evaluated) -> Iterable[str]:
    """Measures with intervals, what the two stages did, the worst questions, parts, probabilities, latency, and what changed."""
    depth = f", depth {found.depth}" if found.depth else ""
    yield f"{found.queries} questions, stage {found.stage}{depth}"
    for name, value in found.measures.items():
        low, high = found.confidence[name]
        yield f"  {name:<10} {value:.4f}  [{low:.4f}, {high:.4f}]   best possible after recall {found.ceiling[name]:.4f}"
    yield from (f"note: {remark}" for remark in found.remarks)
    yield from _stages_apart(found)
    yield from _parts(found)
    yield from _probabilities(found)
    yield from _latency(found)
    yield f"all questions: {times_of(found.seconds)}"
    yield from _against(found)
    if found.unknown:
        named = ", ".join(found.unknown[:NAMED]) + (", …" if len(found.unknown) > NAMED else "")
        yield f"{len(found.unknown)} judged documents are not in the collection; those judged relevant count as misses: {named}"
    yield from skips(found.skipped)
    if found.report:
        yield f"report: {found.report}"


def _stages_apart(found: Evaluated) -> Iterable[str]:
    """What reranking did, the depth that the data support, and the questions that lack most."""
    if found.two_stage is not None:
        yield found.two_stage.verdict
        yield "questions: " + "; ".join(f"{count} {kind}" for kind, count in found.two_stage.kinds.items() if count)
    if found.depths is not None and found.depth:
        yield found.depths.sentence
    for one in sorted(found.worst, key=lambda one: one.place)[:WORST]:
        text = " ".join(one.text.split())
        yield f"  worst {one.place}: {text[:WORST_WIDTH]}{'…' if len(text) > WORST_WIDTH else ''} ({one.outcome.kind})"


def _parts(found: Evaluated) -> Iterable[str]:
    """The leading measure on languages, short and long questions, and tags, those of a few questions left out."""
    shown = [f"{one.name} {one.value:.4f} ({one.queries})" for one in found.slices if one.confidence is not None]
    if shown and found.two_stage is not None:
        more = f", and {len(shown) - PARTS} more" if len(shown) > PARTS else ""
        yield f"{found.two_stage.measure} on parts (questions): {', '.join(shown[:PARTS])}{more}"


def _probabilities(found: Evaluated) -> Iterable[str]:
    """How far those that search shows can be believed."""
    if found.probabilities is not None:
        seen = found.probabilities
        low, high = seen.reliability.confidence
        chance = f"{seen.reliability.by_chance:.3f} if every probability were right"
        yield f"probabilities: expected calibration error {seen.reliability.error:.3f} [{low:.3f}, {high:.3f}] ({chance}), {seen.hits} hits"


def _latency(found: Evaluated) -> Iterable[str]:
    """Percentiles of single questions, and of the stages that they went through."""
    if found.latency:
        yield "one question alone: " + ", ".join(f"{name} {time_of(seconds)}" for name, seconds in found.latency.items())
    times = {stage: found.stage_latency[stage] for stage in STAGES if stage in found.stage_latency}
    if stages := [f"{stage} {time_of(of['p50'])} ({time_of(of['p95'])})" for stage, of in times.items()]:
        yield f"  of that, p50 (p95): {', '.join(stages)}"


def _against(found: Evaluated) -> Iterable[str]:
    """What changed since the baseline, and what the rules say."""
    if found.against is None:
        return
    yield f"against {found.against.baseline}, on {found.against.queries} questions that both have:"
    for one in found.against.changes:
        low, high = one.confidence
        yield (
            f"  {one.measure:<10} {one.before:.4f} -> {one.after:.4f}  {one.difference:+.4f} [{low:+.4f}, {high:+.4f}]   {one.shown} "
            f"({said(one.adjusted)} after Holm; {one.wins} up, {one.losses} down, {one.ties} unchanged)"
        )
    yield from (f"note: {remark}" for remark in found.against.remarks)
    yield from (f"rule {check.rule!r} {check.reason}" for check in found.checks)
