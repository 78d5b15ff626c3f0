"""One settings class per verb. Values are checked here, at the border, and trusted inside. Unknown names are refused."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

StageName = Literal["both", "lexical", "dense", "fused"]
Depth = Literal["auto"] | int
STARTER_ENCODER = "bicross/starter-encoder"
STARTER_RERANKER = "bicross/starter-reranker"
STARTER_FAST = "bicross/starter-reranker-fast"
PASSAGE_TOKENS = 256


class Settings(BaseModel):
    """Frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: object) -> object:
        unknown = [str(name) for name in values if name not in cls.model_fields] if isinstance(values, dict) else []
        if unknown:
            near = get_close_matches(unknown[0], cls.model_fields, n=1)
            meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(cls.model_fields)}"
            raise ValueError(f"{unknown[0]!r} is no setting of {cls.__name__}{meant}")
        return values


class ColumnSettings(Settings):
    """Which columns of a JSONL or CSV file hold what; by default the usual names are tried."""

    id: str | None = None
    text: str | None = None
    title: str | None = None


class IndexSettings(Settings):
    """What `index` does; None means as the collection has it, or, for a new one, the starter pair and 256 tokens. `queries`: questions of
    the user's own, which a large index of vectors is tuned and measured with from now on.
    """

    encoder: str | None = None
    reranker: str | None = None
    passage_tokens: int | None = Field(default=None, ge=16, le=8192)
    columns: ColumnSettings = ColumnSettings()
    queries: Path | None = None


class AnalysisSettings(Settings):
    """What `pairs` and `duplicates` do. `threshold` is a cosine; None for one that fits how alike texts of the source are at random.

    At most `limit` pairs are given. `alike`: the share of common shingles from which on two texts are near-duplicates. The cross-encoder
    reads the first `second_opinion` pairs.
    """

    encoder: str | None = None
    reranker: str | None = None
    columns: ColumnSettings = ColumnSettings()
    threshold: float | None = Field(default=None, gt=-1, le=1)
    limit: int = Field(default=100_000, ge=1, le=10_000_000)
    alike: float = Field(default=0.8, gt=0, le=1)
    second_opinion: int = Field(default=100, ge=0, le=1_000_000)


class KnownSettings(Settings):
    """What `faq` and `classify` do. `text` and `label` name the columns of the known texts. The cross-encoder reads so many candidates of
    each text, `second_opinion`. What is less probable than the cut that brings this `precision` on the known texts is not answered.
    """

    encoder: str = STARTER_ENCODER
    reranker: str = STARTER_RERANKER
    text: str | None = None
    label: str | None = None
    second_opinion: int = Field(default=0, ge=0, le=20)
    precision: float = Field(default=0.9, gt=0, lt=1)
    seed: int = 0


class ClusterSettings(AnalysisSettings):
    """What `cluster` does. `least`: the smallest cluster. `clusters`: so many, by the hierarchy; None: as many as the threshold makes."""

    method: Literal["communities", "hierarchical"] = "communities"
    clusters: int | None = Field(default=None, ge=1, le=2000)
    least: int = Field(default=3, ge=1, le=1_000_000)
    second_opinion: int = Field(default=0, ge=0, le=1_000_000)


class SearchSettings(Settings):
    """What `search` and `evaluate` do. `depth` is the number of candidates that the reranker reads. `min_probability` is for `search`
    alone: hits that are less probably relevant are left out; `explain` too: hits tell what each
    stage added to their scores. `deadline` is in seconds: what was not reranked by then is not, and the answer says so.

    Stage "both" at depth "auto" is what the collection does by itself, which `bicross plan` decides.
    """

    k: int = Field(default=10, ge=1, le=1000)
    depth: Depth = "auto"
    stage: StageName = "both"
    min_probability: float | None = Field(default=None, ge=0, le=1)
    explain: bool = False
    deadline: float | None = Field(default=None, gt=0)

    @field_validator("depth")
    @classmethod
    def _depth_in_range(cls, depth: Depth) -> Depth:
        if depth != "auto" and not 0 <= depth <= 1000:
            raise ValueError(f"depth is {depth}; expected auto, or a number from 0 (no reranking) to 1000")
        return depth


class EvaluateSettings(Settings):
    """Which measures, by their ir-measures names, the first of which leads the report, and how sure the intervals are.

    `fail_if`: rules `MEASURE drops AMOUNT`, judged against a baseline.
    """

    measures: tuple[str, ...] = ("nDCG@10", "RR@10", "R@100", "AP")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    resamples: int = Field(default=2000, ge=100, le=100_000)
    seed: int = 0
    fail_if: tuple[str, ...] = ()

    @field_validator("measures")
    @classmethod
    def _some_measure(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        if not measures:
            raise ValueError("no measure is named; expected one or more, such as nDCG@10")
        return measures


class CheckSettings(Settings):
    """What `check` does. `sample`: questions that are asked, drawn at random by `seed`, if the file has more."""

    sample: int = Field(default=100, ge=1, le=100_000)
    seed: int = 0


class JudgeSettings(Settings):
    """What `judge` does. `pairs` in all, `per_question` of each, drawn by `seed`; fewer where a question has found fewer documents."""

    pairs: int = Field(default=200, ge=1, le=100_000)
    per_question: int = Field(default=5, ge=1, le=100)
    seed: int = 0


class PlanSettings(Settings):
    """What `plan` does. `p95`: seconds that 95 of 100 questions may take at most, each asked alone.

    `depth`: full depth, candidates that are read at most. `fast`: other rerankers to try, alone and before the collection's own; none for
    the fast one that ships with Bicross. `sample`: questions that are asked, drawn at random by `seed`, if there are more.
    """

    p95: float = Field(gt=0, le=60)
    depth: int = Field(default=100, ge=5, le=1000)
    fast: tuple[str, ...] = ()
    sample: int = Field(default=200, ge=1, le=100_000)
    seed: int = 0


class QuantizeSettings(Settings):
    """What `quantize` allows a model in 8-bit integers to change, on up to `sample` questions: the least rank correlation of its scores and
    the least share of the first ten that stays (means over questions), how much nDCG@10 may fall where answers are known, and how many
    times as `fast` it has to be.
    """

    sample: int = Field(default=50, ge=1, le=10_000)
    rank_correlation: float = Field(default=0.98, ge=0, le=1)
    top10: float = Field(default=0.9, ge=0, le=1)
    ndcg: float = Field(default=0.01, ge=0, le=1)
    faster: float = Field(default=1.1, ge=0)


class MineSettings(Settings):
    """What `mine` does.

    `depth`: candidates that lexical and dense search give each; `hard_depth`: a negative counts as hard that either puts among its first
    so many. `quantile` of the known answers' scores is the threshold: a candidate that scores as high is suspected to be an answer.
    `alike`: the share of common shingles from which on a text is a near-duplicate.
    """

    depth: int = Field(default=40, ge=1, le=1000)
    hard_depth: int = Field(default=20, ge=1, le=1000)
    quantile: float = Field(default=0.8, gt=0, lt=1)
    alike: float = Field(default=0.8, gt=0, le=1)
    random: int = Field(default=4, ge=0, le=100)
    seed: int = 0


class TrainSettings(Settings):
    """What both trainers read. `frozen_layers` lower layers and the embeddings keep their weights; lengths are tokens."""

    learning_rate: float = Field(default=3e-5, gt=0, lt=1)
    epochs: int = Field(default=2, ge=1, le=100)
    batch: int = Field(default=32, ge=2, le=4096)
    negatives: int = Field(default=3, ge=0, le=64)
    max_tokens: int = Field(default=192, ge=16, le=8192)
    frozen_layers: int = Field(default=0, ge=0, le=100)
    seed: int = 0


class BiEncoderSettings(TrainSettings):
    """How a bi-encoder is trained.

    `loss`: contrastive (in-batch and mined negatives) or triplet for rows with negatives; pairs (contrastive, labels 0 and 1) or cosine
    (regression) for labelled pairs. `distil` adds a teacher's scores, where rows have them, with this weight. `scale` is the inverse
    temperature of the contrastive softmax; `mini_batch` rows at a time hold gradients (0: all), so that `batch` may outgrow memory.
    `matryoshka` names shorter dimensions trained along. None for `pooling` and `separate` means as the base has it.
    """

    loss: Literal["contrastive", "triplet", "pairs", "cosine"] = "contrastive"
    distil: Literal["none", "kl", "margin-mse"] = "kl"
    distil_weight: float = Field(default=1.0, gt=0, le=1000)
    scale: float = Field(default=50.0, gt=0, le=1000)
    mini_batch: int = Field(default=0, ge=0, le=4096)
    matryoshka: tuple[int, ...] = ()
    pooling: Literal["mean", "cls", "max"] | None = None
    separate: bool = False


class CrossEncoderSettings(TrainSettings):
    """How a cross-encoder is trained.

    `loss`: listwise (softmax over the group), lambda or ranknet for rows with negatives; bce, mse (graded or continuous labels) or
    cross-entropy (classes) for labelled pairs, or for rows with negatives as pairs of label 1 and 0. `batch` counts rows: a group with
    its negatives is one. `layers` keeps so many of the base's, evenly spread.
    """

    learning_rate: float = Field(default=1e-4, gt=0, lt=1)
    epochs: int = Field(default=1, ge=1, le=100)
    batch: int = Field(default=8, ge=1, le=4096)
    negatives: int = Field(default=5, ge=0, le=64)
    loss: Literal["listwise", "lambda", "ranknet", "bce", "mse", "cross-entropy"] = "listwise"
    layers: int | None = Field(default=None, ge=1, le=200)


class TunedBiEncoderSettings(BiEncoderSettings):
    """How `tune` trains a bi-encoder: at a rate that is higher than for training alone, since what comes out is mixed with its base."""

    learning_rate: float = Field(default=1e-4, gt=0, lt=1)


class QuestionSettings(Settings):
    """What `questions` does.

    `titled`: the collection has the documents' titles, which models then read with every passage. `limit`: at most so many questions;
    None for all, of an endpoint 500. `dev_share` of a click log's rows, the latest, become development questions. `in_flight` requests
    are waited for at once.
    """

    source: Literal["titles", "endpoint", "clicks"] = "titles"
    columns: ColumnSettings = ColumnSettings()
    titled: bool = True
    per_document: int = Field(default=3, ge=1, le=100)
    limit: int | None = Field(default=None, ge=1, le=10_000_000)
    seed: int = 0
    endpoint: str = ""
    model: str = ""
    in_flight: int = Field(default=4, ge=1, le=64)
    dev_share: float = Field(default=0.2, ge=0, lt=1)


class GateSettings(Settings):
    """When tuned models are promoted: nDCG@10 on the development questions is better by `margin` at this confidence, and no guard falls
    by more than its limit. `latency` is the factor by which the median may grow.
    """

    measure: str = "nDCG@10"
    margin: float = Field(default=0.0, ge=0, lt=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    slice_limit: float = Field(default=0.03, ge=0, le=1)
    general_limit: float = Field(default=0.02, ge=0, le=1)
    latency: float = Field(default=1.5, ge=1)


class TuneSettings(Settings):
    """What `tune` does. `budget` is in seconds, None for a fixed amount of work; `rounds` None for as many as the budget allows.

    `dev_share` of the questions measures, where no development questions are named. `depth`: candidates that are reranked when old and
    new are compared, and afterwards; None for as many as the collection's weights say.
    """

    budget: float | None = Field(default=None, gt=0)
    rounds: int | None = Field(default=None, ge=1, le=5)
    dev_share: float = Field(default=0.2, gt=0, lt=1)
    depth: int | None = Field(default=None, ge=1, le=1000)
    seed: int = 0
    mine: MineSettings = MineSettings()
    bi_encoder: TunedBiEncoderSettings = TunedBiEncoderSettings()
    cross_encoder: CrossEncoderSettings = CrossEncoderSettings()
    gate: GateSettings = GateSettings()


class ServeSettings(Settings):
    """What `serve` does. Times are seconds.

    `keys`: a file of API keys (`bicross keys`); without one, all who reach the server may do all, so it serves this machine alone, unless
    `closed_network` says that only those who may do all can reach it.
    `behind_https`: browsers reach it over https, through a proxy that has the TLS, so that its cookies are sent over nothing else.
    `max_wait`: work that would wait longer in the queue is refused (429). `drain`: how long an ending server finishes what it began.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    keys: Path | None = None
    closed_network: bool = False
    behind_https: bool = False
    max_wait: float = Field(default=1.0, gt=0, le=600)
    drain: float = Field(default=8.0, gt=0, le=600)


def parse_measure_names(text: str) -> tuple[str, ...]:
    """Measures written with commas or spaces between them; inside parentheses, as in P(rel=2,judged_only=True)@5, they do not part."""
    return tuple(name for name in re.split(r"[,\s]+(?![^()]*\))", text) if name)
