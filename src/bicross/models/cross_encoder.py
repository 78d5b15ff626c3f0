"""A cross-encoder: reads query and document together and gives one score (Nogueira and Cho 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from bicross.models.devices import runtime
from bicross.models.folder import ModelFolder
from bicross.models.tokens import load_tokenizer, run_sorted
from bicross.vectors import Scores, check_scores


class CrossEncoder:
    """A Scorer, on a device of `devices.runtime`. Scores are logits: any real number, higher is more relevant.

    `cut` collects the queries of pairs that were longer than the model; whoever reports them clears it.
    """

    def __init__(self, folder: ModelFolder, precision: str | None = None, device: str = "cpu") -> None:
        self.folder = folder
        self.cut: list[str] = []
        self._tokenizer = load_tokenizer(folder.path / "tokenizer.json")
        self._tokenizer.enable_truncation(folder.max_tokens)  # the longer of the two is cut first
        self._pad = int(folder.config.get("pad_token_id") or 0)
        self._engine = runtime(device).cross_encoder(folder, precision)

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
        scores, counts, cut = np.empty(len(pairs), dtype=np.float32), [0] * len(pairs), [False] * len(pairs)
        prompt = self.folder.query_prompt
        inputs = [(prompt + query, document) for query, document in pairs]
        for batch in run_sorted(
            self._engine, self._tokenizer, inputs, self.folder.max_tokens, self._pad, pair_types=self.folder.pair_types
        ):
            scores[batch.positions] = batch.rows[:, 0]
            for position, tokens, longer in zip(batch.positions, batch.tokens, batch.cut, strict=True):
                counts[position], cut[position] = tokens, longer
        check_scores(scores, pairs)
        return scores, counts, cut
