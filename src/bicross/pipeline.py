"""READ THIS FIRST: one function per verb, in the order data flows. The only file that joins the stages.

sources -> documents -> passages -> vectors -> collection          index
question -> lexical + dense -> fused -> reranked -> hits           search
questions alone -> how steady and how united search is             check
questions alone -> judgements                                      judge
questions with known answers -> measures                           evaluate, compare
questions with known answers -> scores as probabilities            calibrate
questions, with or without answers -> what a latency budget buys   plan
questions with known answers -> better models, if proven           tune
documents alone -> what says the same, what belongs together       pairs, duplicates, cluster
a collection's own texts -> a model in 8-bit integers              quantize
texts with answers or labels -> the answer to another text         faq, classify, similarity
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bicross.collection.check import Findings, Status
from bicross.collection.store import Collection
from bicross.data.counting import count_documents
from bicross.data.questions import read_qrels
from bicross.data.sources import read_documents
from bicross.models import names, registry
from bicross.opened import OpenCollection
from bicross.protocols import Progress, silent
from bicross.results import (
    Answers,
    Deleted,
    Indexed,
    Inspected,
    MinedFile,
    MixedModel,
    Questions,
    RolledBack,
    SplitFiles,
    TrainedModel,
    Tuned,
    Weighed,
)
from bicross.settings import (
    STARTER_ENCODER,
    STARTER_RERANKER,
    BiEncoderSettings,
    CrossEncoderSettings,
    IndexSettings,
    MineSettings,
    QuestionSettings,
    SearchSettings,
    TuneSettings,
)
from bicross.upsert import Upsert, adopt, begun, chunks_of, encoder_of, sample_of

# ruff: noqa: PLC0414 - a verb that is joined in one place is given on under its name
if TYPE_CHECKING:
    from bicross.analysing.verbs import cluster as cluster
    from bicross.analysing.verbs import duplicates as duplicates
    from bicross.analysing.verbs import pairs as pairs
    from bicross.answering.verbs import agreement as agreement
    from bicross.answering.verbs import classify as classify
    from bicross.answering.verbs import faq as faq
    from bicross.answering.verbs import similarity as similarity
    from bicross.calibrating import calibrate as calibrate
    from bicross.checking import check as check
    from bicross.conversion.verbs import convert as convert
    from bicross.conversion.verbs import inspect_data as inspect_data
    from bicross.conversion.verbs import split_data as split_data
    from bicross.doctor import doctor as doctor
    from bicross.estimating import estimate_distill as estimate_distill
    from bicross.estimating import estimate_evaluate as estimate_evaluate
    from bicross.estimating import estimate_mine as estimate_mine
    from bicross.estimating import estimate_train as estimate_train
    from bicross.estimating import estimate_weigh as estimate_weigh
    from bicross.evaluating import evaluate as evaluate
    from bicross.evaluation.compare import Comparison
    from bicross.exporting import export as export
    from bicross.exporting import push as push
    from bicross.judging_session import judge as judge
    from bicross.moving import foreseen as foreseen
    from bicross.planner.plan import plan as plan
    from bicross.quantizing import quantize as quantize
    from bicross.watching import watch as watch

_ELSEWHERE = {
    "bicross.analysing.verbs": ("cluster", "duplicates", "pairs"),
    "bicross.answering.verbs": ("agreement", "classify", "faq", "similarity"),
    "bicross.calibrating": ("calibrate",),
    "bicross.checking": ("check",),
    "bicross.conversion.verbs": ("convert", "inspect_data", "split_data"),
    "bicross.doctor": ("doctor",),
    "bicross.estimating": ("estimate_distill", "estimate_evaluate", "estimate_mine", "estimate_train", "estimate_weigh"),
    "bicross.evaluating": ("evaluate",),
    "bicross.exporting": ("export", "push"),
    "bicross.judging_session": ("judge",),
    "bicross.moving": ("foreseen",),
    "bicross.planner.plan": ("plan",),
    "bicross.quantizing": ("quantize",),
    "bicross.watching": ("watch",),
}
"""Module -> verbs that are joined there, and given on under their names. Imported when first asked for, so that a search starts quickly."""


def __getattr__(name: str) -> Any:
    for module, verbs in _ELSEWHERE.items():
        if name in verbs:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'bicross.pipeline' has no attribute {name!r}")


# --- index ---------------------------------------------------------------------------------------------------------


def index(sources: Sequence[Path], into: Path, settings: IndexSettings = IndexSettings(), progress: Progress = silent) -> Indexed:
    """Put documents into a collection, made if it is not there: upsert by id, embedding only what changed.

    Interrupted at any moment and run again, it gives the same collection as an undisturbed run.

    Raises:
        InputError: a source, model or setting is not what it should be. StoreError: the collection cannot be written.
    """
    start = time.perf_counter()
    chunks = chunks_of(read_documents(sources, settings.columns))
    first = next(chunks)  # a source without a document, and below a model that is not there, are refused before anything is made
    asked = sample_of(settings.queries) if settings.queries else None
    given = names.canonical(settings.encoder, into) if settings.encoder else None
    encoder = begun(into, settings)
    with Collection.write(into) as writer:
        encoder = encoder or encoder_of(given or writer.facts.encoder, into)
        adopt(writer, encoder, settings)
        with writer.job("index", {"sources": [str(source) for source in sources]}):
            done = Upsert(writer, encoder)
            expected = count_documents(sources)
            for documents, skips in itertools.chain([first], chunks):
                done.skipped += skips
                done.put(documents)
                progress("documents", done.seen, max(expected, done.seen))
            writer.fold(questions=None if asked is None else encoder.encode_queries(asked))
    now = Collection.open(into).status()
    seconds = time.perf_counter() - start
    return Indexed(
        documents=now.documents,
        passages=now.passages,
        changed=done.changed,
        unchanged=done.seen - done.changed,
        embedded=done.embedded,
        truncated=tuple(done.truncated),
        skipped=tuple(done.skipped),
        space=encoder.space,
        seconds=seconds,
        documents_per_second=done.seen / seconds,
    )


def reembed(path: Path, encoder_name: str, progress: Progress = silent) -> Indexed:
    """Move a collection into the space of another encoder: fill it beside the old one, then swap one pointer.

    Interrupted, it resumes; until the swap, search answers from the old space.
    """
    from bicross import moving

    return moving.reembed(path, encoder_name, progress)


def rollback(path: Path, progress: Progress = silent) -> RolledBack:
    """Go back to the models, the weights and the space of before the last change, in one step; again, and it goes one change further back.

    The last five changes can be taken back, and the last that changed the models; after the oldest it goes forward again.

    What was indexed since is embedded first; interrupted there, it resumes, and until the swap the present models answer.

    Raises:
        InputError: there is nothing to go back to. ModelNotFound: a model of before is gone. SpaceMismatch: it is another one now.
    """
    from bicross import moving

    return moving.rollback(path, progress)


def inspect(sources: Sequence[Path], settings: IndexSettings = IndexSettings(), progress: Progress = silent) -> Inspected:
    """What the sources hold, and what `index` would take here; changes nothing.

    Raises:
        InputError: a source, model or setting is not what it should be.
    """
    from bicross.inspecting import inspect_sources

    return inspect_sources(sources, settings, progress)


# --- search --------------------------------------------------------------------------------------------------------


def open_collection(path: str | Path) -> OpenCollection:
    """Open a collection for search: `bicross.open("manual").search("how do I reset it?")`."""
    return OpenCollection(Path(path))


def search(
    path: Path, questions: Sequence[str], settings: SearchSettings = SearchSettings(), where: Mapping[str, Any] | None = None
) -> Answers:
    """Answer questions from a collection; see `OpenCollection.search`."""
    with open_collection(path) as collection:
        return collection.search(questions, settings, where)


# --- keep ----------------------------------------------------------------------------------------------------------


def delete(path: Path, ids: Sequence[str]) -> Deleted:
    """Remove documents by id, with their passages and vectors, from the truth and from every generation."""
    with Collection.write(path) as writer:
        with Collection.open(path).view() as view:
            unknown = tuple(sorted(set(ids) - view.titles(ids).keys()))
        gone = writer.delete(ids)
        writer.fold(keep=1)
    return Deleted(gone, status(path).documents, unknown)


def status(path: Path) -> Status:
    """What a collection holds, which index is used and why, and what was not finished."""
    return Collection.open(path).status()


def verify(path: Path) -> Findings:
    """Check every row and file of a collection against its checksum."""
    return Collection.open(path).verify()


def models_list() -> dict[str, Any]:
    """The models that ship with Bicross, by name."""
    return {"models": [{"name": name, "what": what} for name, what in registry.SHIPPED.items()]}


def models_show(name: str) -> dict[str, Any]:
    """What a model is, and the folder that plain sentence-transformers can load too. `encoder` and `reranker` name the starter pair."""
    return registry.describe({"encoder": STARTER_ENCODER, "reranker": STARTER_RERANKER}.get(name, name))


# --- measure -------------------------------------------------------------------------------------------------------


def questions(
    sources: Sequence[Path],
    into: Path,
    settings: QuestionSettings = QuestionSettings(),
    queries_path: Path | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Questions:
    """Make questions for `tune` where none has a known answer: out of headings and titles, by an endpoint, or of click logs."""
    from bicross.data.unlabelled import make  # the HTTP client is loaded for this verb only

    start = time.perf_counter()
    made = make(sources, into, settings, queries_path, dry_run, progress)
    return Questions.of(settings.source, made.pairs, made.cost, not dry_run, time.perf_counter() - start)


def compare(run_a: Path, run_b: Path, qrels_path: Path, measure: str = "nDCG@10") -> Comparison:
    """Is the second run better than the first? A paired test on the same questions, with its interval."""
    from bicross.data.trec import read_runs
    from bicross.evaluation.compare import compare as compare_runs

    a, b = read_runs([run_a, run_b])
    return compare_runs(a, b, read_qrels(qrels_path), measure)


# --- train ---------------------------------------------------------------------------------------------------------


def split(queries_path: Path, qrels_path: Path, into: Path, share: float = 0.2, seed: int = 0) -> SplitFiles:
    """Judged questions into a part to train on and a part to measure with; near-duplicates stay together."""
    from bicross.tuning import steps

    return steps.split(queries_path, qrels_path, into, share, seed)


def weigh(path: Path, queries_path: Path, qrels_path: Path, depth: int | None = None, progress: Progress = silent) -> Weighed:
    """Fit how a collection joins its stages, on questions that its models did not train on; kept if cross-fitting says better.

    `rollback` goes back.
    """
    from bicross.tuning import steps

    return steps.weigh(path, queries_path, qrels_path, depth, progress)


def mine(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    into: Path,
    settings: MineSettings = MineSettings(),
    reranker: str | None = None,
    audit_path: Path | None = None,
    progress: Progress = silent,
) -> MinedFile:
    """Hard negatives of judged questions out of a collection, scored and sorted by a cross-encoder; with an audit to read.

    Interrupted and run again, it does not score again what was scored with the same models, documents and settings.

    Raises:
        InputError: a file is not what it should be.
    """
    from bicross.tuning import steps

    return steps.mine(path, queries_path, qrels_path, into, settings, reranker, audit_path, progress)


def distill(source: Path, reranker: str, into: Path, progress: Progress = silent) -> MinedFile:
    """A mined file with the scores of another cross-encoder, for `train` to learn."""
    from bicross.tuning import steps

    return steps.distill(source, reranker, into, progress)


def train(
    kind: str,
    rows: Path,
    base: str | None,
    into: Path,
    settings: BiEncoderSettings | CrossEncoderSettings,
    teacher: str | None = None,
    progress: Progress = silent,
) -> TrainedModel:
    """Train a bi-encoder or a cross-encoder, by default the starter's, on mined rows, rows with negatives, or labelled pairs.

    Needs the extra `train`.

    Raises:
        InputError: the rows do not fit the loss, or `into` is not empty.
    """
    from bicross.tuning import steps

    return steps.train(kind, rows, base, into, settings, teacher, progress)


def mix(tuned: str, into: Path, base: str | None = None, share: float = 0.5) -> MixedModel:
    """A bi-encoder whose weights lie between a tuned one's and those of its base, by default the starter's: it forgets less.

    Needs the extra `train`.

    Raises:
        InputError: the two are not of one origin, or `into` is not empty.
    """
    from bicross.tuning import steps

    return steps.mix(tuned, base or STARTER_ENCODER, share, into)


def tune(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    dev_path: Path | None = None,
    settings: TuneSettings = TuneSettings(),
    dry_run: bool = False,
    progress: Progress = silent,
    planned: Callable[[Tuned], None] = lambda _: None,
) -> Tuned:
    """Mine, denoise, train both models, distil, fit the weights, measure on questions that no model saw, promote if better.

    Interrupted at any moment and run again, it goes on where it was, to the same weights. A dry run measures the rates of this
    machine and says what would be done; so does `planned`, which is called with the same before anything is trained.

    Raises:
        InputError: questions, models or budget are not what they should be. MissingExtra: the extra `train` is not installed.
    """
    from bicross.ancestry import ancestry
    from bicross.tuning.questions import read_questions  # torch is loaded for this verb only
    from bicross.tuning.tune import tune as run_loop

    with Collection.open(path).view() as view:
        known = ancestry(path, view.facts)
    questions = read_questions(queries_path, qrels_path, dev_path, settings, known)
    return run_loop(path, questions, settings, dry_run, progress, planned)
