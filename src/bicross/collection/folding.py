"""Making a generation out of the truth: the only place that builds indexes for a collection."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from bicross.collection import generations, lookup
from bicross.collection.facts import State
from bicross.collection.rows import chunks
from bicross.collection.sides import open_dense, open_lexical
from bicross.collection.spaces import registered
from bicross.collection.truth import Database, write_meta
from bicross.durable import Content
from bicross.errors import StoreError
from bicross.records import Space
from bicross.vectors import Vectors


def recover(path: Path, state: State) -> None:
    """Leave on the disk only what is finished and of this truth. Only the writer calls this, in its first transaction.

    A generation of a later state than the truth's (an older truth was put back) must go before keys are given again.
    """
    generations.clean(path)
    generations.remove(path, [name for name in generations.names(path) if generations.is_ahead(path / name, state.seq, state.last_key)])
    left = generations.names(path)
    if left and generations.current(path) not in left:
        generations.point_to(path, left[0])


def fold(db: Database, path: Path, state: State, space: Space, keep: int | None, questions: Vectors | None = None) -> str | None:
    """See `Writer.fold`, here for any registered space; `keep=None` removes none. Call it in the writer's transaction."""
    present = generations.names(path)
    name = None if questions is not None else next((name for name in present if _covers(path, name, state, space)), None)
    if name is not None:
        generations.point_to(path, name)
    elif files_and_facts := _built(db, path, state, space, generations.questions_of(path, space) if questions is None else questions):
        number = 1 + max(map(generations.number_of, present), default=0)
        name = generations.publish(path, number, *files_and_facts)
    if keep is not None:
        more = 0 if name is None or state.forgetting else keep - 1
        others = [other for other in present if other != name]
        kept = list(islice((other for other in others if generations.is_whole(path / other)), more))
        generations.remove(path, [other for other in others if other not in kept])
        if state.forgetting:  # committed after they are gone: whatever interrupts this, the next fold removes them
            write_meta(db, forgetting=False)
    return name


def _covers(path: Path, name: str, state: State, space: Space) -> bool:
    """Whether a generation is whole and holds the present state, so that there is nothing to fold."""
    try:
        found = generations.load(path / name, space, state.seq, state.last_key)
    except StoreError:
        return False
    return found.covers_seq == state.seq and open_dense(found) is not None and open_lexical(found) is not None


def _built(
    db: Database, path: Path, state: State, space: Space, questions: Vectors | None
) -> tuple[dict[str, Content], dict[str, Any]] | None:
    """Files and manifest of a generation of all live passages; None where there is none. Its recall is measured with the questions."""
    from bicross.indexes.bm25 import BM25Index  # here, because these take 0.3 s to import and opening needs none
    from bicross.indexes.choose import build_index
    from bicross.indexes.recall import sampled
    from bicross.indexes.words import Words

    keys, vectors = lookup.vectors_after(db, space, registered(db, path, space), 0)  # (n,), (n, dim)
    if not len(keys):
        return None
    texts = [text for part in chunks(keys.tolist()) for text in lookup.readings(db, part).values()]
    probes = None if questions is None else sampled(questions, "questions")
    dense = build_index(space, keys, vectors, probes)
    lexical = BM25Index.build(keys, texts, Words())
    files: dict[str, Content] = {"keys.i64": keys.astype("<i8").tobytes()}
    if probes is not None:
        files[generations.QUESTIONS] = probes.vectors.astype("<f4").tobytes()
    files |= {f"dense-{name}": content for name, content in dense.save().items()}
    files |= {f"lexical-{name}": content for name, content in lexical.save().items()}
    return files, {
        "kind": "generation",
        "space": {"fingerprint": space.fingerprint, "dim": space.dim, "similarity": space.similarity},
        "passages": len(keys),
        "covers_key": state.last_key,
        "covers_seq": state.seq,
        "dense_kind": dense.kind,
        "recall": dense.recall.as_json() if dense.recall else None,
    }
