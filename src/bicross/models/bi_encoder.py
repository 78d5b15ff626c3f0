"""A bi-encoder: texts to vectors, queries and documents apart from each other (Reimers and Gurevych 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import openvino as ov
from tokenizers import Encoding, Tokenizer

from bicross.errors import InputError
from bicross.models import graph
from bicross.models.folder import ModelFolder
from bicross.models.network import Network, Output, best_precision
from bicross.models.tokens import load_tokenizer, run_sorted
from bicross.models.weights import read_weights
from bicross.protocols import Side
from bicross.records import Space
from bicross.vectors import Vectors, check_vectors


class BiEncoder:
    """An Encoder on OpenVINO, with one network or with one each for queries and documents.

    `tokenizer` and `content_tokens` are of the documents' side: the latter is the room for a text beside prompt and special tokens,
    `max_tokens` all together. `matryoshka`: shorter dimensions that it was trained for.
    `cut` collects the texts that were longer; whoever reports them clears it.

    Raises:
        InputError: a file is not what it should be, or the two networks give vectors of different widths.
    """

    def __init__(self, folder: ModelFolder, precision: str | None = None) -> None:
        self.folder = folder
        self.cut: list[str] = []
        with ThreadPoolExecutor(1) as pool:
            fingerprint = pool.submit(folder.fingerprint)  # hashes while the graphs are compiled
            self._documents = _Tower(folder, precision)
            self._queries = _Tower(folder.query_tower, precision) if folder.query_tower else self._documents
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
        vectors, counts, cut = np.empty((len(texts), self.space.dim), dtype=np.float32), [0] * len(texts), list[str]()
        for positions, lengths, rows in tower.run(prompt, texts, cut):
            vectors[positions] = rows
            for position, length in zip(positions, lengths, strict=True):
                counts[position] = length
        check_vectors(vectors, self.space, [text[:60] for text in texts])
        longer = set(cut)
        return vectors, counts, [text in longer for text in texts]

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
        for positions, lengths, rows in tower.run(prompt, texts, self.cut, output=1):
            for position, length, row in zip(positions, lengths, rows, strict=True):
                yield position, row[:length]  # (T, D)


class _Tower:
    """One network with its tokenizer."""

    def __init__(self, folder: ModelFolder, precision: str | None) -> None:
        self._cutting = load_tokenizer(folder.path / "tokenizer.json")
        self._cutting.enable_truncation(folder.max_tokens)
        self._pad = int(folder.config.get("pad_token_id") or 0)
        model = _model(folder)
        self.dim = int(model.outputs[0].partial_shape[1].get_length())
        self._network = Network(model, precision or best_precision())

    def count(self, text: str) -> int:
        """Tokens of a text, special ones too, up to the model's length."""
        return len(self._cutting.encode(text).ids)

    def run(
        self, prompt: str, texts: Sequence[str], cut: list[str], output: int = 0
    ) -> Iterator[tuple[Sequence[int], Sequence[int], Output]]:
        """What `run_sorted` yields for the texts behind the prompt. Those that were longer than the model are added to `cut`."""

        def encode(start: int, stop: int) -> list[Encoding]:
            encodings = self._cutting.encode_batch([prompt + text for text in texts[start:stop]])
            cut.extend(text for text, encoding in zip(texts[start:stop], encodings, strict=True) if encoding.overflowing)
            return encodings

        return run_sorted(self._network, encode, len(texts), self._pad, output)


def _model(folder: ModelFolder) -> ov.Model:
    """A graph with two outputs: the pooled vectors (batch, dim) and the tokens' unit vectors (batch, tokens, dim)."""
    file = folder.graph_file()
    if file is None:
        inputs, hidden = graph.bert(folder.config, read_weights(folder.path))
    else:
        inputs, hidden = graph.read(file, "last_hidden_state", rank=3)
    pooled = graph.pool(hidden, inputs[1], folder.pooling, folder.normalise)
    return ov.Model([pooled, graph.unit_length(hidden)], inputs, "bi_encoder")
