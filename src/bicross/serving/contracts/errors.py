"""The errors of the drop-in contracts, for the description of the interface: their bodies as models, and when each status is given."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from bicross.serving.access import Family
from bicross.serving.contracts.native_examples import ALWAYS, WHY


class CohereError(BaseModel):
    """Cohere's `message`, and Jina's `detail`, which says the same. `id` is the request's."""

    message: str
    id: str
    detail: str


class TeiError(BaseModel):
    """Text Embeddings Inference's, and SageMaker's."""

    error: str
    error_type: Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]


class OpenAIErrorBody(BaseModel):
    """`code` is a word that programs may read."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(BaseModel):
    """OpenAI's."""

    error: OpenAIErrorBody


MODELS: dict[Family, Any] = {"cohere": CohereError, "openai": OpenAIError, "tei": TeiError, "sagemaker": TeiError}


def told(*families: Family) -> dict[int | str, dict[str, Any]]:
    """The errors of a route that is spoken to in the words of these families."""
    model = MODELS[families[0]]
    for family in families[1:]:
        model |= MODELS[family]
    return {status: {"model": model, "description": WHY[status]} for status in ALWAYS}
