"""4-bit product quantisation, scanned whole or in the nearest lists, then the best by finer codes, then those exactly: for many rows.

Method: André et al., "Quicker ADC: Unlocking the Hidden Potential of Product Quantization with SIMD", PAMI 2021, as faiss implements it
(IndexPQFastScan, IndexIVFPQFastScan); rows are turned first so that every code has about the same share of the variance (Ge et al.,
"Optimized Product Quantization", PAMI 2014, the parametric solution); lists are those of Jégou et al., "Product Quantization for Nearest
Neighbor Search", PAMI 2011.

What codes say of a row is shorter than the row, by more where they say less, and so is the product with a query. Rows are therefore ordered
by the distance of their codes to a multiple of the query, |s q - c|^2 = const - 2 s (q c - |c|^2 / 2 s), which favours what is short; s is
chosen on queries. Measured on 94,000 rows of the starter encoder, codes of 4 dimensions: of the 100 nearest, .93 are among the first 500
by the product, .97 at s = 1, .985 at s = 2; of a million rows .973, and .982 at s = 1.5.

A row that is read from its file costs a system call, and at first a read of the disk. Finer codes in memory, 4 bits for each dimension
(a scalar quantiser over all but the outermost hundredths of its values, by products over all of them), therefore choose few rows of the
shortlist: of a million rows, the 100 nearest among 1,000 are among the best 200 by them, all but one in 10,000.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from mmap import MADV_DONTNEED, mmap
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from bicross.errors import Damaged
from bicross.indexes.exact import Content, ExactIndex, checked_queries, nothing_found
from bicross.indexes.recall import AT, Probes, Recall
from bicross.indexes.rows import MappedRows, row_hashes
from bicross.records import Space
from bicross.vectors import Keys, Scores, Vectors, similarities, top_columns

QUERY_CHUNK = 256
FEWEST = 1_024  # rows; below, there is too little to train on and the exact scan takes microseconds
WIDTHS = (4, 2)  # dimensions a code; the second is half as coarse, and twice as many bytes to scan
MANY = 2_000  # rows of a shortlist; where codes of 4 dimensions need more, those of 2 are scanned
GROWTH = 4  # codes are trained anew when the rows are this many times those they were trained on
SAMPLE, LIST_SAMPLE = 16_384, 50  # rows to train codes on; rows a list to train lists on
SHORTLISTS = (*range(200, 1_000, 100), 1_000, 1_200, 1_400, 1_700, 2_000, 3_000, 4_000)
"""How many rows the codes propose for the best `recall.AT`: the fewest that do."""
SCALES = (1.5, 2.0, 1.0, 4.0, 1_000.0)  # s above; the last orders by the product itself
ENOUGH = 0.997  # of the true neighbours, on the queries that choose
READS = (2, 3, 4, 8, 16)  # rows read for each that is asked for: the fewest that lose no more than LOST of what the shortlist has
LOST, OUTERMOST = 0.001, 0.01  # OUTERMOST: the share of values, on each side, that finer codes do not tell apart
UNTYPED: Any = faiss  # for what its type hints leave out
SEARCHED = ("width", "scale", "least", "read", "probes")  # what `tune` chooses
ROWS_FILE, CODES = "vectors.f32", ("codes.faiss", "finer.faiss")


class PQIndex:
    """Exact rows beside codes of 4 bits for each 4 (or 2) dimensions, which propose a shortlist, and finer ones, which choose of it the
    rows that are compared exactly.

    With `lists`, only the codes of the lists that are nearest to a query are scanned. Scores are exact; `recall` is what `tune` measured.
    Not to be changed while another thread searches.
    """

    def __init__(self, space: Space, seed: int = 0, lists: int = 0) -> None:
        self._exact = ExactIndex(space)
        self._mapped: MappedRows | None = None
        self._codes: faiss.Index | None = None
        self._finer: faiss.Index | None = None  # where there are codes, of the same rows
        self._held: NDArray[np.uint8] | None = None  # what the finer codes lie in, where they have no memory of their own
        self._trained_on = 0
        self._seed, self._width, self._lists = seed, WIDTHS[0], lists
        self._least, self._read, self._probes = MANY, READS[-1], max(1, lists // 4)
        self._scale = SCALES[0] if space.similarity == "cosine" else SCALES[-1]
        self.recall: Recall | None = None

    @property
    def kind(self) -> str:
        """What `open_index` needs to open it again."""
        return "ivf" if self._lists else "pq"

    @property
    def space(self) -> Space:
        return self._exact.space

    def __len__(self) -> int:
        return len(self._exact)

    def shortlist(self, k: int) -> int:
        """How many rows the codes propose for the best k."""
        return max(self._least, round(self._least * math.sqrt(k / AT)), 4 * k)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Add rows as `ExactIndex.add` does, and raise what it raises."""
        self._own()
        before, _ = self._exact.rows
        self._exact.add(keys, vectors)
        after, rows = self._exact.rows
        if len(after) >= max(FEWEST, GROWTH * self._trained_on):
            self._train(rows)
        elif np.array_equal(before, after[: len(before)]):
            for codes in self._both():
                codes.add(rows[len(before) :])
        else:  # rows moved, and codes stand in the order of the rows
            for codes in self._both():
                codes.reset()
                codes.add(rows)

    def remove(self, keys: Keys) -> None:
        """Remove rows as `ExactIndex.remove` does, and raise what it raises."""
        gone = self._exact.positions(keys)
        self._own()
        self._exact.remove(keys)
        for codes in self._both():
            if self._lists and codes is self._codes:  # lists keep the numbers of those that stay, but rows move up
                codes.reset()
                codes.add(self._exact.rows[1])
            else:
                codes.remove_ids(faiss.IDSelectorBatch(gone))  # later rows move up, as in the exact index

    def tune(self, probes: Probes) -> None:
        """Choose how coarse the codes are, how many lists are scanned, how rows are ordered, how many are proposed and how many of them are
        read, as little as finds `ENOUGH`; and measure what that finds.

        One half of the queries chooses and the other is measured, so that the figure holds for queries to come.
        """
        k = min(AT, len(self))
        if self._codes is None or SHORTLISTS[0] >= len(self) or len(probes.vectors) < 2:
            return
        queries = checked_queries(probes.vectors, k, self.space)
        found, _ = self._exact.search(queries, k)
        true = np.searchsorted(self._exact.rows[0], found)  # (queries, k), row numbers
        most = min(SHORTLISTS[-1], len(self))
        for width in WIDTHS:
            if width != self._width:
                self._width = width
                self._train(self._exact.rows[1])
            for scanned in _doubled(self._lists):
                self._probes = scanned
                if (_ranks(self._proposed(queries[0::2], most), true[0::2]) < most).mean() >= ENOUGH:
                    break
            needed = {scale: self._needed(queries[0::2], true[0::2], most, scale) for scale in SCALES}
            self._scale = min(needed, key=needed.__getitem__)
            self._least, _ = needed[self._scale]
            if self._least <= MANY:
                break
        proposed = (_ranks(self._proposed(queries[0::2], self.shortlist(k)), true[0::2]) < self.shortlist(k)).mean()
        for self._read in READS:
            chosen = self._chosen(queries[0::2], k)
            if (_ranks(chosen, true[0::2]) < chosen.shape[1]).mean() >= proposed - LOST:
                break
        chosen = self._chosen(queries[1::2], k)
        held = (_ranks(chosen, true[1::2]) < chosen.shape[1]).mean(axis=1)  # (queries / 2,)
        self.recall = Recall(k, float(held.mean()), float(held.min()), len(held), probes.of)

    def search(self, vectors: Vectors, k: int) -> tuple[Keys, Scores]:
        """Keys and exact scores of about the k nearest rows, in the shapes and order of `ExactIndex.search`.

        Raises:
            SpaceMismatch, InputError: as `ExactIndex.search`. Damaged: a row that is read is not what was written.
        """
        vectors = checked_queries(vectors, k, self.space)
        if self._codes is None or self.shortlist(k) >= len(self):
            self._test_rows()
            return self._exact.search(vectors, k)
        found_keys, found_scores = nothing_found(len(vectors), k)
        keys, _ = self._exact.rows
        for start in range(0, len(vectors) if k else 0, QUERY_CHUNK):
            part = vectors[start : start + QUERY_CHUNK]
            chosen = np.sort(self._chosen(part, k), axis=1)  # in the order of keys, so that equal scores stand so
            for row, (vector, candidates) in enumerate(zip(part, chosen, strict=True), start):
                candidates = candidates[np.searchsorted(candidates, 0) :]  # -1 where the lists hold fewer
                scores = similarities(vector[None], self._take(candidates), self.space)  # (1, candidates)
                best = top_columns(scores, k)[0]  # (k,)
                found_keys[row, : len(best)], found_scores[row, : len(best)] = keys[candidates[best]], scores[0, best]
        return found_keys, found_scores

    def save(self) -> dict[str, Content]:
        """The files of `ExactIndex.save`, a hash of each row, both codes as faiss serialises them, and how they are searched."""
        self._test_rows()
        codes, finer = (b"" if one is None else faiss.serialize_index(one).tobytes() for one in (self._codes, self._finer))
        recall = self.recall.as_json() if self.recall else None
        facts = {name: getattr(self, f"_{name}") for name in ("lists", *SEARCHED)}
        hashes = row_hashes(self._exact.rows[1]).astype("<u8").tobytes()
        return {
            **self._exact.save(),
            "hashes.u64": hashes,
            "codes.faiss": codes,
            "finer.faiss": finer,
            "facts.json": json.dumps({**facts, "recall": recall}, sort_keys=True).encode(),
        }

    @classmethod
    def load(cls, space: Space, files: Mapping[str, Content]) -> Self:
        """The index that `save` wrote; rows and finer codes stay where `files` has them, the codes that are scanned are copied. All files
        but the rows must have been hashed before; rows are tested against `hashes.u64` when they are read.

        Raises:
            Damaged: a file is missing, or the sizes do not fit each other and the space.
        """
        lacking = {"hashes.u64", *CODES, "facts.json"} - files.keys()
        if lacking:
            raise Damaged(f"The index has no {min(lacking)}; build it again.")
        facts: dict[str, Any] = json.loads(bytes(files["facts.json"]))
        if absent := {"lists", "recall", *SEARCHED} - facts.keys():
            raise Damaged(f"facts.json does not say {min(absent)}; build the index again.")
        index = cls(space, lists=facts["lists"])
        index._exact = ExactIndex.load(space, files)
        hashes = np.frombuffer(files["hashes.u64"], dtype="<u8")
        if len(hashes) != len(index):
            raise Damaged(f"hashes.u64 is of {len(hashes)} rows, expected {len(index)}; build the index again.")
        index._mapped = MappedRows(files[ROWS_FILE], index._exact.rows[1], hashes)
        for name in SEARCHED:
            setattr(index, f"_{name}", facts[name])
        index.recall = Recall.read(facts["recall"]) if facts["recall"] else None
        if len(files["codes.faiss"]):
            scanned, index._held = (np.frombuffer(files[name], dtype=np.uint8) for name in CODES)
            index._codes = faiss.deserialize_index(scanned)  # copies
            if isinstance(copied := getattr(files[CODES[0]], "obj", None), mmap):
                copied.madvise(MADV_DONTNEED)  # what was copied need not be in memory twice
            index._finer = UNTYPED.read_index(UNTYPED.ZeroCopyIOReader(faiss.swig_ptr(index._held), len(index._held)))
            for name, codes in zip(CODES, index._both(), strict=True):
                if (codes.ntotal, codes.d) != (len(index), space.dim):
                    raise Damaged(f"{name} is not about the {len(index)} rows of {space.dim} dimensions beside it; build the index again.")
            index._trained_on = len(index)
        return index

    @property
    def _parts(self) -> int:
        """Codes a row. Where the width does not divide the dimensions, the next smaller one that does."""
        return self.space.dim // next(width for width in (self._width, 2, 1) if self.space.dim % width == 0)

    def _test_rows(self) -> None:
        """From here on all rows are read: they must all be as written."""
        if self._mapped is not None:
            self._mapped.all()
            self._mapped = None

    def _own(self) -> None:
        """From here on rows and codes are changed."""
        self._test_rows()
        if self._held is not None:
            self._finer, self._held = faiss.deserialize_index(self._held), None

    def _take(self, places: NDArray[np.int64]) -> Vectors:
        """Rows by number, (len(places), dim)."""
        return self._exact.rows[1].take(places, axis=0) if self._mapped is None else self._mapped.take(places)

    def _both(self) -> list[faiss.Index]:
        return [codes for codes in (self._codes, self._finer) if codes is not None]

    def _params(self) -> Any:
        if not self._lists:
            return None
        return UNTYPED.SearchParametersPreTransform(index_params=UNTYPED.SearchParametersIVF(nprobe=self._probes))

    def _proposed(self, queries: Vectors, count: int) -> NDArray[np.int64]:
        """Row numbers, nearest by their codes first, (queries, count); -1 where the lists hold fewer."""
        assert self._codes is not None
        proposed: NDArray[np.int64] = self._codes.search(self._scale * queries, count, params=self._params())[1]
        return proposed

    def _chosen(self, queries: Vectors, k: int) -> NDArray[np.int64]:
        """Row numbers to compare exactly for the best k, those of the shortlist that are nearest by the finer codes, (queries, chosen);
        -1 where the lists hold fewer.
        """
        shortlist = self.shortlist(k)
        count = min(shortlist, self._read * max(k, AT))
        base = {"base_index_params": self._params()} if self._lists else {}
        params = UNTYPED.IndexRefineSearchParameters(k_factor=(shortlist + 0.5) / count, **base)  # it rounds their product down
        chosen: NDArray[np.int64] = faiss.IndexRefine(self._codes, self._finer).search(self._scale * queries, count, params=params)[1]
        return chosen

    def _needed(self, queries: Vectors, true: NDArray[np.int64], most: int, scale: float) -> tuple[int, float]:
        """How many rows are proposed to find `ENOUGH` of the true neighbours (queries, k), or the most, if rows are ordered by that scale;
        and the share that is not among them.
        """
        self._scale = scale
        ranks = _ranks(self._proposed(queries, most), true)  # (queries, k)
        least = next((least for least in SHORTLISTS if (ranks < least).mean() >= ENOUGH), most)
        return least, float((ranks >= least).mean())

    def _train(self, rows: Vectors) -> None:
        dim = self.space.dim
        draw = np.random.default_rng(self._seed)
        sample = rows[np.sort(draw.choice(len(rows), min(max(SAMPLE, LIST_SAMPLE * self._lists), len(rows)), replace=False))]
        with _one_thread():
            turn = _turn(sample[:: max(1, len(sample) // SAMPLE)], self._parts)
            scan: faiss.IndexPQFastScan | faiss.IndexIVFPQFastScan
            if self._lists:
                near = faiss.IndexFlatIP(dim)
                scan = faiss.IndexIVFPQFastScan(near, dim, self._lists, self._parts, 4, faiss.METRIC_L2)
                scan.cp.seed, scan.cp.niter = self._seed, 10
            else:
                scan = faiss.IndexPQFastScan(dim, self._parts, 4, faiss.METRIC_L2)
            scan.pq.cp.seed = self._seed
            index = faiss.IndexPreTransform(turn, scan)
            index.train(sample)
            finer = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_4bit, faiss.METRIC_L2)
            if self.space.similarity == "cosine":  # by products what is outermost is what is looked for
                finer.sq.rangestat, finer.sq.rangestat_arg = faiss.ScalarQuantizer.RS_quantiles, OUTERMOST
            finer.train(sample)
        self._codes, self._finer, self._held, self._trained_on = index, finer, None, len(rows)
        for codes in self._both():
            codes.add(rows)


@contextmanager
def _one_thread() -> Iterator[None]:
    """faiss's threads wait for each other at every small step of training: 0.75 s alone, 5 to 50 s on busy cores."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _ranks(proposed: NDArray[np.int64], true: NDArray[np.int64]) -> NDArray[np.int64]:
    """At which place of the proposals (queries, count) each true neighbour (queries, k) stands, `count` where it does not."""
    count = proposed.shape[1]
    ranks = np.full(true.shape, count)
    for row, among in enumerate(proposed):
        order = np.argsort(among)
        places = np.minimum(np.searchsorted(among, true[row], sorter=order), count - 1)
        ranks[row] = np.where(among[order[places]] == true[row], order[places], count)
    return ranks


def _doubled(lists: int) -> Iterator[int]:
    """How many lists to scan: powers of two, at last all of them; 1 without lists."""
    yield from (2**power for power in range(3, 32) if 2**power < lists)
    yield max(1, lists)


def _turn(sample: Vectors, parts: int) -> faiss.LinearTransform:
    """A rotation onto the principal axes of the sample (n, dim), dealt out so that the product of the variances is about the same in every
    part: the greedy allocation of Ge et al. 2014.
    """
    dim = sample.shape[1]
    variances, axes = np.linalg.eigh(np.cov(sample.T, dtype=np.float64).reshape(dim, dim))  # (dim,), (dim, dim)
    logs = np.log(np.maximum(variances, 1e-6 * max(variances[-1], 1e-12)))
    logs -= logs.min()  # from here on every axis adds to its part
    sums, dealt = np.zeros(parts), [list[int]() for _ in range(parts)]
    for axis in np.argsort(-logs, kind="stable").tolist():
        room = [part for part in range(parts) if len(dealt[part]) < dim // parts]
        part = min(room, key=lambda part: sums[part])
        dealt[part].append(axis)
        sums[part] += logs[axis]
    matrix = np.ascontiguousarray(axes[:, [axis for one in dealt for axis in one]].T, dtype=np.float32)  # (dim, dim)
    turn = faiss.LinearTransform(dim, dim, False)
    faiss.copy_array_to_vector(matrix.ravel(), turn.A)
    turn.is_trained = True
    return turn


def centres(vectors: Vectors, count: int, seed: int = 0, rounds: int = 8, sample: int = 40) -> Vectors:
    """Centres of `count` groups of rows (n, dim) of length 1, of length 1 too, (count, dim), by spherical k-means on `sample` rows each."""
    chosen = np.random.default_rng(seed).choice(len(vectors), min(len(vectors), sample * count), replace=False)
    means = faiss.Kmeans(vectors.shape[1], count, niter=rounds, seed=seed, spherical=True, min_points_per_centroid=1)
    with _one_thread():
        means.train(vectors[np.sort(chosen)])
    return np.asarray(means.centroids, dtype=np.float32)
