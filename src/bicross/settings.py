"""One settings class per verb. Values are checked here, at the border, and trusted inside. Unknown names are refused."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

StageName = Literal["both", "lexical", "dense", "fused"]
Depth = Literal["auto"] | int
STARTER_ENCODER = "bicross/starter-encoder"
STARTER_RERANKER = "bicross/starter-reranker"
PASSAGE_TOKENS = 256


class Settings(BaseModel):
    """Frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnSettings(Settings):
    """Which columns of a JSONL or CSV file hold what; by default the usual names are tried."""

    id: str | None = None
    text: str | None = None
    title: str | None = None


class IndexSettings(Settings):
    """What `index` does; None means as the collection has it, or, for a new one, the starter pair and 256 tokens."""

    encoder: str | None = None
    reranker: str | None = None
    passage_tokens: int | None = Field(default=None, ge=16, le=8192)
    columns: ColumnSettings = ColumnSettings()


class SearchSettings(Settings):
    """What `search` and `evaluate` do. `depth` is the number of candidates that the reranker reads."""

    k: int = Field(default=10, ge=1, le=1000)
    depth: Depth = "auto"
    stage: StageName = "both"

    @field_validator("depth")
    @classmethod
    def _depth_in_range(cls, depth: Depth) -> Depth:
        if depth != "auto" and not 0 <= depth <= 1000:
            raise ValueError(f"depth is {depth}; expected auto, or a number from 0 (no reranking) to 1000")
        return depth


class EvaluateSettings(Settings):
    """Which measures, by their ir-measures names, and how sure the intervals are."""

    measures: tuple[str, ...] = ("nDCG@10", "RR@10", "R@100", "AP")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    resamples: int = Field(default=2000, ge=100, le=100_000)
    seed: int = 0

    @field_validator("measures")
    @classmethod
    def _some_measure(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        if not measures:
            raise ValueError("no measure is named; expected one or more, such as nDCG@10")
        return measures


def parse_measure_names(text: str) -> tuple[str, ...]:
    """Measures written with commas or spaces between them; inside parentheses, as in P(rel=2,judged_only=True)@5, they do not part."""
    return tuple(name for name in re.split(r"[,\s]+(?![^()]*\))", text) if name)
