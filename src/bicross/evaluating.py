"""`evaluate`: questions with known answers asked of a collection, and everything that can be said of what it found."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bicross import asking, durable
from bicross.data.languages import language_of
from bicross.data.lines import require_file
from bicross.data.trec import check_run_path, read_run, write_run
from bicross.errors import InputError
from bicross.evaluation import baseline, depths, regression, worst
from bicross.evaluation.by_slice import by_slice
from bicross.evaluation.changes import differences
from bicross.evaluation.compare import FEW
from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.latency import by_stage
from bicross.evaluation.metrics import Values, parse_measure, per_query
from bicross.evaluation.page import page
from bicross.evaluation.report import report
from bicross.evaluation.slices import slices
from bicross.evaluation.two_stage import TwoStage, two_stage
from bicross.opened import OpenCollection
from bicross.provenance import hashed, made_by
from bicross.records import Qrels, Query, Ranking, Run
from bicross.searchers.combination import combine
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import EvaluateSettings, SearchSettings
from bicross.vectors import best_first

Progress = Callable[[str, int, int], None]


def evaluate(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    settings: SearchSettings,
    measuring: EvaluateSettings,
    run_path: Path | None,
    report_path: Path | None,
    against_path: Path | None,
    progress: Progress,
) -> Evaluated:
    """See `pipeline.evaluate`."""
    # What cannot end well is refused before anything is asked.
    rules = [regression.parse_rule(rule) for rule in measuring.fail_if]
    measuring = measuring.model_copy(update={"measures": tuple(dict.fromkeys([*measuring.measures, *(rule.measure for rule in rules)]))})
    cutoffs = [parse_measure(name).params.get("cutoff", 0) for name in measuring.measures]
    settings = settings.model_copy(update={"k": max(settings.k, *cutoffs)})
    if run_path is not None:
        check_run_path(run_path)
    if report_path is not None:
        _check_page(report_path)
    asked, qrels, skipped = asking.judged(queries_path, qrels_path)
    before = _baseline(against_path, qrels, measuring, rules)
    read = [(query.id, query.text) for query in asked]
    files = {"queries": hashed(queries_path, read), "qrels": hashed(qrels_path, {query: dict(grades) for query, grades in qrels.items()})}

    with OpenCollection(path) as collection:
        found = _measured(collection, asked, qrels, settings, measuring, progress)
        made = made_by(collection, settings, measuring, files)
    run, result = found.run, replace(found.result, skipped=tuple(skipped), made_by=made, report=str(report_path) if report_path else None)
    if before is not None:
        hashes = {what: entry["sha256"] for what, entry in files.items()}
        changed = baseline.against(before, result.per_query, hashes, measuring)
        result = replace(result, against=changed, checks=_checked(rules, before, changed, result.per_query, measuring))
    if run_path is not None:
        write_run(run_path, run)
    if report_path is not None:
        durable.write_file(Path(os.path.realpath(report_path)), page(result).encode())
    return result


class _Measured(NamedTuple):
    run: Run
    result: Evaluated


def _measured(
    collection: OpenCollection,
    asked: Sequence[Query],
    qrels: Qrels,
    settings: SearchSettings,
    measuring: EvaluateSettings,
    progress: Progress,
) -> _Measured:
    """Ask, and take apart what was found."""
    depth, stopwatch = collection.depth(settings), Stopwatch()
    times = asking.timed(collection, asked, settings, depths.timed_steps(depth))
    found = asking.ranked(collection, asked, collection.all_candidates(settings), stopwatch, progress)
    recalled = {query: in_recall_order(ranking, depth) for query, ranking in found.items()}
    run = Run(settings.stage, {query: ranking[: settings.k] for query, ranking in found.items()})
    totals = [one["total"] for one in times[depth]]
    measured = report(run, qrels, measuring, Run("recalled", found), totals)
    two = two_stage(Run("recalled", recalled), Run(settings.stage, found), qrels, depth, settings.k, measuring)
    result = Evaluated(
        stage=settings.stage,
        depth=depth,
        queries=len(asked),
        measures=measured.means,
        confidence=measured.confidence,
        ceiling=measured.ceiling,
        per_query=measured.per_query,
        latency=measured.latency,
        seconds=stopwatch.seconds,
        unknown=collection.absent({document for grades in qrels.values() for document in grades}),
        two_stage=two,
        depths=_curve(recalled, qrels, depth, settings.k, collection.weights.combination, times, measuring),
        stage_latency=by_stage(times[depth]),
        timed=len(totals),
        slices=by_slice(two.outcomes, slices(asked, language_of), measuring),
        worst=_worst(collection, asked, qrels, recalled, found, two),
        remarks=tuple(_remarks(two, measured.per_query[two.measure])),
    )
    return _Measured(run, result)


def in_recall_order(ranking: Ranking, depth: int) -> Ranking:
    """A ranking of which `depth` candidates were reranked, as recall gave it."""
    return tuple(sorted(ranking, key=lambda hit: hit.stages["fused"].rank)) if depth else ranking


def at_depth(recalled: Ranking, depth: int, weights: Mapping[str, float]) -> Ranking:
    """The ranking that a search with another depth would give, out of the scores of a deeper one: candidates are standardised anew."""
    candidates = recalled[:depth]
    finals = combine(candidates, weights).tolist() if candidates else []
    ranked = best_first(replace(hit, score=score) for hit, score in zip(candidates, finals, strict=True))
    return (*ranked, *recalled[depth:])


def _curve(
    recalled: Mapping[str, Ranking],
    qrels: Qrels,
    deepest: int,
    k: int,
    weights: Mapping[str, float],
    times: asking.Times,
    measuring: EvaluateSettings,
) -> depths.DepthCurve:
    measure, values = measuring.measures[0], {}
    for depth in depths.steps(deepest):
        run = Run(f"depth {depth}", {query: at_depth(ranking, depth, weights)[:k] for query, ranking in recalled.items()})
        values[depth] = per_query([measure], qrels, run)[measure]
    return depths.depth_curve(measure, values, {depth: [time["total"] for time in several] for depth, several in times.items()}, measuring)


def _worst(
    collection: OpenCollection,
    queries: Sequence[Query],
    qrels: Qrels,
    recalled: Mapping[str, Ranking],
    final: Mapping[str, Ranking],
    two: TwoStage,
) -> tuple[worst.WorstQuestion, ...]:
    """The worst questions with the titles and texts that are shown of them."""
    chosen, by_id = worst.worst_of(two.outcomes), {query.id: query for query in queries}
    ids = [outcome.query_id for _, outcome in chosen]
    missing = {doc for query in ids for doc in worst.missing_ids(recalled[query], qrels[query])[: worst.DEEPER]}
    with collection.snapshot():
        titles = collection.corpus.titles(missing | {hit.doc_id for query in ids for hit in recalled[query]})
        passages = collection.corpus.of_documents(missing)
    library = worst.Library(titles, {doc: several[0].text for doc, several in passages.items() if several}, language_of)
    return tuple(
        worst.worst_question(place, one, by_id[one.query_id], recalled[one.query_id], final[one.query_id], qrels[one.query_id], library)
        for place, one in chosen
    )


def _baseline(path: Path | None, qrels: Qrels, measuring: EvaluateSettings, rules: Sequence[regression.Rule]) -> baseline.Baseline | None:
    """The values of before: those that a JSON holds, or those of a TREC run, measured by the same judgements."""
    if path is None:
        if rules:
            raise InputError(f"The rule {str(rules[0])!r} has nothing to be judged against; name a baseline with --against.")
        return None
    require_file(path, "what `bicross evaluate --json > FILE` wrote, or a TREC run")
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if content.lstrip().startswith(b"{"):
        found = baseline.parse_baseline(path.name, content.decode("utf-8", "replace"))
    else:
        run = read_run(path)
        both = {query: grades for query, grades in qrels.items() if query in run.rankings}
        if not both:
            raise InputError(f"The run {path} has none of the {len(qrels)} questions that are judged; expected the same query ids in both.")
        found = baseline.Baseline(path.name, per_query(measuring.measures, both, run), {})
    for rule in rules:
        if rule.measure not in found.values:
            raise InputError(f"{path} has no {rule.measure}, which the rule {str(rule)!r} names; it has {', '.join(found.values)}.")
    return found


def _checked(
    rules: Sequence[regression.Rule],
    before: baseline.Baseline,
    changed: baseline.Against,
    values: Values,
    measuring: EvaluateSettings,
) -> tuple[regression.Check, ...]:
    lost = set(changed.only_here)
    moved = {}
    for rule in rules:
        both = {query: value for query, value in values[rule.measure].items() if query not in lost}
        moved[rule.measure] = differences(before.values, {rule.measure: both}, rule.measure)
    return regression.judge(rules, changed.changes, moved, measuring)


def _remarks(two: TwoStage, values: Mapping[str, float]) -> list[str]:
    """What a reader should know before believing the numbers."""
    asked, remarks = len(two.outcomes), []
    if asked < FEW:
        remarks.append(f"Only {asked} questions: so few can prove little, and the intervals hold the truth less often than they say.")
    if len(set(values.values())) == 1 and asked > 1:
        remarks.append(
            f"All {asked} questions have the same {two.measure}, so that its interval has no width. That is no certainty: up to "
            f"{min(1.0, 3 / asked):.1%} of such questions may well do otherwise (the rule of three, Hanley and Lippman-Hand 1983)."
        )
    if none := sum(not one.relevant for one in two.outcomes):
        remarks.append(f"{none} questions have no document that is judged relevant: they count 0 whatever is found.")
    return remarks


def _check_page(path: Path) -> None:
    """Whether the report can be written there; asked before the work that makes it."""
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else f"the folder {path.parent} does not exist"
        raise InputError(f"The report cannot be written to {path}: {what}. Name a file in a folder that exists.")
