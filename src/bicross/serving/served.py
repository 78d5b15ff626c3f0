"""What all routes share, and who calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from bicross.serving.access import Family, Scope, find
from bicross.serving.engine import Engine
from bicross.serving.refusals import Refused
from bicross.settings import ServeSettings


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the id of a key (never the key), what it may do, and the one collection that it is for; None: all that are served."""

    key: str
    scope: Scope
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A server's parts. `collections` is name -> folder, the first of them the default."""

    engine: Engine
    collections: Mapping[str, Path]
    settings: ServeSettings

    def visible(self, caller: Caller) -> tuple[str, ...]:
        """The names that the caller may know of."""
        return tuple(name for name in self.collections if caller.collection in (None, name))

    def choose(self, caller: Caller, named: str | None = None) -> str:
        """The collection that a request is about: the key's, or the named one if the caller may see it, or the first.

        Raises:
            Refused: 404, with the same words whether there is none or it is another tenant's.
        """
        names = self.visible(caller)
        if named is None:
            return names[0]
        if named not in names:
            raise Refused(404, f"There is no collection {named[:80]!r}.", "not_found")
        return named


def served(request: Request) -> Served:
    """The server's parts."""
    found: Served = request.app.state.served
    return found


def caller(request: Request) -> Caller:
    """Who asks, as the guard found out."""
    found: Caller = request.state.caller
    return found


def speak(request: Request, family: Family) -> None:
    """Tell errors of this request in the words of `family` from here on: /rerank has two dialects, which only the body tells apart."""
    request.state.family = family


def spoken(request: Request) -> Family:
    """The family in whose words an error of this request is told: that of `speak`, or the route's, or where none is known the native."""
    access, _ = find(request.method, request.url.path)
    said: Family | None = getattr(request.state, "family", None)
    return said or (access.family if access else "native")
