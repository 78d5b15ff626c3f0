"""`tune` from beginning to end: the plan, the rounds, the measurement, the verdict, the promotion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from bicross import durable
from bicross.ancestry import Ancestry, ancestry, digest
from bicross.collection.store import Collection, Facts
from bicross.data.splits import folds, split
from bicross.models import names, registry
from bicross.opened import OpenCollection
from bicross.protocols import Progress
from bicross.records import Query
from bicross.results import Tuned
from bicross.searchers.weights import Weights
from bicross.settings import TuneSettings
from bicross.tuning.bases import trainable
from bicross.tuning.fitting import fit_weights
from bicross.tuning.loop import FOLDS, Task, mine, train_encoder, train_rerankers
from bicross.tuning.measure import at_depth, side_by_side
from bicross.tuning.merging import merged
from bicross.tuning.mined import AUDIT, MINED
from bicross.tuning.plan import HELD_SHARE, Plan
from bicross.tuning.promote import model_name, own, promote
from bicross.tuning.questions import Questions, inputs_of
from bicross.tuning.rates import plan_of
from bicross.tuning.run import FOLDER, VALUE, Run, json_bytes
from bicross.upsert import fill

WEIGHTS = "weights"
MADE = ("data", "settings", "seed")  # what a promoted run must share with the one asked for: it changed the models itself
BRIEF = ("questions", "positives", "kinds", "thresholds", "auc", "leak", "without_hard", "without_negatives", "remarks")  # of an audit


def tune(
    path: Path, questions: Questions, settings: TuneSettings, dry_run: bool, progress: Progress, planned: Callable[[Tuned], None]
) -> Tuned:
    """Run the loop, or go on with it where it was interrupted; the same questions and settings find the same run again.

    Raises:
        InputError: models that cannot be trained, or a budget that is too short. Locked: another process writes to the collection, or
        runs the same. StoreError: the collection's models were changed meanwhile.
    """
    with OpenCollection(path) as collection:
        inputs = inputs_of(collection, questions, settings)
        depth = settings.depth or collection.weights.depth
        run = _promoted(path / FOLDER, inputs, collection.facts) or Run.of(path / FOLDER, inputs)

        def plan(measured: bool) -> dict[str, Any]:
            return plan_of(collection, questions, settings, depth, measured, progress)

        if dry_run:
            return _dry(questions, plan(measured=True), run, "a dry run: nothing was done")
        with run.locked():
            if not run.done("outcome"):
                estimated = run.value("plan", lambda: plan(measured=False))
                planned(_dry(questions, estimated, run, "it begins now"))
            outcome = run.value("outcome", lambda: _loop(run, collection, questions, settings, inputs, depth, progress))
            facts = Facts(**outcome["facts"])
            with Collection.write(path) as writer:  # the outcome is on the disk: killed from here on, the same command does the rest
                if outcome["promoted"] and writer.facts != facts:
                    run.timed("promotion", lambda: promote(writer, facts, collection.facts, progress))
                writer.prune()  # the vectors of models that were refused, or of former rounds
            run.tidy()
            return _tuned(outcome, run)


def _loop(
    run: Run,
    collection: OpenCollection,
    questions: Questions,
    settings: TuneSettings,
    inputs: Mapping[str, Any],
    depth: int,
    progress: Progress,
) -> dict[str, Any]:
    """All steps up to the verdict."""
    planned, origin = run.json("plan", VALUE), ancestry(collection.path, collection.facts)
    task = _task(run, planned["plan"], settings, questions, origin, collection.path, progress)
    with ExitStack() as opened:
        latest = collection
        if (origin.encoder, origin.reranker) != (collection.facts.encoder, collection.facts.reranker):
            names_of = {"encoder": origin.encoder, "reranker": origin.reranker}
            latest = opened.enter_context(run.timed("0-space", partial(_trial, task, collection, names_of)))
        encoder = task.encoder
        for number in range(1, task.plan.rounds + 1):  # each mines from scratch with the models of the round before
            last = number == task.plan.rounds
            mined = mine(task, number, latest)
            encoder = merged(task, number, latest, train_encoder(task, number, mined, encoder))
            reranker = train_rerankers(task, number, mined) if last else task.reranker
            models: dict[str, str | Path] = {"encoder": origin.encoder if encoder == task.encoder else encoder, "reranker": reranker}
            latest = opened.enter_context(run.timed(f"{number}-space", partial(_trial, task, collection, models)))
        weights = latest.weights = _weights(task, latest, depth)
        dev = run.value("dev", lambda: _measured(task, collection, latest, questions.dev, depth))
    if "rerank" not in weights.combination:  # nothing was measured of one that no search asks
        models["reranker"] = collection.facts.reranker
    return _outcome(collection.path, task, models, weights, dev, questions, {**inputs, **_born(task, origin)}, depth)


def _task(
    run: Run, plan: Mapping[str, Any], settings: TuneSettings, questions: Questions, origin: Ancestry, path: Path, progress: Progress
) -> Task:
    chosen = Plan(**plan)
    train = questions.train
    if chosen.questions < 1:
        count = max(2 * FOLDS, round(chosen.questions * len(train)))
        train = Random(settings.seed).sample(train, min(count, len(train)))
    encoder, reranker = (trainable(names.located(name, path)).root for name in (origin.encoder, origin.reranker))
    train, held = split(train, min(HELD_SHARE, chosen.fitted / len(train)), settings.seed)
    fold_of = folds(train, FOLDS, settings.seed)
    settings = settings.model_copy(update={"mine": settings.mine.model_copy(update={"seed": settings.seed})})
    return Task(run, chosen, settings, train, held, questions.qrels, fold_of, encoder, reranker, progress)


def _born(task: Task, origin: Ancestry) -> dict[str, Any]:
    """What `ancestry` reads of a tuned model."""
    seen = sorted(digest(query) for query in (*task.queries, *task.held))
    return {"untuned": {"encoder": origin.encoder, "reranker": origin.reranker}, "seen": seen}


def _weights(task: Task, trial: OpenCollection, depth: int) -> Weights:
    """Fitted on the held-out questions, with the tuned models."""
    found = task.run.value(WEIGHTS, lambda: fit_weights(trial, task.held, task.qrels, depth, task.progress))
    return Weights.of(found["weights"])


def _trial(task: Task, collection: OpenCollection, models: Mapping[str, str | Path]) -> OpenCollection:
    """The collection as it would be with other models, names that it knows or folders of the run: their space is filled beside the
    active one, which goes on answering."""
    facts = replace(collection.facts, encoder=str(models["encoder"]), reranker=str(models["reranker"]))
    encoder = registry.load_encoder(names.located(facts.encoder, collection.path))
    made = isinstance(models["encoder"], Path)
    kept = f"{names.MODELS}/{model_name('encoder', Path(facts.encoder))}" if made else facts.encoder
    with Collection.write(collection.path) as writer:  # nothing is indexed between filling the space and reading it
        writer.register_space(encoder.space, kept)
        fill(writer, encoder, task.progress)
        return OpenCollection(collection.path, trial=(facts, encoder.space))


def _measured(task: Task, old: OpenCollection, new: OpenCollection, dev: Sequence[Query], depth: int) -> dict[str, Any]:
    """Both sides on the development questions, or on as many of them, drawn at random, as the plan allows."""
    asked = dev if len(dev) <= task.plan.measured else Random(task.settings.seed).sample(dev, task.plan.measured)
    qrels = {query.id: task.qrels[query.id] for query in asked}
    found, decision = side_by_side(at_depth(old, depth), at_depth(new, depth), asked, qrels, depth, task.settings.gate, task.progress)
    return {"dev": found, "decision": asdict(decision), "questions": len(asked)}


def _outcome(
    path: Path,
    task: Task,
    models: Mapping[str, str | Path],
    weights: Weights,
    dev: Mapping[str, Any],
    questions: Questions,
    made: Mapping[str, Any],
    depth: int,
) -> dict[str, Any]:
    """The verdict, and what `tune` prints; models that are to be promoted are the collection's own from here on."""
    run, decision, planned, step = task.run, dev["decision"], task.run.json("plan", VALUE), f"{task.plan.rounds}-mined"
    audit = run.json(step, AUDIT)
    brief = {name: audit[name] for name in BRIEF}
    fitted = run.json(WEIGHTS, VALUE)
    lineage = {
        **made,
        **dev,
        "plan": planned["plan"],
        "audit": brief,
        "depth": depth,
        "mined": {"file": str((run.path(step) / MINED).relative_to(path)), **durable.read_manifest(run.path(step))["files"][MINED]},
    }
    with Collection.write(path) as writer:
        facts = own(writer, models, weights, lineage) if decision["promoted"] else writer.facts
    return {
        "questions": {"train": len(task.queries), "held": len(task.held), "dev": dev["questions"]},
        "plan": planned["plan"],
        "estimated_seconds": planned["seconds"],
        "audit": brief,
        "weights": fitted,
        "dev": dev["dev"],
        "difference": decision["comparison"]["difference"],
        "confidence": decision["comparison"]["confidence"],
        "promoted": decision["promoted"],
        "reason": decision["reason"],
        "guards": decision["guards"],
        "warnings": decision["warnings"],
        "models": {"bi_encoder": facts.encoder, "cross_encoder": facts.reranker} if decision["promoted"] else {},
        "skipped": [asdict(skip) for skip in questions.skipped],
        "facts": asdict(facts),
        "inputs": dict(made),
    }


def _promoted(runs: Path, inputs: Mapping[str, Any], facts: Facts) -> Run | None:
    """The run of the same questions and settings that made the models that answer now: their names are hashes of what they are."""
    made = [inputs[name] for name in MADE]
    for folder in sorted(runs.glob("*/outcome")):
        outcome = Run(folder.parent).json("outcome", VALUE)
        then = [outcome["inputs"][name] for name in MADE], outcome["facts"]
        if outcome["promoted"] and json_bytes(then) == json_bytes((made, asdict(facts))):  # as JSON, which knows no tuples
            return Run(folder.parent)
    return None


def _tuned(outcome: Mapping[str, Any], run: Run) -> Tuned:
    stages = run.seconds()
    known = {field.name for field in fields(Tuned)}
    return Tuned(
        **{name: value for name, value in outcome.items() if name in known},
        stages=stages,
        run=str(run.folder),
        seconds=sum(stages.values()),
    )


def _dry(questions: Questions, planned: Mapping[str, Any], run: Run, reason: str) -> Tuned:
    """A plan, and nothing done."""
    return Tuned(
        questions={"train": len(questions.train), "dev": len(questions.dev)},
        plan=planned["plan"],
        estimated_seconds=planned["seconds"],
        stages=planned["estimates"],
        audit={},
        weights={},
        dev={},
        difference=None,
        confidence=None,
        promoted=False,
        reason=reason,
        guards=(),
        warnings=(),
        models={},
        run=str(run.folder),
        seconds=0.0,
        skipped=questions.skipped,
    )
