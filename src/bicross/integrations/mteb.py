"""Bicross on any retrieval or reranking task of MTEB and C-MTEB (https://github.com/embeddings-benchmark/mteb), from version 2 on.

    import mteb
    from bicross.integrations.mteb import TwoStage
    mteb.evaluate(TwoStage(), mteb.get_tasks(tasks=["T2Retrieval"]))

`TwoStage` is MTEB's SearchProtocol: index, recall, rerank. `BiEncoder` is its EncoderProtocol: the bi-encoder alone, for tasks of
all other kinds. The only file that imports mteb. MTEB's numbers are those of `bicross evaluate -k 1000` on the same data: see
docs/data_model.md for what differs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np

from bicross import asking, pipeline
from bicross.collection.store import Collection
from bicross.errors import InputError, MissingExtra
from bicross.integrations.among import Among, keys_of
from bicross.models import registry
from bicross.models.names import located
from bicross.opened import OpenCollection
from bicross.protocols import silent
from bicross.records import Query, Ranking, Skip
from bicross.searchers.stopwatch import Stopwatch
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, IndexSettings, SearchSettings
from bicross.upsert import weights_of
from bicross.vectors import Vectors

try:
    from mteb.models import ModelMeta
    from mteb.similarity_functions import cos_sim, dot_score, pairwise_cos_sim, pairwise_dot_score
    from mteb.types import PromptType
except ImportError as error:
    raise MissingExtra(f"MTEB's tasks need mteb 2 or newer, and {error.name} is not installed: pip install 'mteb>=2'") from error

_LANGUAGES = ["eng-Latn", "zho-Hans"]
_TEXTS = 512  # encoded together, so that batches of one length can be made of them


class TwoStage:
    """The whole pipeline as MTEB's SearchProtocol: what `bicross index` and `bicross evaluate` do, on MTEB's tasks.

    Models and weights are those of `collection`, a tuned one for example, or else the `encoder` and `reranker` that are named. Each
    corpus is written to the disk and indexed from there into a collection in `folder`, by default a temporary one: memory holds a
    batch of documents. In a named folder collections stay, so that another run embeds only what changed.

    In reranking tasks recall is MTEB's: only the documents that it hands over are ranked, and `depth` auto means that all of them are
    reranked. `settings.k` is not used; MTEB says how many hits it wants. `skipped` names what could not be indexed.
    """

    def __init__(
        self,
        collection: Path | None = None,
        *,
        encoder: str = STARTER_ENCODER,
        reranker: str = STARTER_RERANKER,
        passage_tokens: int | None = None,
        settings: SearchSettings = SearchSettings(),
        folder: Path | None = None,
        name: str = "bicross/two-stage",
    ) -> None:
        self._encoder, self._reranker, self._tokens, self._settings, self._folder = encoder, reranker, passage_tokens, settings, folder
        if collection is None:
            self._weights: Mapping[str, Any] = weights_of(encoder, reranker, Path())
        else:
            with Collection.open(collection).view() as view:
                facts = view.facts
            self._encoder, self._reranker = located(facts.encoder, collection), located(facts.reranker, collection)
            self._tokens, self._weights = facts.passage_tokens, facts.weights
        self._meta = _meta(name, [self._encoder, self._reranker], [self._tokens, self._weights, settings.model_dump(exclude={"explain"})])
        self._opened: OpenCollection | None = None
        self._passages = 0
        self._forget: Callable[[], object] = _nothing
        self.skipped: tuple[Skip, ...] = ()

    @property
    def mteb_model_meta(self) -> Any:
        """MTEB's ModelMeta. Its revision is a hash of models, weights and settings, under which MTEB keeps results."""
        return self._meta

    def index(self, corpus: Any, *, task_metadata: Any, hf_split: str, hf_subset: str, **_: Any) -> None:
        """Index a corpus: a `datasets.Dataset` with the columns id, text and perhaps title.

        Raises:
            InputError: it has no text, or the named folder holds a collection of other documents.
        """
        self.close()
        if "text" not in corpus.column_names:
            found = ", ".join(corpus.column_names)
            raise InputError(f"The corpus of {task_metadata.name} has the columns {found}, expected text. Name a task of texts.")
        home = self._home(task_metadata, hf_subset, hf_split)
        rows, into = home / "corpus.parquet", home / "collection"
        corpus.select_columns([name for name in ("id", "title", "text") if name in corpus.column_names]).to_parquet(str(rows))
        settings = IndexSettings(encoder=self._encoder, reranker=self._reranker, passage_tokens=self._tokens)
        done = pipeline.index([rows], into, settings)
        rows.unlink()
        if done.documents != done.changed + done.unchanged:
            raise InputError(
                f"{into} holds {done.documents} documents, and {task_metadata.name} has {done.changed + done.unchanged} now; "
                "the others are of an older corpus. Remove the folder, or name another."
            )
        with Collection.write(into) as writer:
            writer.set_facts(replace(writer.facts, weights=self._weights))
        self.skipped, self._passages = done.skipped, done.passages
        self._opened = OpenCollection(into)

    def search(
        self, queries: Any, *, top_k: int, top_ranked: Mapping[str, Sequence[str]] | None = None, **_: Any
    ) -> dict[str, dict[str, float]]:
        """Query id -> document id -> score, for each of the queries: a `datasets.Dataset` with the columns id and text.

        A conversation or an instruction becomes one text, as in MTEB itself. `top_ranked` names the documents to rank for each query.

        Raises:
            InputError: nothing was indexed.
        """
        if self._opened is None:
            raise InputError("There is nothing to search in; call index first.")
        asked = [query for query in map(_query, queries) if query.text.strip()]
        settings = self._settings.model_copy(update={"k": top_k})
        if top_ranked is None:
            found: Mapping[str, Ranking] = asking.ranked(self._opened, asked, settings, Stopwatch(), silent)
        else:
            found = self._reranked(self._opened, asked, top_ranked, settings)
        return {str(query): _falling(found.get(str(query), ())) for query in queries["id"]}

    def close(self) -> None:
        """Let go of the collection; a temporary one is removed. MTEB needs no call: the next `index` does so, and the end."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self._forget()

    def _home(self, task_metadata: Any, subset: str, split: str) -> Path:
        if self._folder is None:
            home = Path(tempfile.mkdtemp(prefix="bicross-mteb-"))
            self._forget = finalize(self, _remove, home)
            return home
        revision = str(task_metadata.dataset.get("revision", ""))[:12]
        models = self._meta.revision
        home = self._folder / "-".join(part.replace("/", "_") for part in (task_metadata.name, revision, subset, split, models) if part)
        home.mkdir(parents=True, exist_ok=True)
        return home

    def _reranked(
        self, opened: OpenCollection, asked: Sequence[Query], given: Mapping[str, Sequence[str]], settings: SearchSettings
    ) -> dict[str, Ranking]:
        view, found = opened.view, dict[str, Ranking]()
        keys = keys_of(view, self._passages, frozenset(doc_id for query in asked for doc_id in given.get(query.id, ())))
        try:
            for query in asked:
                wanted = [keys[doc_id] for doc_id in dict.fromkeys(given.get(query.id, ())) if doc_id in keys]
                if wanted:
                    opened.corpus = Among(view, self._passages, np.concatenate(wanted))
                    depth = len(wanted) if settings.depth == "auto" else settings.depth
                    found |= opened.rank([query], settings.model_copy(update={"depth": depth}), Stopwatch())
        finally:  # a model may fail, and who goes on searches in all documents again
            opened.corpus = view
        return found


class BiEncoder:
    """A bi-encoder alone as MTEB's EncoderProtocol: documents with the document prompt, everything else with the query prompt."""

    def __init__(self, model_name: str = STARTER_ENCODER, revision: str | None = None, *, device: str | None = None, **_: Any) -> None:
        if revision is not None or device not in (None, "cpu"):
            raise InputError(f"Bicross runs the model as it lies there, on the processor; found revision {revision!r}, device {device!r}.")
        self._model = registry.load_encoder(model_name)
        self._cosine = self._model.space.similarity == "cosine"
        self._meta = _meta(model_name if model_name.count("/") == 1 else f"bicross/{Path(model_name).name}", [model_name], []).model_copy(
            update={"embed_dim": self._model.space.dim, "model_type": ["dense"], "similarity_fn_name": self._model.space.similarity}
        )

    @property
    def mteb_model_meta(self) -> Any:
        """MTEB's ModelMeta; its revision is a hash of the model."""
        return self._meta

    def encode(self, inputs: Iterable[Mapping[str, Any]], *, prompt_type: Any = None, **_: Any) -> Vectors:
        """The texts of all batches, (texts, dim)."""
        encode = self._model.encode_documents if prompt_type == PromptType.document else self._model.encode_queries
        parts = [encode(texts) for texts in _gathered(inputs)]
        return np.concatenate(parts) if parts else np.zeros((0, self._model.space.dim), dtype=np.float32)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """As the model's space says, (embeddings1, embeddings2)."""
        return cos_sim(embeddings1, embeddings2) if self._cosine else dot_score(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """As the model's space says, row by row, (embeddings1,)."""
        return pairwise_cos_sim(embeddings1, embeddings2) if self._cosine else pairwise_dot_score(embeddings1, embeddings2)


def _gathered(batches: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    texts: list[str] = []
    for batch in batches:
        texts += batch["text"]
        if len(texts) >= _TEXTS:
            yield texts
            texts = []
    if texts:
        yield texts


def _query(row: Mapping[str, Any]) -> Query:
    """A query's text; turns of a conversation joined by `; `, then the instruction, as MTEB joins them."""
    text = row["text"]
    if not isinstance(text, str):
        turns = [turn if isinstance(turn, str) else f"{turn['role']}: {turn['content']}" for turn in text]
        return Query(str(row["id"]), " ".join(part for part in (row.get("instruction"), "; ".join(turns)) if part))
    return Query(str(row["id"]), " ".join(part for part in (text, row.get("instruction")) if part))


def _falling(ranking: Ranking) -> dict[str, float]:
    """Scores that fall from hit to hit even in single precision, which trec_eval computes in, so that the order stays Bicross's own.

    Where two are equal, trec_eval would put the greater id first, and Bicross puts the lesser.
    """
    last, scores = np.float32(np.inf), dict[str, float]()
    for hit in ranking:
        last = min(np.float32(hit.score), np.nextafter(last, np.float32(-np.inf)))
        scores[hit.doc_id] = float(last)
    return scores


def _meta(name: str, models: Sequence[str], choices: Sequence[Any]) -> Any:
    prints = [model if model == registry.HASHED else registry.find(model).fingerprint() for model in models]
    revision = hashlib.sha256(json.dumps([prints, choices], sort_keys=True).encode()).hexdigest()[:16]
    return ModelMeta.create_empty({"name": name, "revision": revision, "languages": _LANGUAGES, "model_type": ["hybrid"]})


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _nothing() -> None:
    """Where there is no folder to remove."""
