"""Documents into a collection: passages, then vectors, then one commit a chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from bicross.collection.rows import reading_hash
from bicross.collection.store import Collection, Facts, Writer
from bicross.data.passages import Splitter
from bicross.data.questions import read_queries
from bicross.indexes.recall import SAMPLE
from bicross.models import names, registry
from bicross.models.registry import TokenEncoder
from bicross.protocols import Progress
from bicross.records import Document, Skip, reading
from bicross.searchers.weights import Weights
from bicross.settings import PASSAGE_TOKENS, STARTER_ENCODER, STARTER_RERANKER, IndexSettings

CHUNK_DOCUMENTS, CHUNK_CHARACTERS = 512, 200_000  # one commit: seconds of work, so that an interruption costs no more
TITLE_ROOM = 32  # tokens left for titles where passages are cut to the model's full length
TRUNCATED = "with its title it is longer than the model; its end is not embedded"


def chunks_of(rows: Iterable[Document | Skip]) -> Iterator[tuple[list[Document], list[Skip]]]:
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


def splitter_of(encoder: TokenEncoder, passage_tokens: int) -> Splitter:
    """What cuts documents into passages that leave room for their titles in the encoder."""
    return Splitter(encoder.tokenizer, max(1, min(passage_tokens, encoder.content_tokens - TITLE_ROOM)))


class Upsert:
    """Puts chunks of documents, a commit each, and counts what that took."""

    def __init__(self, writer: Writer, encoder: TokenEncoder) -> None:
        self._writer, self._encoder = writer, encoder
        self._splitter = splitter_of(encoder, writer.facts.passage_tokens)
        self.seen = self.changed = self.embedded = 0
        self.skipped: list[Skip] = []
        self.truncated: list[Skip] = []

    def put(self, documents: Sequence[Document]) -> None:
        """Commit those that changed; each text is embedded once, however often it occurs."""
        known = self._writer.unchanged(documents)
        fresh = [document for document in documents if document.id not in known]
        self.seen, self.changed = self.seen + len(documents), self.changed + len(fresh)
        if not fresh:
            return
        passages = {document.id: self._splitter.split(document) for document in fresh}
        texts = {}
        for document in fresh:
            for passage in passages[document.id]:
                text = reading(document.title, passage.text)
                texts[reading_hash(text)] = passage.id, text
        absent = self._writer.missing(self._encoder.space, texts)
        asked = [hashed for hashed in texts if hashed in absent]
        vectors = self._encoder.encode_documents([texts[hashed][1] for hashed in asked])
        cut = set(self._encoder.cut)
        self._encoder.cut.clear()
        self.truncated += [Skip(name, TRUNCATED) for name, text in (texts[hashed] for hashed in asked) if text in cut]
        self._writer.commit(fresh, passages, self._encoder.space, dict(zip(asked, vectors, strict=True)))
        self.embedded += len(asked)


def fill(writer: Writer, encoder: TokenEncoder, progress: Progress) -> int:
    """Embed all that has no vector in the encoder's space yet; returns how many texts."""
    waiting = writer.pending(encoder.space)
    for done in range(0, len(waiting), CHUNK_DOCUMENTS):
        texts = list(writer.readings(waiting[done : done + CHUNK_DOCUMENTS]).values())
        writer.embed(encoder.space, dict(zip(map(reading_hash, texts), encoder.encode_documents(texts), strict=True)))
        progress("passages", min(done + CHUNK_DOCUMENTS, len(waiting)), len(waiting))
    return len(waiting)


def begun(into: Path, settings: IndexSettings) -> TokenEncoder | None:
    """Make the collection if it is not there; its encoder then. Raises as `Collection.create`, and ModelNotFound."""
    if Collection.exists(into):
        return None
    encoder = encoder_of(names.canonical(settings.encoder, into) if settings.encoder else STARTER_ENCODER, into)
    Collection.create(into, facts_of(settings, into))
    return encoder


def encoder_of(name: str, collection: Path) -> TokenEncoder:
    """The encoder that the collection keeps as `name`."""
    return registry.load_encoder(names.located(name, collection))


def facts_of(settings: IndexSettings, collection: Path) -> Facts:
    """What a new collection says of itself."""
    given = (settings.encoder or STARTER_ENCODER, settings.reranker or STARTER_RERANKER)
    encoder, reranker = (names.canonical(name, collection) for name in given)
    return Facts(encoder, reranker, settings.passage_tokens or PASSAGE_TOKENS, weights_of(encoder, reranker, collection))


def sample_of(queries: Path) -> list[str]:
    """Texts of as many questions of a file as recall is measured with, drawn at random. Raises InputError."""
    texts = [query.text for query in read_queries(queries)[0]]
    return Random(0).sample(texts, min(SAMPLE, len(texts)))


def adopt(writer: Writer, encoder: TokenEncoder, settings: IndexSettings) -> None:
    """The encoder must be the collection's own; the other settings that are given change the collection."""
    if writer.space is None:
        given = names.canonical(settings.encoder, writer.path) if settings.encoder else writer.facts.encoder
        writer.register_space(encoder.space, given)
    writer.require(encoder.space)
    facts = writer.facts
    reranker = names.canonical(settings.reranker, writer.path) if settings.reranker else facts.reranker
    tokens = settings.passage_tokens or facts.passage_tokens
    if (reranker, tokens) != (facts.reranker, facts.passage_tokens):
        weights = weights_of(facts.encoder, reranker, writer.path) if reranker != facts.reranker else facts.weights
        writer.set_facts(replace(facts, reranker=reranker, passage_tokens=tokens, weights=weights))


def weights_of(encoder: str, reranker: str, collection: Path) -> dict[str, object]:
    """The weights fitted for this pair, which the reranker's folder holds; the defaults for a pair that none was fitted for.

    Probabilities hold for the documents and the questions that they were fitted to, so those of a pair from elsewhere are left aside; but
    for the starter's, which were fitted on sets of many kinds and measured on others (`starter/TRAINING.md`).
    """
    notes = registry.notes(names.located(reranker, collection))
    fitted = Weights.of(notes if notes.get("encoder") == encoder else {})
    kept = names.is_owned(reranker) or reranker in registry.SHIPPED
    return (fitted if kept else replace(fitted, calibration={})).as_json()
