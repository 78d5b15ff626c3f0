"""A bi-encoder: texts to vectors, queries and documents apart from each other (Reimers and Gurevych 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from tokenizers import Tokenizer

from bicross.errors import InputError
from bicross.models.devices import runtime
from bicross.models.folder import ModelFolder
from bicross.models.tokens import Computed, load_tokenizer, run_sorted
from bicross.protocols import Side
from bicross.records import Space
from bicross.vectors import Vectors, check_vectors


class BiEncoder:
    """An Encoder, with one network or with one each for queries and documents; on a device of `devices.runtime`.

    `tokenizer` and `content_tokens` are of the documents' side: the latter is the room for a text beside prompt and special tokens,
    `max_tokens` all together. `matryoshka`: shorter dimensions that it was trained for.
    `cut` collects the texts that were longer; whoever reports them clears it.

    Raises:
        InputError: a file is not what it should be, or the two networks give vectors of different widths.
    """

    def __init__(self, folder: ModelFolder, precision: str | None = None, device: str = "cpu") -> None:
        self.folder = folder
        self.cut: list[str] = []
        with ThreadPoolExecutor(1) as pool:
            fingerprint = pool.submit(folder.fingerprint)  # hashes while the graphs are compiled
            self._documents = _Tower(folder, precision, device)
            self._queries = _Tower(folder.query_tower, precision, device) if folder.query_tower else self._documents
        if self._queries.dim != self._documents.dim:
            raise InputError(
                f"{folder.root} gives queries {self._queries.dim} dimensions and documents {self._documents.dim}; "
                "expected as many for both. Train the two from encoders of one width."
            )
        self.max_tokens, self.matryoshka = folder.max_tokens, folder.matryoshka
        self.content_tokens = folder.max_tokens - self._documents.count(folder.document_prompt)
        self.space = Space(fingerprint.result(), self._documents.dim, folder.similarity)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The documents' tokenizer without truncation: for cutting passages."""
        return load_tokenizer(self.folder.path / "tokenizer.json")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, (len(texts), dim)."""
        return self._encode("query", texts)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, (len(texts), dim)."""
        return self._encode("document", texts)

    def encode_counted(self, side: Side, texts: Sequence[str]) -> tuple[Vectors, list[int], list[bool]]:
        """Vectors as the methods above give them, (len(texts), dim); tokens of each text, special ones too, and whether it was cut."""
        tower, prompt = (self._queries, self.folder.query_prompt) if side == "query" else (self._documents, self.folder.document_prompt)
        vectors, counts, cut = np.empty((len(texts), self.space.dim), dtype=np.float32), [0] * len(texts), [False] * len(texts)
        for batch in tower.run(prompt, texts):
            vectors[batch.positions] = batch.rows
            for position, tokens, longer in zip(batch.positions, batch.tokens, batch.cut, strict=True):
                counts[position], cut[position] = tokens, longer
        check_vectors(vectors, self.space, [text[:60] for text in texts])
        return vectors, counts, cut

    def query_tokens(self, texts: Sequence[str]) -> Iterator[tuple[int, Vectors]]:
        """Position and unit vectors (tokens, dim) of each question's tokens, longest question first."""
        return self._tokens(self._queries, self.folder.query_prompt, texts)

    def document_tokens(self, texts: Sequence[str]) -> Iterator[tuple[int, Vectors]]:
        """Position and unit vectors (tokens, dim) of each passage's tokens, longest passage first."""
        return self._tokens(self._documents, self.folder.document_prompt, texts)

    def _encode(self, side: Side, texts: Sequence[str]) -> Vectors:
        vectors, _, cut = self.encode_counted(side, texts)
        self.cut.extend(text for text, longer in zip(texts, cut, strict=True) if longer)
        return vectors

    def _tokens(self, tower: _Tower, prompt: str, texts: Sequence[str]) -> Iterator[tuple[int, Vectors]]:
        for batch in tower.run(prompt, texts, output=1):
            self.cut.extend(texts[position] for position, longer in zip(batch.positions, batch.cut, strict=True) if longer)
            for position, tokens, row in zip(batch.positions, batch.tokens, batch.rows, strict=True):
                yield position, row[:tokens]  # (T, D)


class _Tower:
    """One network with its tokenizer."""

    def __init__(self, folder: ModelFolder, precision: str | None, device: str) -> None:
        self._cutting = load_tokenizer(folder.path / "tokenizer.json")
        self._cutting.enable_truncation(folder.max_tokens)
        self._limit, self._pad = folder.max_tokens, int(folder.config.get("pad_token_id") or 0)
        self._engine = runtime(device).bi_encoder(folder, precision)
        self.dim = self._engine.dim

    def count(self, text: str) -> int:
        """Tokens of a text, special ones too, up to the model's length."""
        return len(self._cutting.encode(text).ids)

    def run(self, prompt: str, texts: Sequence[str], output: int = 0) -> Iterator[Computed]:
        """What `run_sorted` yields for the texts behind the prompt."""
        inputs = [prompt + text for text in texts] if prompt else texts
        return run_sorted(self._engine, self._cutting, inputs, self._limit, self._pad, output)
