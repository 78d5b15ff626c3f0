"""What a source holds, and what `index` would cost here: nothing is written, the encoder's rate is measured on the source's own text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from bicross.data.counting import count_documents
from bicross.data.inspection import inspect_documents
from bicross.data.sources import read_documents
from bicross.models import registry
from bicross.protocols import Progress
from bicross.records import Document, Skip, reading
from bicross.results import Inspected
from bicross.settings import PASSAGE_TOKENS, STARTER_ENCODER, IndexSettings
from bicross.upsert import TITLE_ROOM, TRUNCATED, splitter_of

SAMPLE_PASSAGES = 64  # embedded to learn the rate
PASSAGE_BYTES, TOKEN_BYTES = 400, 14  # on disk beside the vectors, which are kept twice: rows and keys, text and words (measured)


def inspect_sources(sources: Sequence[Path], settings: IndexSettings, progress: Progress) -> Inspected:
    """What the sources hold, and what `index` would take here: the encoder's rate is measured on a few seconds of their own text.

    Raises:
        InputError: a source, model or setting is not what it should be.
    """
    encoder = registry.load_encoder(settings.encoder or STARTER_ENCODER)
    splitter = splitter_of(encoder, settings.passage_tokens or PASSAGE_TOKENS)
    expected, sample, seen = count_documents(sources), list[str](), 0
    truncated: list[Skip] = []

    def watched(rows: Iterable[Document | Skip]) -> Iterator[Document | Skip]:
        nonlocal seen
        for row in rows:
            if isinstance(row, Document):
                seen += 1
                if len(sample) < SAMPLE_PASSAGES or len(row.title) > TITLE_ROOM:  # a shorter title has room beside every passage
                    texts = {passage.id: reading(row.title, passage.text) for passage in splitter.split(row)}
                    truncated.extend(Skip(name, TRUNCATED) for name in _too_long(encoder, texts))
                    sample.extend(texts.values())
                if seen % 100 == 0:
                    progress("documents", seen, max(expected, seen))
            yield row

    found = inspect_documents(watched(read_documents(sources, settings.columns)), splitter)
    seconds, tokens = _encoding_rate(encoder, sample[:SAMPLE_PASSAGES])
    stored = found.passages * (4 * encoder.space.dim * 2 + PASSAGE_BYTES) + found.tokens.total * TOKEN_BYTES
    return Inspected(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        truncated=tuple(truncated),
        estimated_seconds=found.tokens.total * seconds / max(1, tokens),
        estimated_bytes=stored,
    )


def _too_long(encoder: registry.TokenEncoder, texts: Mapping[str, str]) -> list[str]:
    """Names of the texts that are longer than the model."""
    encodings = encoder.tokenizer.encode_batch(list(texts.values()), add_special_tokens=False)
    return [name for name, encoding in zip(texts, encodings, strict=True) if len(encoding.ids) > encoder.content_tokens]


def _encoding_rate(encoder: registry.TokenEncoder, texts: list[str]) -> tuple[float, int]:
    """Seconds to embed the texts, and their tokens; the first batch, which warms the model up, is not counted."""
    encoder.encode_documents(texts[:8])
    start = time.perf_counter()
    encoder.encode_documents(texts)
    return time.perf_counter() - start, sum(len(encoding.ids) for encoding in encoder.tokenizer.encode_batch(texts))
