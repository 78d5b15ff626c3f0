"""A bi-encoder: texts to vectors, queries and documents apart from each other (Reimers and Gurevych 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import openvino as ov
from tokenizers import Encoding, Tokenizer

from bicross.models import graph
from bicross.models.folder import ModelFolder
from bicross.models.network import Network, best_precision
from bicross.models.tokens import load_tokenizer, run_sorted
from bicross.models.weights import read_weights
from bicross.records import Space
from bicross.vectors import Vectors, check_vectors


class BiEncoder:
    """An Encoder on OpenVINO.

    `content_tokens` is the room for a text beside prompt and special tokens. `cut` collects the texts that were longer; whoever
    reports them clears it.
    """

    def __init__(self, folder: ModelFolder, precision: str | None = None) -> None:
        self.folder = folder
        self.cut: list[str] = []
        self._cutting = load_tokenizer(folder.path / "tokenizer.json")
        self.content_tokens = folder.max_tokens - len(self._cutting.encode(folder.document_prompt).ids)
        self._cutting.enable_truncation(folder.max_tokens)
        self._pad = int(folder.config.get("pad_token_id") or 0)
        with ThreadPoolExecutor(1) as pool:
            fingerprint = pool.submit(folder.fingerprint)  # hashes while the graph is compiled
            model = _model(folder)
            self._network = Network(model, precision or best_precision())
        self.space = Space(fingerprint.result(), int(model.outputs[0].partial_shape[1].get_length()), folder.similarity)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer without truncation: for cutting passages."""
        return load_tokenizer(self.folder.path / "tokenizer.json")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, (len(texts), dim)."""
        return self._encode(self.folder.query_prompt, texts)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, (len(texts), dim)."""
        return self._encode(self.folder.document_prompt, texts)

    def query_tokens(self, texts: Sequence[str]) -> Iterator[tuple[int, Vectors]]:
        """Position and unit vectors (tokens, dim) of each question's tokens, longest question first."""
        return self._tokens(self.folder.query_prompt, texts)

    def document_tokens(self, texts: Sequence[str]) -> Iterator[tuple[int, Vectors]]:
        """Position and unit vectors (tokens, dim) of each passage's tokens, longest passage first."""
        return self._tokens(self.folder.document_prompt, texts)

    def _encode(self, prompt: str, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.space.dim), dtype=np.float32)
        for positions, _, rows in run_sorted(self._network, self._tokenizer(prompt, texts), len(texts), self._pad):
            vectors[positions] = rows
        check_vectors(vectors, self.space, [text[:60] for text in texts])
        return vectors

    def _tokens(self, prompt: str, texts: Sequence[str]) -> Iterator[tuple[int, Vectors]]:
        for positions, lengths, rows in run_sorted(self._network, self._tokenizer(prompt, texts), len(texts), self._pad, output=1):
            for position, length, row in zip(positions, lengths, rows, strict=True):
                yield position, row[:length]  # (T, D)

    def _tokenizer(self, prompt: str, texts: Sequence[str]) -> Callable[[int, int], list[Encoding]]:
        def encode(start: int, stop: int) -> list[Encoding]:
            encodings = self._cutting.encode_batch([prompt + text for text in texts[start:stop]])
            self.cut += [text for text, encoding in zip(texts[start:stop], encodings, strict=True) if encoding.overflowing]
            return encodings

        return encode


def _model(folder: ModelFolder) -> ov.Model:
    """A graph with two outputs: the pooled vectors (batch, dim) and the tokens' unit vectors (batch, tokens, dim)."""
    file = folder.graph_file()
    if file is None:
        inputs, hidden = graph.bert(folder.config, read_weights(folder.path))
    else:
        inputs, hidden = graph.read(file, "last_hidden_state", rank=3)
    pooled = graph.pool(hidden, inputs[1], folder.pooling, folder.normalise)
    return ov.Model([pooled, graph.unit_length(hidden)], inputs, "bi_encoder")
