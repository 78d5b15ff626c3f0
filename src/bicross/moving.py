"""A collection moved to other models, and back: the new space is filled beside the one that answers, then one pointer swaps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bicross.collection.store import Collection, Facts
from bicross.errors import SpaceMismatch, StoreError
from bicross.models import names, registry
from bicross.protocols import Progress
from bicross.records import Skip
from bicross.results import Foreseen, Indexed, RolledBack
from bicross.searchers.weights import Weights
from bicross.upsert import TRUNCATED, encoder_of, fill, weights_of

SAMPLE = 64  # passages that are embedded to learn the rate


def reembed(path: Path, encoder_name: str, progress: Progress) -> Indexed:
    """See `pipeline.reembed`."""
    start = time.perf_counter()
    with Collection.write(path) as writer:
        name = names.canonical(encoder_name, path)
        encoder = encoder_of(name, path)
        with writer.job("reembed", {"encoder": name}):
            writer.register_space(encoder.space, name)
            embedded = fill(writer, encoder, progress)
            facts = writer.facts
            same = encoder.space == writer.space  # the model is another by name alone: what was fitted for it holds
            weights = facts.weights if same else weights_of(name, facts.reranker, path)
            writer.activate(encoder.space, replace(facts, encoder=name, weights=weights))
            writer.prune()
            writer.fold()
    now = Collection.open(path).status()
    seconds = time.perf_counter() - start
    return Indexed(
        documents=now.documents,
        passages=now.passages,
        changed=0,
        unchanged=now.documents,
        embedded=embedded,
        truncated=tuple(Skip(text[:60], TRUNCATED) for text in encoder.cut),
        skipped=(),
        space=encoder.space,
        seconds=seconds,
        documents_per_second=now.documents / seconds,
    )


def foreseen(path: Path, encoder_name: str) -> Foreseen:
    """What `reembed` would take here, measured on the collection's own text; nothing is written.

    Texts that an interrupted run has embedded already are counted too.
    """
    encoder = encoder_of(names.canonical(encoder_name, path), path)
    with Collection.open(path).view() as view:
        texts, passages = view.sample(SAMPLE), Collection.open(path).status().passages
    encoder.encode_documents(texts[:8])  # the first batch warms the model up
    start = time.perf_counter()
    encoder.encode_documents(texts)
    seconds = (time.perf_counter() - start) / max(1, len(texts)) * passages
    return Foreseen(passages, seconds, 2 * 4 * encoder.space.dim * passages, encoder.space)


def rollback(path: Path, progress: Progress) -> RolledBack:
    """See `pipeline.rollback`."""
    start = time.perf_counter()
    with Collection.write(path) as writer:
        present, (facts, space) = writer.facts, writer.before()
        encoder = encoder_of(facts.encoder, path)
        registry.notes(names.located(facts.reranker, path))  # raises where it is gone
        if encoder.space != space:
            raise SpaceMismatch(
                f"{facts.encoder} makes vectors of space {encoder.space.fingerprint[:12]} now, those that {path} kept are of space "
                f"{space.fingerprint[:12]}. Put the model back as it was, or run: bicross reembed {path} --encoder {facts.encoder}"
            )
        with writer.job("rollback", {"encoder": facts.encoder}):
            embedded = fill(writer, encoder, progress)
        facts = writer.rollback()  # after the job: who repeats what was not finished must not go forward again
        writer.fold()
    return RolledBack(facts.encoder, facts.reranker, tuple(_changed(present, facts)), embedded, space, time.perf_counter() - start)


def keep(path: Path, before: Facts, after: Facts, verb: str, write: Callable[[Path], None] | None = None) -> None:
    """Have the collection answer with other facts from now on, in the same space; `rollback` goes back. `write` puts into its folder what
    they name, while nobody else writes.

    Raises:
        StoreError: it no longer has the facts of before, which the verb measured against.
    """
    with Collection.write(path) as writer:
        if writer.facts != before or writer.space is None:
            raise StoreError(f"{path} got other models or weights meanwhile, so nothing is kept. Run `bicross {verb}` again.")
        if write is not None:
            write(writer.path)
        writer.activate(writer.space, after)


def _changed(one: Facts, other: Facts) -> Iterator[str]:
    """What differs between them, as people speak of it."""
    old, new = (
        {
            "encoder": facts.encoder,
            "reranker": facts.reranker,
            "weights": replace(Weights.of(facts.weights), calibration={}),
            "calibration": Weights.of(facts.weights).calibration,
        }
        for facts in (one, other)
    )
    return (name for name in old if old[name] != new[name])
