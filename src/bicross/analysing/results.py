"""What `cluster`, `duplicates` and `pairs` give back. Field for field this is their JSON; times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from bicross.records import Skip


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the cross-encoder says, which reads both texts of a pair together, of the first `read` pairs: the mean of both directions.

    A cross-encoder alone would have had to read `needed` pairs, all there are; at its measured rate that takes `seconds_needed`.
    """

    reranker: str
    read: int
    needed: int
    seconds: float
    seconds_needed: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts by id, their cosine, and the cross-encoder's score where it read them."""

    left: str
    right: str
    score: float
    second: float | None = None
    texts: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Paired:
    """`pairs`: those with a cosine of at least `threshold`, best first. `unrelated` is the mean cosine of two texts drawn at random.

    `recall` is the share of all such pairs that were found, measured on a sample where not all were compared; `compared` says how many
    were, `cross_encoder_pairs` how many a cross-encoder would have had to read.
    """

    texts: int
    threshold: float
    unrelated: float
    pairs: tuple[Pair, ...]
    recall: float
    compared: int
    cross_encoder_pairs: int
    second_opinion: Opinion | None
    truncated: int
    skipped: tuple[Skip, ...]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Members by id, the most typical first: its title stands for all. `cohesion` is the mean cosine to the mean of all."""

    title: str
    size: int
    cohesion: float
    members: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clustered:
    """`cluster`: the largest first, and how many texts are in none.

    `doubtful` are members whose text the cross-encoder finds closer to the nearest other cluster's title than to their own; of those that
    it read, `agreement` is the share that it leaves where they are.
    """

    texts: int
    method: str
    threshold: float
    unrelated: float
    clusters: tuple[Cluster, ...]
    alone: int
    second_opinion: Opinion | None
    agreement: float | None
    doubtful: tuple[str, ...]
    truncated: int
    skipped: tuple[Skip, ...]
    seconds: dict[str, float]
    map: str | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """A text beside the one that is kept: share of shingles in common, cosine, and the cross-encoder's score where it read them."""

    id: str
    title: str
    likeness: float
    score: float
    second: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Texts of which one is enough: the first in the source, and those that say it again."""

    kept: str
    title: str
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """`duplicates`: groups of texts of which one is enough; `redundant` texts could go. Errors of the bi-encoder are to be expected among
    those with a low `likeness`: read them, and what the cross-encoder says."""

    texts: int
    threshold: float
    alike: float
    groups: tuple[Group, ...]
    redundant: int
    recall: float
    cross_encoder_pairs: int
    second_opinion: Opinion | None
    truncated: int
    skipped: tuple[Skip, ...]
    seconds: dict[str, float]
