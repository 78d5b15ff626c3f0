"""Late interaction: a Scorer without training, over the bi-encoder's own token vectors.

The score of a pair is the mean, over the query's tokens, of the best cosine with any token of the document
(MaxSim; Khattab and Zaharia 2020, "ColBERT"), so it lies in [-1, 1].
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bicross.models.bi_encoder import BiEncoder
from bicross.vectors import Scores, check_scores

CACHE_BYTES = 256 * 1024 * 1024


class LateInteraction:
    """A Scorer. The documents' token vectors are kept as float16 up to `CACHE_BYTES`, the longest unused dropped first."""

    def __init__(self, encoder: BiEncoder) -> None:
        self._encoder = encoder
        self._kept: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._bytes = 0
        self.fingerprint = "maxsim:" + encoder.space.fingerprint

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """MaxSim of (query, document) pairs, (len(pairs),), in the order asked."""
        queries = list(dict.fromkeys(query for query, _ in pairs))
        asked = {queries[position]: vectors for position, vectors in self._encoder.query_tokens(queries)}  # each (Q, D)
        scores = np.empty(len(pairs), dtype=np.float32)
        places: dict[str, list[int]] = {}
        for place, (_, document) in enumerate(pairs):
            places.setdefault(document, []).append(place)

        def fill(document: str, tokens: NDArray[np.float32]) -> None:  # tokens: (T, D)
            for place in places[document]:
                scores[place] = (asked[pairs[place][0]] @ tokens.T).max(axis=1).mean()  # (Q, T) -> ()

        absent = [document for document in places if not self._fill_kept(document, fill)]
        for position, vectors in self._encoder.document_tokens(absent):
            fill(absent[position], self._keep(absent[position], vectors))
        check_scores(scores, pairs)
        return scores

    def _fill_kept(self, document: str, fill: Callable[[str, NDArray[np.float32]], None]) -> bool:
        kept = self._kept.get(document)
        if kept is None:
            return False
        self._kept.move_to_end(document)
        fill(document, kept.astype(np.float32))
        return True

    def _keep(self, document: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Remember float16, and use float16 at once, so that a score does not depend on what was asked before."""
        half = vectors.astype(np.float16)
        self._kept[document] = half
        self._bytes += half.nbytes
        while self._bytes > CACHE_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.nbytes
        return half.astype(np.float32)
