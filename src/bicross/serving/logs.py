"""One line of JSON on stderr for each request: what was asked, by whose key, and what came of it. Never keys, bodies or questions."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TextIO

from bicross.serving.refusals import Refused

GONE = 499  # nginx's status for a client that went away before the answer
LONGEST_METHOD = 16  # characters
log = logging.getLogger("bicross.serving")


@dataclass(slots=True)
class Visit:
    """What becomes known of a request on its way. `route` is a template of the table, never the path. `sent` is in bytes.

    `error` is what went wrong here, not at the caller's.
    """

    request_id: str
    method: str
    client: str
    route: str = "unknown"
    status: int = GONE
    sent: int = 0
    key: str = ""
    collection: str = ""
    began: float = field(default_factory=perf_counter)
    started: bool = False
    complete: bool = False
    refused: Refused | None = None
    error: BaseException | None = None

    @property
    def seconds(self) -> float:
        """Since the request's headers were read."""
        return perf_counter() - self.began

    def facts(self) -> dict[str, Any]:
        """What the log says."""
        facts: dict[str, Any] = {
            "request_id": self.request_id,
            "method": self.method[:LONGEST_METHOD],
            "route": self.route,
            "status": self.status,
            "seconds": round(self.seconds, 6),
            "bytes": self.sent,
            "key": self.key,
            "collection": self.collection,
            "client": self.client,
        }
        if self.refused is not None:
            facts["refused"] = self.refused.kind
        return facts


class Lines(logging.Formatter):
    """Records as JSON, one a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. Of an exception it has types and places; its message stays out, for it may quote what was asked."""
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            facts["traceback"] = places(record.exc_info[1])
        return json.dumps(facts, ensure_ascii=True)


def places(error: BaseException) -> list[str]:
    """The type of an exception and of those it came from, each followed by where it was raised, innermost last."""
    said: list[str] = []
    link: BaseException | None = error
    while link is not None and len(said) < 200:  # a chain may be a ring
        said.append(f"{type(link).__module__}.{type(link).__qualname__}")
        said += [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(link.__traceback__)]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return said


def write(visit: Visit) -> None:
    """Log a request that is over: an error where the server failed, else information."""
    failed = visit.error is not None
    log.log(logging.ERROR if failed else logging.INFO, "request", extra={"facts": visit.facts()}, exc_info=visit.error)


def configure(stream: TextIO) -> None:
    """Send the server's log, uvicorn's and the MCP SDK's to `stream`, as lines of JSON."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    levels = {"bicross.serving": logging.INFO, "uvicorn": logging.INFO, "mcp": logging.WARNING}  # at INFO the SDK quotes callers
    for name, level in levels.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
