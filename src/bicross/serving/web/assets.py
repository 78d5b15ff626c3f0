"""What the pages are made of: files with their hash in their names, templates, and the policy that a browser holds them to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from bicross.serving.web.words import lang

HERE = Path(__file__).parent
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The pages' Content-Security-Policy: style and script are this server's files, nothing is inline, nothing comes from elsewhere."""
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""For a stored report, which is one file with its style inside and no script."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a browser would send `Origin: null`, which the guard refuses
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language, Cookie, HX-Request",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent: `name` holds a hash of the content, so that a browser may keep it for ever."""

    name: str
    content: bytes
    type: str


@cache
def assets() -> Mapping[str, Asset]:
    """The files by the names that addresses have."""
    found = {}
    for path in sorted((HERE / "static").iterdir()):
        if path.suffix in TYPES:
            content = path.read_bytes()
            name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"
            found[name] = Asset(name, content, TYPES[path.suffix])
    return found


def address(file: str) -> str:
    """Where a browser finds the file of this plain name. Raises KeyError where there is none."""
    stem, _, suffix = file.rpartition(".")
    found = next((name for name in assets() if name.startswith(f"{stem}.") and name.endswith(f".{suffix}")), None)
    if found is None:
        raise KeyError(file)
    return f"/static/{found}"


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = address
    made.filters |= {"lang": lang, "size": size, "duration": duration, "moment": moment, "share": percent_share}
    return made


def size(count: int) -> str:
    """Bytes as people read them."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"


def duration(seconds: float) -> str:
    """Seconds as people read them: 42 s, 3 min, 2 h 5 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def moment(when: float) -> str:
    """Seconds since 1970 as a date and time, UTC."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")


def percent_share(percent: str, width: int) -> str:
    """The part of a width, in pixels, that a percentage such as "42" or "< 1" fills."""
    return f"{float(percent.strip('<> ')) / 100 * width:.1f}"


def render(template: str, values: Mapping[str, Any]) -> str:
    """A template with its values, every one escaped."""
    return _templates().get_template(template).render(values)
