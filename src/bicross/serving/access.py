"""Every route in one table: who may call it, and in whose words its errors are. What is not in the table does not exist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from starlette.routing import compile_path

Scope = Literal["open", "read", "write", "admin"]
"""What a key must be allowed to do; "open" needs no key. "admin" may do all, "write" may read."""
Family = Literal["native", "cohere", "openai", "tei", "sagemaker", "page"]
"""Whose clients call it, which decides the shape of errors (`refusals.body`)."""
ALLOWED: dict[Scope, frozenset[Scope]] = {
    "open": frozenset(("open",)),
    "read": frozenset(("open", "read")),
    "write": frozenset(("open", "read", "write")),
    "admin": frozenset(("open", "read", "write", "admin")),
}


@dataclass(frozen=True, slots=True)
class Access:
    """A route: method, path with {parameters}, the scope that it needs, its family, and the longest body in bytes."""

    method: str
    path: str
    scope: Scope
    family: Family
    longest: int = 0


KIB, MIB = 1024, 1024 * 1024
TABLE: tuple[Access, ...] = (
    Access("GET", "/livez", "open", "native"),
    Access("GET", "/readyz", "open", "native"),
    Access("GET", "/healthz", "open", "native"),
    Access("GET", "/health", "open", "tei"),
    Access("GET", "/ping", "open", "sagemaker"),
    Access("GET", "/metrics", "admin", "native"),
    Access("GET", "/openapi.json", "open", "native"),
    Access("POST", "/v1/search", "read", "native", 2 * MIB),
    Access("POST", "/v1/documents", "write", "native", 16 * MIB),
    Access("POST", "/v1/documents/delete", "write", "native", 4 * MIB),
    Access("GET", "/v1/documents/{id:path}", "read", "native"),
    Access("DELETE", "/v1/documents/{id:path}", "write", "native"),
    Access("GET", "/v1/collections", "read", "native"),
    Access("GET", "/v1/collections/{name}", "read", "native"),
    Access("POST", "/v1/feedback", "write", "native", 8 * MIB),
    Access("POST", "/rerank", "read", "cohere", 4 * MIB),
    Access("POST", "/v1/rerank", "read", "cohere", 4 * MIB),
    Access("POST", "/v2/rerank", "read", "cohere", 4 * MIB),
    Access("POST", "/v1/embeddings", "read", "openai", 4 * MIB),
    Access("GET", "/v1/models", "read", "openai"),
    Access("GET", "/v1/models/{model:path}", "read", "openai"),
    Access("POST", "/embed", "read", "tei", 4 * MIB),
    Access("GET", "/info", "read", "tei"),
    Access("POST", "/invocations", "read", "sagemaker", 6 * MIB),
    Access("GET", "/execution-parameters", "open", "sagemaker"),
    Access("POST", "/mcp", "read", "native", 4 * MIB),  # each request stands alone, so there is no stream to GET and no session to DELETE
    Access("GET", "/", "read", "page"),
    Access("GET", "/ui/answer", "read", "page"),
    Access("GET", "/ui/explain", "read", "page"),
    Access("POST", "/ui/judge", "write", "page", 64 * KIB),
    Access("GET", "/collection", "read", "page"),
    Access("GET", "/ui/state", "read", "page"),
    Access("GET", "/collection/reports/{name}", "read", "page"),
    Access("GET", "/login", "open", "page"),
    Access("POST", "/login", "open", "page", 4 * KIB),
    Access("POST", "/logout", "open", "page", 4 * KIB),
    Access("GET", "/static/{name}", "open", "page"),
)


@cache
def _compiled() -> tuple[tuple[Access, re.Pattern[str]], ...]:
    # Ends of lines in a path, which no route takes, are told in the words of the route that they would be of.
    return tuple((access, re.compile(compile_path(access.path)[0].pattern, re.DOTALL)) for access in TABLE)


def find(method: str, path: str) -> tuple[Access | None, tuple[str, ...]]:
    """The route of a request, or None; and the methods that its path has."""
    fitting = [access for access, pattern in _compiled() if pattern.match(path)]
    wanted = "GET" if method == "HEAD" else method
    return next((one for one in fitting if one.method == wanted), None), tuple(one.method for one in fitting)
