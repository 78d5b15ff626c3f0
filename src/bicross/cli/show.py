"""Results for people: plain lines, or with --json the same facts as one object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

from bicross.cli.plain import output, printable
from bicross.cli.progress import short
from bicross.collection.check import Findings, Job, Status
from bicross.evaluation.latency import STAGES
from bicross.records import Hit, Passage, Skip
from bicross.results import Answers, Deleted, Estimated, Foreseen, Indexed, Inspected, RolledBack

T = TypeVar("T")
NAMED = 10  # skipped rows that are named; --json names all
WIDTH = 200  # characters of a passage that are shown


def out(result: T, as_json: bool, lines: Callable[[T], Iterable[str]]) -> None:
    """Print a result on stdout. Raises BrokenPipeError and StoreError where nobody takes it."""
    with output():
        if as_json:
            json.dump(_plain(result), sys.stdout, ensure_ascii=False)
            sys.stdout.write("\n")
            return
        for line in lines(result):
            print(printable(line))


def note(lines: Iterable[str]) -> None:
    """Print lines on stderr, for those who watch."""
    for line in lines:
        print(printable(line), file=sys.stderr)


def indexed(done: Indexed) -> Iterable[str]:
    """What `index` and `reembed` did."""
    yield f"{done.documents} documents, {done.passages} passages in the collection; {done.changed} changed, {done.unchanged} unchanged now"
    rate = f"{done.documents_per_second:.1f} documents/s"
    yield f"{done.embedded} texts embedded, {time_of(done.seconds)} ({rate}), space {done.space.fingerprint[:12]}"
    yield from skips(done.truncated, "truncated")
    yield from skips(done.skipped)


def inspected(found: Inspected) -> Iterable[str]:
    """What `inspect` found."""
    yield f"{found.documents} documents, {found.passages} passages ({found.split} documents would be split)"
    tokens = found.tokens
    yield f"tokens: {tokens.total} in all; a document has {tokens.p50} (median), {tokens.p95} (95 %), {tokens.longest} (longest)"
    largest = max(found.tokens.histogram.values(), default=1)
    for power, count in found.tokens.histogram.items():
        yield f"  up to {power:>7} tokens  {'#' * -(-40 * count // largest):<40} {count}"
    yield "languages: " + ", ".join(f"{tongue} {count}" for tongue, count in found.languages.items() if count)
    yield f"duplicates: {found.duplicates}" + "".join(f"\n  {again} is {first} again" for again, first in found.duplicate_ids)
    yield f"`bicross index` would take about {time_of(found.estimated_seconds)} and {found.estimated_bytes / 1e6:.1f} MB"
    yield from skips(found.truncated, "would be truncated")
    yield from skips(found.skipped)


def answered(answers: Answers) -> Iterable[str]:
    """Questions with their hits."""
    for answer in answers.queries:
        yield answer.text
        if answer.truncated:
            yield "  (longer than the model: its end was not read)"
        if answer.degraded:
            yield f"  (the deadline came first: {answer.reranked} candidates were reranked)"
        if not answer.hits:
            best = (
                "" if answer.probability is None else f"; what was found is relevant with a probability of {answer.probability:.2f} at best"
            )
            yield f"  not answerable{best}" if best else "  nothing found"
        for place, hit in enumerate(answer.hits, start=1):
            yield f"{place:>3}. {hit.doc_id}  {' '.join(answer.titles.get(hit.doc_id, '').split())}".rstrip()
            yield f"     {_stages(hit)}"
            if hit.passage:
                yield from (f"     {stands}" for stands in [_stands(hit.passage)] if stands)
                text = " ".join(hit.passage.text.split())
                yield f"     {text[:WIDTH]}{'…' if len(text) > WIDTH else ''}"
        yield ""
    yield times_of(answers.seconds)


def deleted(done: Deleted) -> Iterable[str]:
    """What `delete` did."""
    yield f"{done.deleted} documents deleted, {done.documents} left"
    if done.unknown:
        yield f"not in the collection: {', '.join(done.unknown[:NAMED])}"


def rolled_back(done: RolledBack) -> Iterable[str]:
    """What `rollback` did."""
    yield f"encoder {done.encoder}, reranker {done.reranker}"
    yield f"{done.embedded} texts embedded, {time_of(done.seconds)}, space {done.space.fingerprint[:12]}"
    yield f"changed: {', '.join(done.changed)}"


def foreseen(found: Foreseen) -> Iterable[str]:
    """What `reembed` would take."""
    yield f"{found.texts} texts would be embedded in about {time_of(found.estimated_seconds)}, {found.estimated_bytes / 1e6:.1f} MB"
    yield f"space {found.space.fingerprint[:12]} ({found.space.dim} dimensions); a dry run: nothing was changed"


def estimated(found: Estimated) -> Iterable[str]:
    """What a verb would take."""
    yield f"{', '.join(f'{count} {what}' for what, count in found.counts.items())}: about {time_of(found.estimated_seconds)}"
    rates = ", ".join(f"{short(rate)} {what}/s" for what, rate in found.rates.items())
    yield f"{f'measured here on a sample: {rates}; ' if rates else ''}a dry run: nothing was written"
    yield from (f"note: {remark}" for remark in found.remarks)
    yield from skips(found.skipped)


def verified(found: Findings) -> Iterable[str]:
    """What `verify` found."""
    looked = f"{found.documents} documents, {found.passages} passages, {found.vectors} vectors, {found.generations} generations"
    looked += f", {found.models} models" if found.models else ""
    yield f"{looked}: {'all as written' if not found.problems else f'{len(found.problems)} problems'}"
    for problem in found.problems[:NAMED]:
        yield f"  {problem.where}: {problem.what}"


def models(found: Mapping[str, Any]) -> Iterable[str]:
    """Names and what they are."""
    for model in found["models"]:
        yield f"{model['name']:<28} {model['what']}"


def status(found: Status) -> Iterable[str]:
    """What `status` found."""
    yield f"{found.documents} documents, {found.passages} passages, {found.bytes / 1e6:.1f} MB"
    yield f"encoder {found.encoder}, " + (
        f"space {found.space.fingerprint[:12]} ({found.space.dim} dimensions, {found.space.similarity})" if found.space else "no space yet"
    )
    used = f"index {found.generation}" + (f" ({found.index})" if found.index else "")
    yield used if found.generation else "no index in use: every passage is compared with the question"
    if found.recall:
        of, at = found.recall["of"], f"recall@{found.recall['k']} {found.recall['mean']:.4f} against the exact scan"
        yield f"{at}, lowest {found.recall['lowest']:.2f}, over {found.recall['queries']} {of}"
    yield from (f"model {model.name}, {model.bytes / 1e6:.1f} MB, {model.use}" for model in found.models)
    if found.tail:
        yield f"{found.tail} passages are not in the index, and are compared one by one; the next `bicross index` takes them in"
    yield from (f"not used: {reason}" for reason in found.refused)
    if found.unfinished:
        yield _job(found.unfinished)


def fields(facts: Mapping[str, Any]) -> Iterable[str]:
    """A line a fact; facts in facts have their names joined by a dot."""
    flat = dict(_flat(facts, ""))
    width = max(map(len, flat), default=0)
    yield from (f"{name:<{width}}  {value}" for name, value in flat.items())


def _flat(facts: Mapping[str, Any], above: str) -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", _value(value)


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    return "none" if value is None or value in ("", {}) else str(value)


def _job(job: Job) -> str:
    began = datetime.fromtimestamp(job.started).astimezone().strftime("%Y-%m-%d %H:%M %Z")
    detail = "; ".join(f"{name} {value}" for name, value in _flat(job.detail, ""))
    advice = "" if job.state == "running" else ". Run the same command again to go on"
    return f"not finished: {job.kind} ({job.state}), begun {began}: {detail}{advice}"


def times_of(seconds: Mapping[str, float]) -> str:
    """Seconds by stage, in the order that stages run."""
    order = [*(stage for stage in STAGES if stage in seconds), *(stage for stage in seconds if stage not in STAGES)]
    return ", ".join(f"{stage} {time_of(seconds[stage])}" for stage in order)


def time_of(seconds: float) -> str:
    """To about two digits, in the unit that suits."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _stages(hit: Hit) -> str:
    parts = [f"{stage} #{place.rank} ({place.score:.3f})" for stage, place in hit.stages.items()]
    chance = f"probability {hit.probability:.2f}  " if hit.probability is not None else ""
    return f"{chance}score {hit.score:.3f}   {'  '.join(parts)}"


def _stands(passage: Passage) -> str:
    """Where a passage stands in its document."""
    return ", ".join([f"page {passage.page}"] * (passage.page is not None) + [passage.heading] * bool(passage.heading))


def skips(skipped: tuple[Skip, ...], what: str = "skipped") -> Iterable[str]:
    """How many were left out, and the first of them by name."""
    if skipped:
        yield f"{len(skipped)} {what}:"
        yield from (f"  {skip.id}: {skip.reason}" for skip in skipped[:NAMED])
        if len(skipped) > NAMED:
            yield f"  … and {len(skipped) - NAMED} more (--json names all)"


def truncated(queries: tuple[str, ...]) -> Iterable[str]:
    """How many questions a model did not read whole, or not with all of a passage, and the first of them."""
    if queries:
        named = ", ".join(queries[:NAMED]) + (", …" if len(queries) > NAMED else "")
        yield f"{len(queries)} questions, or passages read beside them, were longer than a model, which did not read their ends: {named}"


def _plain(result: Any) -> Any:
    if hasattr(result, "as_json"):
        return result.as_json()
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
