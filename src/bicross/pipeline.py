"""READ THIS FIRST: one function per verb, in the order data flows. The only file that joins the stages.

sources -> documents -> passages -> vectors -> collection          index
question -> lexical + dense -> fused -> reranked -> hits           search
questions with known answers -> measures                           evaluate, compare
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bicross.collection.check import Findings, Status
from bicross.collection.rows import reading_hash
from bicross.collection.store import Collection, Facts, Writer
from bicross.data.counting import count_documents
from bicross.data.inspection import inspect_documents
from bicross.data.passages import Splitter
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.data.trec import read_run, write_run
from bicross.errors import InputError
from bicross.evaluation.compare import Comparison
from bicross.evaluation.compare import compare as compare_runs
from bicross.evaluation.metrics import parse_measure
from bicross.evaluation.report import report
from bicross.models import registry
from bicross.opened import OpenCollection
from bicross.records import Document, Passage, Qrels, Query, Ranking, Run, Skip, reading
from bicross.results import Answers, Deleted, Evaluated, Indexed, Inspected
from bicross.searchers.stopwatch import Stopwatch
from bicross.searchers.weights import Weights
from bicross.settings import PASSAGE_TOKENS, STARTER_ENCODER, STARTER_RERANKER, EvaluateSettings, IndexSettings, SearchSettings

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many of it, and of how many (0 where that is not known)."""
CHUNK_DOCUMENTS, CHUNK_CHARACTERS = 512, 200_000  # one commit: seconds of work, so that an interruption costs no more
TITLE_ROOM = 32  # tokens left for titles where passages are cut to the model's full length
BATCH_QUESTIONS = 64  # asked together by `evaluate`: batches span questions
SAMPLE_PASSAGES = 64  # embedded by `inspect` to learn the rate
PASSAGE_BYTES, TOKEN_BYTES = 400, 14  # on disk beside the vectors, which are kept twice: rows and keys, text and words (measured)
LATENCY_QUESTIONS = 30  # asked one by one for the percentiles


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody sees."""


# --- index ---------------------------------------------------------------------------------------------------------


def index(sources: Sequence[Path], into: Path, settings: IndexSettings = IndexSettings(), progress: Progress = silent) -> Indexed:
    """Put documents into a collection, made if it is not there: upsert by id, embedding only what changed.

    Interrupted at any moment and run again, it gives the same collection as an undisturbed run.

    Raises:
        InputError: a source, model or setting is not what it should be. StoreError: the collection cannot be written.
    """
    start = time.perf_counter()
    chunks = _chunks(read_documents(sources, settings.columns))
    first = next(chunks)  # a source without a document, and below a model that is not there, are refused before anything is made
    encoder = None if Collection.exists(into) else registry.load_encoder(settings.encoder or STARTER_ENCODER)
    if encoder is not None:
        Collection.create(into, _facts(settings))
    with Collection.write(into) as writer, writer.job("index", {"sources": [str(source) for source in sources]}):
        name = settings.encoder or writer.facts.encoder
        encoder = encoder or registry.load_encoder(name)
        if writer.space is None:
            writer.register_space(encoder.space, name)
        writer.require(encoder.space)
        _keep_facts(writer, settings)
        splitter = _splitter(encoder, writer.facts.passage_tokens)
        expected, seen, changed, embedded, skipped = count_documents(sources), 0, 0, 0, []
        for documents, skips in itertools.chain([first], chunks):
            skipped += skips
            known = writer.unchanged(documents)
            fresh = [document for document in documents if document.id not in known]
            embedded += _embed_and_commit(writer, encoder, splitter, fresh)
            seen, changed = seen + len(documents), changed + len(fresh)
            progress("documents", seen, max(expected, seen))
        writer.fold()
    now = Collection.open(into).status()
    seconds = time.perf_counter() - start
    return Indexed(
        now.documents,
        now.passages,
        changed,
        seen - changed,
        embedded,
        encoder.truncated,
        tuple(skipped),
        encoder.space,
        seconds,
        seen / seconds,
    )


def reembed(path: Path, encoder_name: str, progress: Progress = silent) -> Indexed:
    """Move a collection into the space of another encoder: fill it beside the old one, then swap one pointer.

    Interrupted, it resumes; until the swap, search answers from the old space.
    """
    start = time.perf_counter()
    with Collection.write(path) as writer, writer.job("reembed", {"encoder": encoder_name}):
        encoder = registry.load_encoder(encoder_name)
        writer.register_space(encoder.space, encoder_name)
        waiting = writer.pending(encoder.space)
        for done in range(0, len(waiting), CHUNK_DOCUMENTS):
            texts = list(writer.readings(waiting[done : done + CHUNK_DOCUMENTS]).values())
            writer.embed(encoder.space, dict(zip(map(reading_hash, texts), encoder.encode_documents(texts), strict=True)))
            progress("passages", min(done + CHUNK_DOCUMENTS, len(waiting)), len(waiting))
        facts = writer.facts
        writer.activate(encoder.space)
        writer.set_facts(replace(facts, encoder=encoder_name, weights=_weights(encoder_name, facts.reranker)))
    now = Collection.open(path).status()
    seconds = time.perf_counter() - start
    return Indexed(
        now.documents, now.passages, 0, now.documents, len(waiting), encoder.truncated, (), encoder.space, seconds, len(waiting) / seconds
    )


def _facts(settings: IndexSettings) -> Facts:
    encoder, reranker = settings.encoder or STARTER_ENCODER, settings.reranker or STARTER_RERANKER
    return Facts(encoder, reranker, settings.passage_tokens or PASSAGE_TOKENS, _weights(encoder, reranker))


def _keep_facts(writer: Writer, settings: IndexSettings) -> None:
    """Settings given for a collection that is there already change it, all but the encoder."""
    facts = writer.facts
    reranker, tokens = settings.reranker or facts.reranker, settings.passage_tokens or facts.passage_tokens
    if (reranker, tokens) != (facts.reranker, facts.passage_tokens):
        weights = _weights(facts.encoder, reranker) if reranker != facts.reranker else facts.weights
        writer.set_facts(replace(facts, reranker=reranker, passage_tokens=tokens, weights=weights))


def _weights(encoder: str, reranker: str) -> dict[str, object]:
    """The weights fitted for this pair, which the reranker's folder holds; the defaults for a pair that none was fitted for."""
    notes = registry.notes(reranker)
    return Weights.of(notes if notes.get("encoder") == encoder else {}).as_json()


def _chunks(rows: Iterable[Document | Skip]) -> Iterator[tuple[list[Document], list[Skip]]]:
    """Documents in commits of bounded size, with the rows that were skipped among them."""
    documents: list[Document] = []
    skips: list[Skip] = []
    characters = 0
    for row in rows:
        if isinstance(row, Skip):
            skips.append(row)
            continue
        documents.append(row)
        characters += len(row.text)
        if len(documents) == CHUNK_DOCUMENTS or characters >= CHUNK_CHARACTERS:
            yield documents, skips
            documents, skips, characters = [], [], 0
    yield documents, skips


def _splitter(encoder: registry.TokenEncoder, passage_tokens: int) -> Splitter:
    return Splitter(encoder.tokenizer, max(1, min(passage_tokens, encoder.max_tokens - TITLE_ROOM)))


def _embed_and_commit(writer: Writer, encoder: registry.TokenEncoder, splitter: Splitter, documents: Sequence[Document]) -> int:
    """One commit; returns how many texts were embedded, each once however often it occurs."""
    if not documents:
        return 0
    passages = {document.id: splitter.split(document) for document in documents}
    texts = {}
    for document in documents:
        for passage in passages[document.id]:
            text = reading(document.title, passage.text)
            texts[reading_hash(text)] = text
    absent = writer.missing(encoder.space, texts)
    asked = [hashed for hashed in texts if hashed in absent]
    vectors = encoder.encode_documents([texts[hashed] for hashed in asked])
    writer.commit(documents, passages, encoder.space, dict(zip(asked, vectors, strict=True)))
    return len(asked)


def inspect(sources: Sequence[Path], settings: IndexSettings = IndexSettings(), progress: Progress = silent) -> Inspected:
    """What the sources hold, and what `index` would take here: the encoder's rate is measured on a few seconds of their own text.

    Raises:
        InputError: a source, model or setting is not what it should be.
    """
    encoder = registry.load_encoder(settings.encoder or STARTER_ENCODER)
    splitter = _splitter(encoder, settings.passage_tokens or PASSAGE_TOKENS)
    expected, sample, seen = count_documents(sources), list[Passage](), 0

    def watched(rows: Iterable[Document | Skip]) -> Iterator[Document | Skip]:
        nonlocal seen
        for row in rows:
            if isinstance(row, Document):
                seen += 1
                if len(sample) < SAMPLE_PASSAGES:
                    sample.extend(splitter.split(row))
                if seen % 100 == 0:
                    progress("documents", seen, max(expected, seen))
            yield row

    found = inspect_documents(watched(read_documents(sources, settings.columns)), splitter)
    seconds, tokens = _encoding_rate(encoder, [passage.text for passage in sample[:SAMPLE_PASSAGES]])
    stored = found.passages * (4 * encoder.space.dim * 2 + PASSAGE_BYTES) + found.tokens.total * TOKEN_BYTES
    return Inspected(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        estimated_seconds=found.tokens.total * seconds / max(1, tokens),
        estimated_bytes=stored,
    )


def _encoding_rate(encoder: registry.TokenEncoder, texts: list[str]) -> tuple[float, int]:
    """Seconds to embed the texts, and their tokens; the first batch, which warms the model up, is not counted."""
    encoder.encode_documents(texts[:8])
    start = time.perf_counter()
    encoder.encode_documents(texts)
    return time.perf_counter() - start, sum(len(encoding.ids) for encoding in encoder.tokenizer.encode_batch(texts))


# --- search --------------------------------------------------------------------------------------------------------


def open_collection(path: str | Path) -> OpenCollection:
    """Open a collection for search: `bicross.open("manual").search("how do I reset it?")`."""
    return OpenCollection(Path(path))


def search(path: Path, questions: Sequence[str], settings: SearchSettings = SearchSettings()) -> Answers:
    """Answer questions from a collection; see `OpenCollection.search`."""
    with open_collection(path) as collection:
        return collection.search(questions, settings)


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


def export(source: str, into: Path) -> dict[str, Any]:
    """Convert a model of any family once, so that the runtime reads it. Needs the extra `train`."""
    folder = registry.find(source).path
    from bicross.training.export import export as traced  # torch is loaded for this verb only

    difference = traced(folder, into)
    return {"path": str(into), "largest_difference": difference}


# --- measure -------------------------------------------------------------------------------------------------------


def evaluate(
    path: Path,
    queries_path: Path,
    qrels_path: Path,
    settings: SearchSettings = SearchSettings(k=100),
    measuring: EvaluateSettings = EvaluateSettings(),
    run_path: Path | None = None,
    progress: Progress = silent,
) -> Evaluated:
    """Measure search on questions with known answers; a question that finds nothing counts 0.

    Only the questions that the qrels judge are asked. Latency is of `LATENCY_QUESTIONS` of them asked one by one.

    Raises:
        InputError: a file or measure is not what it should be, or no question of the qrels is among the queries.
    """
    for name in measuring.measures:
        parse_measure(name)  # one that is unknown is refused before anything is asked
    judged, qrels, skipped = _judged(queries_path, qrels_path)
    stopwatch = Stopwatch()
    with open_collection(path) as collection:
        latency = _latency(collection, judged, settings)
        found = _ranked(collection, judged, collection.all_candidates(settings), stopwatch, progress)
        depth, unknown = collection.depth(settings), collection.absent({document for grades in qrels.values() for document in grades})
    run = Run(settings.stage, {query: ranking[: settings.k] for query, ranking in found.items()})
    measured = report(run, qrels, measuring, Run("recalled", found), latency)
    if run_path is not None:
        write_run(run_path, run)
    return Evaluated(
        stage=settings.stage,
        depth=depth,
        queries=len(judged),
        measures=measured.means,
        confidence=measured.confidence,
        ceiling=measured.ceiling,
        per_query=measured.per_query,
        latency=measured.latency,
        seconds=stopwatch.seconds,
        unknown=unknown,
        skipped=tuple(skipped),
    )


def _ranked(
    collection: OpenCollection, queries: Sequence[Query], settings: SearchSettings, stopwatch: Stopwatch, progress: Progress
) -> dict[str, Ranking]:
    """The rankings of all questions, a batch at a time."""
    found: dict[str, Ranking] = {}
    for start in range(0, len(queries), BATCH_QUESTIONS):
        found.update(collection.rank(queries[start : start + BATCH_QUESTIONS], settings, stopwatch))
        progress("questions", len(found), len(queries))
    return found


def _judged(queries_path: Path, qrels_path: Path) -> tuple[list[Query], Qrels, list[Skip]]:
    """The questions that are judged, their judgements, and by name what is left out."""
    qrels = read_qrels(qrels_path)
    queries, skipped = read_queries(queries_path)
    judged = [query for query in queries if query.id in qrels]
    if not judged:
        raise InputError(
            f"None of the {len(queries)} queries of {queries_path} is judged in {qrels_path}; expected the same query ids in both."
        )
    silent_ids = sorted(set(qrels) - {query.id for query in judged})
    skipped += [Skip(query, f"it is judged in {qrels_path}, but {queries_path} has no text for it") for query in silent_ids]
    return judged, {query.id: qrels[query.id] for query in judged}, skipped


def _latency(collection: OpenCollection, queries: Sequence[Query], settings: SearchSettings) -> list[float]:
    """Seconds of single questions, spread over all, each asked alone: of models that are warm, of documents that are not cached."""
    collection.rank(queries[:1], settings, Stopwatch())
    chosen = queries[:: max(1, len(queries) // LATENCY_QUESTIONS)][:LATENCY_QUESTIONS]
    seconds = []
    for query in chosen:
        start = time.perf_counter()
        collection.rank([query], settings, Stopwatch())
        seconds.append(time.perf_counter() - start)
    return seconds


def compare(run_a: Path, run_b: Path, qrels_path: Path, measure: str = "nDCG@10") -> Comparison:
    """Is the second run better than the first? A paired test on the same questions, with its interval."""
    return compare_runs(read_run(run_a), read_run(run_b), read_qrels(qrels_path), measure)
