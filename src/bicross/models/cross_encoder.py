"""A cross-encoder: reads query and document together and gives one score (Nogueira and Cho 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import openvino as ov
from tokenizers import Encoding

from bicross.errors import InputError
from bicross.models import graph
from bicross.models.folder import ModelFolder
from bicross.models.network import Network, best_precision
from bicross.models.tokens import load_tokenizer, run_sorted
from bicross.models.weights import read_weights
from bicross.vectors import Scores, check_scores


class CrossEncoder:
    """A Scorer on OpenVINO. Scores are logits: any real number, higher is more relevant.

    `cut` collects the queries of pairs that were longer than the model; whoever reports them clears it.
    """

    def __init__(self, folder: ModelFolder, precision: str | None = None) -> None:
        self.folder = folder
        self.cut: list[str] = []
        self._tokenizer = load_tokenizer(folder.path / "tokenizer.json")
        self._tokenizer.enable_truncation(folder.max_tokens)  # the longer of the two is cut first
        self._pad = int(folder.config.get("pad_token_id") or 0)
        self._network = Network(_model(folder), precision or best_precision())

    @cached_property
    def fingerprint(self) -> str:
        """What decides a score, hashed."""
        return self.folder.fingerprint()

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Logits of (query, document) pairs, (len(pairs),), in the order asked; batches span queries."""
        scores, _, cut = self.score_counted(pairs)
        self.cut += [query for (query, _), longer in zip(pairs, cut, strict=True) if longer]
        return scores

    def score_counted(self, pairs: Sequence[tuple[str, str]]) -> tuple[Scores, list[int], list[bool]]:
        """Logits as `score` gives them; tokens of each pair, special ones too, and whether it was cut."""
        scores, counts, cut = np.empty(len(pairs), dtype=np.float32), [0] * len(pairs), list[bool]()

        def encode(start: int, stop: int) -> list[Encoding]:
            encodings = self._tokenizer.encode_batch(
                [(self.folder.query_prompt + query, document) for query, document in pairs[start:stop]]
            )
            cut.extend(bool(encoding.overflowing) for encoding in encodings)
            return encodings

        for positions, lengths, rows in run_sorted(self._network, encode, len(pairs), self._pad, pair_types=self.folder.pair_types):
            scores[positions] = rows[:, 0]
            for position, length in zip(positions, lengths, strict=True):
                counts[position] = length
        check_scores(scores, pairs)
        return scores, counts, cut


def _model(folder: ModelFolder) -> ov.Model:
    """A graph with one output: the logits, (batch, 1).

    Raises:
        InputError: the model has several classes, which is no reranker.
    """
    file = folder.graph_file()
    if file is None:
        weights = read_weights(folder.path)
        inputs, hidden = graph.bert(folder.config, weights)
        logits = graph.classify(hidden, folder.config, weights)
    else:
        inputs, logits = graph.read(file, "logits", rank=2)
    model = ov.Model([logits], inputs, "cross_encoder")
    labels = model.outputs[0].partial_shape[1]
    if labels.is_static and labels.get_length() != 1:
        raise InputError(f"{folder.path} gives {labels.get_length()} scores a pair; expected 1, as a reranker has.")
    return model
