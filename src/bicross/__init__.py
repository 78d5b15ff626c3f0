"""Bicross: recall with a bi-encoder, rerank with a cross-encoder, tune both on your own data.

`bicross.open("manual").search("how do I reset it?")` is the whole of it. Names are imported when first used,
so that `import bicross` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bicross.errors import BicrossError as BicrossError
    from bicross.pipeline import open_collection as open
    from bicross.records import Document as Document
    from bicross.records import Hit as Hit
    from bicross.records import Passage as Passage
    from bicross.records import Query as Query
    from bicross.records import Run as Run

_HOMES = {
    "open": ("bicross.pipeline", "open_collection"),
    "load_encoder": ("bicross.models.registry", "load_encoder"),
    "load_reranker": ("bicross.models.registry", "load_reranker"),
    "BicrossError": ("bicross.errors", "BicrossError"),
    "Document": ("bicross.records", "Document"),
    "Hit": ("bicross.records", "Hit"),
    "Passage": ("bicross.records", "Passage"),
    "Query": ("bicross.records", "Query"),
    "Run": ("bicross.records", "Run"),
}
__all__ = sorted(_HOMES)  # noqa: PLE0605  (the public list is made from one table)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bicross' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
