"""`evaluate`: questions with known answers asked of a collection, and everything that can be said of what it found."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bicross import ancestry, asking, durable
from bicross.data.languages import language_of
from bicross.data.lines import require_file
from bicross.data.trec import read_run, write_run
from bicross.errors import InputError
from bicross.evaluation import baseline, depths, regression, worst
from bicross.evaluation.by_slice import by_slice
from bicross.evaluation.compare import FEW, differences, unseen
from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.latency import by_stage
from bicross.evaluation.metrics import Values, parse_measure, per_query
from bicross.evaluation.page import page
from bicross.evaluation.probabilities import probabilities
from bicross.evaluation.report import report
from bicross.evaluation.slices import slices
from bicross.evaluation.two_stage import NONE, TwoStage, credited, first, looked, two_stage
from bicross.opened import OpenCollection
from bicross.protocols import Progress, silent
from bicross.provenance import hashed, made_by
from bicross.records import Qrels, Query, Run, Skip
from bicross.searchers.explained import was_read
from bicross.searchers.reading import in_order
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import EvaluateSettings, SearchSettings

CLIPPED = 100  # characters of a question in the table of all


def evaluate(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    settings: SearchSettings = SearchSettings(k=100),
    measuring: EvaluateSettings = EvaluateSettings(),
    run_path: Path | None = None,
    progress: Progress = silent,
    report_path: Path | None = None,
    against_path: Path | None = None,
) -> Evaluated:
    """Measure search on questions with known answers, recall and reranking apart; a question that finds nothing counts 0.

    Only the questions that the qrels judge are asked. Latency is of some of them asked one by one. `report_path`: a page to read.
    `against_path`: a baseline, the JSON of an earlier evaluation or a TREC run; the rules `measuring.fail_if` are judged against it.

    Raises:
        InputError: a file, measure or rule is not what it should be, or no question of the qrels is among the queries or in the baseline.
    """
    given = given_of(queries_path, qrels_path, settings, measuring, run_path, report_path, against_path)
    asked, qrels, skipped, settings, measuring, rules, before, page_path = given
    read = [(query.id, query.text) for query in asked]
    files = {"queries": hashed(queries_path, read), "qrels": hashed(qrels_path, {query: dict(grades) for query, grades in qrels.items()})}

    with OpenCollection(path) as collection:
        revision = collection.view.revision
        run, result = _measured(collection, asked, qrels, settings, measuring, progress)
        made = made_by(collection, settings, measuring, files)
        remarks = [*result.remarks, *ancestry.remarks(path, collection.facts, asked), *_moved(revision, made["contents"]["revision"])]
    shown = str(report_path) if report_path else None
    result = replace(result, skipped=tuple(skipped), remarks=tuple(remarks), made_by=made, report=shown)
    if before is not None:
        changed = baseline.against(before, result.per_query, made, measuring)
        result = replace(result, against=changed, checks=_checked(rules, before, changed, result.per_query, measuring))
    if run_path is not None:
        write_run(run_path, run)
    if page_path is not None:
        durable.write_file(page_path, page(result).encode())
    return result


class Given(NamedTuple):
    """What is measured, and against what. The settings look as deep as the measures do, and measure what the rules name, too."""

    asked: list[Query]
    qrels: Qrels
    skipped: list[Skip]
    settings: SearchSettings
    measuring: EvaluateSettings
    rules: list[regression.Rule]
    before: baseline.Baseline | None
    page_path: Path | None


def given_of(
    queries_path: Path,
    qrels_path: Path,
    settings: SearchSettings,
    measuring: EvaluateSettings,
    run_path: Path | None,
    report_path: Path | None,
    against_path: Path | None,
) -> Given:
    """What cannot end well is refused before anything is asked. Raises InputError as `evaluate`."""
    rules = [regression.parse_rule(rule) for rule in measuring.fail_if]
    measuring = measuring.model_copy(update={"measures": tuple(dict.fromkeys([*measuring.measures, *(rule.measure for rule in rules)]))})
    cutoffs = [parse_measure(name).params.get("cutoff", 0) for name in measuring.measures]
    settings = settings.model_copy(update={"k": max(settings.k, *cutoffs)})
    if run_path is not None:
        durable.writable_target(run_path, "A run")
    page_path = durable.writable_target(report_path, "The report") if report_path else None
    asked, qrels, skipped = asking.judged(queries_path, qrels_path)
    before = _baseline(against_path, qrels, measuring, rules)
    return Given(asked, qrels, skipped, settings, measuring, rules, before, page_path)


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
    depth, stopwatch, truncated = collection.depth(settings), Stopwatch(), set[str]()
    steps = depths.timed_steps(depth)
    times = asking.timed(collection, asked, settings, steps)
    # Recall is seen as far down as any measure looks, so that what it found does not depend on how many hits are shown.
    seen = max(settings.k, *(looked(name, depth, settings.k) for name in measuring.measures))
    wide = settings.model_copy(update={"k": seen})
    found = Run(settings.stage, asking.ranked(collection, asked, wide, stopwatch, progress, truncated))
    recalled = Run("recalled", asking.recalled(collection, asked, wide, found.rankings, progress))
    final = credited(recalled, found)
    two = two_stage(recalled, found, qrels, depth, settings.k, measuring)
    run, totals = first(final, settings.k), [one["total"] for one in times[depth]]
    measured = report(run, qrels, measuring, two.ceiling, totals)
    calibration = collection.weights.calibration.get(collection.kind(settings))
    fitted = ancestry.marked(asked, calibration.fitted_to) if calibration and calibration.fitted_to else None
    told, curve = [], None
    if collection.adaptive(settings):  # what was not read has no place at other depths
        read = sum(was_read(hit) for ranking in found.rankings.values() for hit in ranking) / len(asked)
        told = [f"Of at most {depth} candidates each question has as many read as can change its first places: {read:.1f} on average."]
    else:
        curve = _curve(recalled, qrels, depth, settings.k, collection.weights.combination, times, measuring)
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
        truncated=tuple(query.id for query in asked if query.id in truncated),
        two_stage=two,
        depths=curve,
        stage_latency=by_stage(times[depth]),
        timed=len(totals),
        timed_again=asking.asked_again(asked, steps),
        slices=by_slice(two.outcomes, slices(asked, language_of), measuring),
        probabilities=probabilities(final.rankings, qrels, min(settings.k, SearchSettings().k), fitted),
        worst=_worst(collection, asked, qrels, first(recalled, two.looked), first(final, two.looked), two),
        texts={query.id: worst.clipped(query.text, language_of(query.text), CLIPPED) for query in asked},
        remarks=(*told, *_remarks(two, measured.per_query[two.measure], len(truncated), measuring.confidence)),
    )
    return _Measured(run, result)


def _curve(
    recalled: Run,
    qrels: Qrels,
    deepest: int,
    k: int,
    weights: Mapping[str, float],
    times: asking.Times,
    measuring: EvaluateSettings,
) -> depths.DepthCurve:
    measure, values = measuring.measures[0], {}
    for depth in depths.steps(deepest):
        run = Run(f"depth {depth}", {query: in_order(ranking, depth, weights)[:k] for query, ranking in recalled.rankings.items()})
        values[depth] = per_query([measure], qrels, run)[measure]
    return depths.depth_curve(measure, values, {depth: [time["total"] for time in several] for depth, several in times.items()}, measuring)


def _worst(
    collection: OpenCollection,
    queries: Sequence[Query],
    qrels: Qrels,
    recalled: Run,
    final: Run,
    two: TwoStage,
) -> tuple[worst.WorstQuestion, ...]:
    """The worst questions with the titles and texts that are shown of them."""
    before, after = recalled.rankings, final.rankings
    chosen, by_id = worst.worst_of(two.outcomes), {query.id: query for query in queries}
    ids = [outcome.query_id for _, outcome in chosen]
    missing = {doc for query in ids for doc in worst.missing_ids(before[query], qrels[query])[: worst.DEEPER]}
    with collection.snapshot():
        titles = collection.corpus.titles(missing | {hit.doc_id for query in ids for hit in before[query]})
        passages = collection.corpus.of_documents(missing)
    library = worst.Library(titles, {doc: several[0].text for doc, several in passages.items() if several}, language_of)
    return tuple(
        worst.worst_question(place, one, by_id[one.query_id], before[one.query_id], after[one.query_id], qrels[one.query_id], library)
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
        if run.rankings.keys().isdisjoint(qrels):
            raise InputError(f"The run {path} has none of the {len(qrels)} questions that are judged; expected the same query ids in both.")
        missing = len(qrels.keys() - run.rankings.keys())  # a question that found nothing has no line in a run
        found = baseline.Baseline(path.name, per_query(measuring.measures, qrels, run), missing=missing)
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
        moved[rule.measure] = differences(before.values[rule.measure], both)
    return regression.judge(rules, changed.changes, moved, measuring)


def _remarks(two: TwoStage, values: Mapping[str, float], truncated: int, confidence: float) -> list[str]:
    """What a reader should know before believing the numbers."""
    asked, remarks = len(two.outcomes), []
    if asked < FEW:
        remarks.append(f"Only {asked} questions: so few can prove little, and the intervals hold the truth less often than they say.")
    if len(set(values.values())) == 1 and asked > 1:
        remarks.append(
            f"All {asked} questions have the same {two.measure}. That is no certainty: up to {unseen(asked, confidence):.1%} of such "
            "questions may well do otherwise, which its interval allows for (the rule of three, Hanley and Lippman-Hand 1983)."
        )
    if none := two.kinds[NONE]:
        remarks.append(f"{none} questions have no document that is judged relevant: they count 0 whatever is found.")
    if two.uncredited:
        remarks.append(
            f"{two.uncredited} hits that recall did not find stood in the final order. They are left out of every figure: what is credited "
            "to reranking must have been among its candidates."
        )
    if truncated:
        remarks.append(f"{truncated} questions, or passages read beside them, were longer than a model, which did not read their ends.")
    return remarks


def _moved(before: int, after: int) -> list[str]:
    if before == after:
        return []
    return [f"Documents were written while the questions were asked (revision {before} to {after}): the figures are of no one state."]
