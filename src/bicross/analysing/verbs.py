"""The verbs themselves: texts, what is close to what, groups, and a second opinion on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bicross import durable
from bicross.analysing.opinion import all_pairs, asked, doubtful
from bicross.analysing.results import Cluster, Clustered, Copy, Duplicates, Group, Pair, Paired
from bicross.analysing.texts import Texts, read_texts
from bicross.analysis import groups
from bicross.analysis.map import cluster_map
from bicross.analysis.neighbours import Pairs, pairs_above, unrelated
from bicross.data import near_duplicates
from bicross.protocols import Progress, silent
from bicross.settings import AnalysisSettings, ClusterSettings
from bicross.vectors import unit

CLOSE = {"cluster": 0.6, "pairs": 0.75, "duplicates": 0.9}
"""How alike texts must be where no threshold is given: 0 is as alike as two texts of the source drawn at random, 1 is equal. On the
sentence pairs of STS-B, which people gave 0 to 5, the starter encoder puts a 3 at about .66, a 4 at .76 and a 5 at .9."""
NEAR = 100  # pairs a text that are looked at, on average at most
EXAMPLES = 3  # texts of a cluster that are shown


def pairs(sources: Sequence[Path], settings: AnalysisSettings = AnalysisSettings(), progress: Progress = silent) -> Paired:
    """Texts that say the same, out of documents as `index` takes them, a .txt file with a text a line, or a collection, whose own vectors
    are used; with the cross-encoder's opinion of the best.

    Raises:
        InputError: a source, model or setting is not what it should be.
    """
    texts = read_texts(sources, settings, progress)
    found, usual = _close(texts, "pairs", settings, settings.limit, progress)
    best = [(int(left), int(right)) for left, right in zip(found.left, found.right, strict=True)]
    scores, opinion = asked(texts, best, settings, progress)
    titles = texts.titles
    shown = tuple(
        Pair(texts.ids[left], texts.ids[right], float(score), second, (titles[left], titles[right]))
        for (left, right), score, second in zip(best, found.scores, scores, strict=True)
    )
    return Paired(
        texts=len(texts.ids),
        threshold=found.threshold,
        unrelated=usual,
        pairs=shown,
        recall=found.recall,
        compared=found.compared,
        cross_encoder_pairs=all_pairs(texts),
        second_opinion=opinion,
        truncated=texts.truncated,
        skipped=texts.skipped,
        seconds=texts.seconds,
    )


def duplicates(sources: Sequence[Path], settings: AnalysisSettings = AnalysisSettings(), progress: Progress = silent) -> Duplicates:
    """Groups of texts of which one is enough: alike to the letter or nearly so (shingles), or in what they say (vectors). Sources as for
    `pairs`, and errors."""
    texts = read_texts(sources, settings, progress)
    found, _ = _close(texts, "duplicates", settings, NEAR * len(texts.ids), progress)
    start = time.perf_counter()
    labels = near_duplicates.groups(texts.texts, settings.alike)
    firsts: dict[int, int] = {}
    same = [(firsts.setdefault(label, row), row) for row, label in enumerate(labels)]
    left, right = (
        np.concatenate([np.array([pair[side] for pair in same], np.int64), rows]) for side, rows in ((0, found.left), (1, found.right))
    )
    grouped = [sorted(group) for group in groups.linked(texts.vectors, left, right)]
    texts.seconds["compare"] += time.perf_counter() - start
    beside = [(group[0], row) for group in grouped for row in group[1:]]
    scores, opinion = asked(texts, beside, settings, progress)
    seconds, titles = dict(zip(beside, scores, strict=True)), texts.titles
    shown = []
    for first, *others in grouped:
        copies = []
        for row in others:
            likeness = near_duplicates.likeness(texts.texts[first], texts.texts[row])
            cosine = float(texts.vectors[first] @ texts.vectors[row])
            copies.append(Copy(texts.ids[row], titles[row], likeness, cosine, seconds[first, row]))
        shown.append(Group(texts.ids[first], titles[first], tuple(copies)))
    return Duplicates(
        texts=len(texts.ids),
        threshold=found.threshold,
        alike=settings.alike,
        groups=tuple(shown),
        redundant=sum(len(group.copies) for group in shown),
        recall=found.recall,
        cross_encoder_pairs=all_pairs(texts),
        second_opinion=opinion,
        truncated=texts.truncated,
        skipped=texts.skipped,
        seconds=texts.seconds,
    )


def cluster(
    sources: Sequence[Path],
    settings: ClusterSettings = ClusterSettings(),
    map_path: Path | None = None,
    progress: Progress = silent,
) -> Clustered:
    """Groups of texts about one thing, each named by its most typical text: communities, or the levels of a hierarchy. `map_path`: an SVG
    file. Sources as for `pairs`, and errors."""
    target = durable.writable_target(map_path, "A map") if map_path else None
    texts = read_texts(sources, settings, progress)
    start = time.perf_counter()
    if settings.method == "communities":
        found, usual = _close(texts, "cluster", settings, NEAR * len(texts.ids), progress)
        threshold, made = found.threshold, groups.communities(texts.vectors, found, settings.least)
    else:
        usual = unrelated(texts.vectors)
        threshold = _threshold(usual, "cluster", settings)
        made = groups.hierarchy(texts.vectors, settings.clusters, threshold, settings.least)
    texts.seconds["compare"] = time.perf_counter() - start
    agreement, moved, opinion = doubtful(texts, made, settings, progress)
    titles = texts.titles
    shown = [_described(texts, titles, group) for group in made]
    if target is not None:
        durable.write_file(target, cluster_map(texts.vectors, made, [one.title for one in shown], titles).encode())
    return Clustered(
        texts=len(texts.ids),
        method=settings.method,
        threshold=threshold,
        unrelated=usual,
        clusters=tuple(shown),
        alone=len(texts.ids) - sum(map(len, made)),
        second_opinion=opinion,
        agreement=agreement,
        doubtful=moved,
        truncated=texts.truncated,
        skipped=texts.skipped,
        seconds=texts.seconds,
        map=str(map_path) if map_path else None,
    )


def _close(texts: Texts, verb: str, settings: AnalysisSettings, most: int, progress: Progress) -> tuple[Pairs, float]:
    """Pairs that are close enough for the verb, and the mean similarity of texts drawn at random."""
    start = time.perf_counter()
    usual = unrelated(texts.vectors)
    found = pairs_above(texts.vectors, _threshold(usual, verb, settings), most, progress)
    texts.seconds["compare"] = time.perf_counter() - start
    return found, usual


def _threshold(usual: float, verb: str, settings: AnalysisSettings) -> float:
    return usual + CLOSE[verb] * (1 - usual) if settings.threshold is None else settings.threshold


def _described(texts: Texts, titles: Sequence[str], group: Sequence[int]) -> Cluster:
    rows = texts.vectors[group]
    cohesion = float((rows @ unit(rows.mean(axis=0, keepdims=True))[0]).mean())
    examples = tuple(titles[row] for row in group[1 : 1 + EXAMPLES])
    return Cluster(titles[group[0]], len(group), cohesion, tuple(texts.ids[row] for row in group), examples)
