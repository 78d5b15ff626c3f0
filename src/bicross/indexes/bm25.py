"""BM25 over passages: an index that is built once and mapped from files, and a tail for what was written since.

Scores are Lucene's variant (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020): the sum over the query's words of
log(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * length / average length)).
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import bm25s
import numpy as np
from numpy.typing import NDArray

from bicross.errors import Damaged, InputError
from bicross.indexes.words import Words
from bicross.vectors import Keys, Scores, top_columns

K1, B = 1.2, 0.75
Content = bytes | memoryview
ARRAYS = {"keys": np.int64, "data": np.float32, "indices": np.int32, "indptr": np.int64}


class BM25Index:
    """Passages by the words in them, built once. `build` makes one from texts, `load` maps one that `save` wrote."""

    def __init__(self, arrays: Mapping[str, NDArray[np.generic]], vocabulary: Sequence[str], average: float, words: Words) -> None:
        """Use `build` or `load`. `arrays` is keyed as ARRAYS: keys (n,) ascending, then the scores by word, compressed."""
        self._arrays = arrays
        self._keys = arrays["keys"].astype(np.int64, copy=False)  # (n,)
        self._words = words
        self._average = average
        self._numbers = {word: number for number, word in enumerate(vocabulary)}
        self._engine = bm25s.BM25(k1=K1, b=B, method="lucene")
        self._engine.scores = {**arrays, "num_docs": len(self._keys)}
        self._engine.nonoccurrence_array = None

    @classmethod
    def build(cls, keys: Keys, texts: Iterable[str], words: Words) -> Self:
        """Index texts under keys, (n,), in any order.

        Raises:
            InputError: a key is negative or stands twice, or there are not as many texts as keys.
        """
        numbers: dict[str, int] = {}
        cut = [[numbers.setdefault(word, len(numbers)) for word in found] for found in words.batch(texts)]
        order = checked_order(keys, len(cut))  # rows stand in the order of their keys, so that ties break by key
        cut = [cut[row] for row in order]
        engine = bm25s.BM25(k1=K1, b=B, method="lucene")
        arrays: dict[str, NDArray[np.generic]] = {"keys": keys[order].astype(np.int64)}
        if numbers:
            engine.index((cut, numbers), create_empty_token=False, show_progress=False)
            arrays |= {name: np.asarray(engine.scores[name], dtype=ARRAYS[name]) for name in ("data", "indices", "indptr")}
        else:  # bm25s cannot count no words
            arrays |= {"data": np.zeros(0, np.float32), "indices": np.zeros(0, np.int32), "indptr": np.zeros(1, np.int64)}
        average = sum(map(len, cut)) / len(cut) if cut else 0.0
        return cls(arrays, list(numbers), average, words)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def average_length(self) -> float:
        """Words in a passage, on the average; 0 without passages."""
        return self._average

    def frequency(self, word: str) -> int:
        """The number of passages that have `word`."""
        number = self._numbers.get(word)
        indptr = self._arrays["indptr"]
        return 0 if number is None else int(indptr[number + 1]) - int(indptr[number])

    def search(self, texts: Sequence[str], k: int) -> tuple[Keys, Scores]:
        """Keys and scores of the k best passages of each text, both (queries, k), best first, ties by key.

        Only passages that share a word with the text are found; beyond them the key is -1 and the score 0.
        """
        keys, scores = nothing_found(len(texts), k)
        for row, found in enumerate(self._words.batch(texts)):
            known = [self._numbers[word] for word in found if word in self._numbers]
            if known:
                put_best(keys[row], scores[row], self._keys, self._engine.get_scores_from_ids(known))
        return keys, scores

    def save(self) -> dict[str, bytes]:
        """Files by name: the arrays in NumPy's format, the vocabulary in JSON."""
        facts = {"words": self._words.version, "k1": K1, "b": B, "average": self._average, "vocabulary": list(self._numbers)}
        files = {"bm25.json": json.dumps(facts, ensure_ascii=False).encode()}
        for name, kind in ARRAYS.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.asarray(self._arrays[name], dtype=kind), allow_pickle=False)
            files[f"bm25.{name}.npy"] = stream.getvalue()
        return files

    @classmethod
    def load(cls, files: Mapping[str, Content], words: Words) -> Self:
        """The index that `save` wrote. Nothing but the vocabulary is copied: the arrays stay where `files` has them.

        Raises:
            InputError: the index was cut into words by another version of `Words`, or scored with other parameters.
            Damaged: a file is missing or is not what `save` writes.
        """
        try:
            facts = json.loads(bytes(files["bm25.json"]))
            made = {"words": facts["words"], "k1": facts["k1"], "b": facts["b"]}
            arrays = {name: _mapped(files[f"bm25.{name}.npy"], np.dtype(kind)) for name, kind in ARRAYS.items()}
            vocabulary, average = list(facts["vocabulary"]), float(facts["average"])
        except (KeyError, ValueError, TypeError) as error:
            raise Damaged(f"The lexical index cannot be read ({error}); build it again.") from error
        now = {"words": words.version, "k1": K1, "b": B}
        if made != now:
            raise InputError(f"The lexical index was made with {made}, but this version of Bicross searches with {now}; build it again.")
        if len(arrays["indptr"]) != len(vocabulary) + 1 or len(arrays["data"]) != len(arrays["indices"]):
            raise Damaged(f"The lexical index has {len(vocabulary)} words, and arrays of other sizes; build it again.")
        return cls(arrays, vocabulary, average, words)


class Tail:
    """Passages written since the index was built, searched exactly. Cheap to add to; meant for thousands, not millions.

    Do not add in one thread while searching in another.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._keys: list[int] = []
        self._lengths: list[int] = []
        self._postings: dict[str, tuple[list[int], list[int]]] = {}  # word -> rows, and how often the word is there

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Keys, texts: Iterable[str]) -> None:
        """Add texts under keys, (n,); all of them, or on an error none.

        Raises:
            InputError: a key is negative, stands twice or is here already, or there are not as many texts as keys.
        """
        cut = list(self._words.batch(texts))
        checked_order(np.concatenate([np.asarray(self._keys, dtype=np.int64), keys]), len(self._keys) + len(cut))
        for key, found in zip(keys.tolist(), cut, strict=True):
            for word, count in Counter(found).items():
                rows, counts = self._postings.setdefault(word, ([], []))
                rows.append(len(self._keys))
                counts.append(count)
            self._keys.append(key)
            self._lengths.append(len(found))

    def search(self, texts: Sequence[str], k: int, index: BM25Index | None = None) -> tuple[Keys, Scores]:
        """Keys and scores of the k best passages of each text, both (queries, k), as `BM25Index.search` gives them.

        Document frequencies and average length are the index's, so that the scores compare with its own; without an
        index, or with an empty one, they are the tail's, and the scores are those of an index built from it.
        """
        base = index if index is not None and index.average_length > 0 else None
        total, average = (len(base), base.average_length) if base else (len(self), sum(self._lengths) / max(len(self), 1))
        order = np.argsort(np.asarray(self._keys, dtype=np.int64))  # (n,)
        held = np.asarray(self._keys, dtype=np.int64)[order]  # (n,)
        norms = K1 * (1 - B + B * np.asarray(self._lengths, dtype=np.float64) / max(average, 1e-9))  # (n,)
        keys, scores = nothing_found(len(texts), k)
        for row, found in enumerate(self._words.batch(texts)):
            sums = np.zeros(len(self))  # (n,)
            for word in found:
                if word in self._postings:
                    rows, counts = (np.asarray(part) for part in self._postings[word])
                    frequency = base.frequency(word) if base else len(rows)
                    rarity = np.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
                    sums[rows] += rarity * counts / (counts + norms[rows])
            put_best(keys[row], scores[row], held, sums[order].astype(np.float32))
        return keys, scores


def nothing_found(queries: int, k: int) -> tuple[Keys, Scores]:
    """Keys of -1 and scores of 0, both (queries, k)."""
    return np.full((queries, k), -1, dtype=np.int64), np.zeros((queries, k), dtype=np.float32)


def put_best(keys: Keys, scores: Scores, held: Keys, sums: Scores) -> None:
    """Write the best of the rows with a score, `held` (n,) ascending and `sums` (n,), into one query's keys and scores, (k,)."""
    hits = np.flatnonzero(sums > 0)
    best = hits[top_columns(sums[hits][np.newaxis], len(keys))[0]]
    keys[: len(best)], scores[: len(best)] = held[best], sums[best]


def checked_order(keys: Keys, texts: int) -> NDArray[np.int64]:
    """The rows in the order of their keys, (n,). Raises InputError for a key that is negative or stands twice, or a wrong count."""
    if len(keys) != texts:
        raise InputError(f"Found {texts} texts for {len(keys)} keys; give one text for each key.")
    order = np.argsort(keys, kind="stable")
    ascending = keys[order]
    if len(ascending) and ascending[0] < 0:
        raise InputError(f"Key {ascending[0]} is negative; keys count from 0.")
    twice = np.flatnonzero(ascending[1:] == ascending[:-1])
    if len(twice):
        raise InputError(f"Key {ascending[twice[0]]} stands twice; give every passage its own key.")
    return order


def _mapped(content: Content, kind: np.dtype[np.generic]) -> NDArray[np.generic]:
    """A one-dimensional array in NumPy's format, read where it lies, (n,). Raises ValueError if it is anything else."""
    head = io.BytesIO(bytes(memoryview(content)[:4096]))
    if np.lib.format.read_magic(head) != (1, 0):
        raise ValueError("an array has an unknown header")
    shape, _, found = np.lib.format.read_array_header_1_0(head)
    if found != kind or len(shape) != 1:
        raise ValueError(f"an array is {found} of shape {shape}, expected {kind} of one dimension")
    return np.ndarray(shape, dtype=kind, buffer=content, offset=head.tell())
