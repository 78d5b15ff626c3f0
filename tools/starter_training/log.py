"""What happened when, for the file beside the weights."""

from __future__ import annotations

import json
import time
from typing import Any

started = time.monotonic()
steps: list[dict[str, Any]] = []


def say(what: str, **facts: Any) -> None:
    """One line, and one entry."""
    entry = {"at": round(time.monotonic() - started, 1), "what": what, **facts}
    steps.append(entry)
    print(json.dumps(entry), flush=True)
