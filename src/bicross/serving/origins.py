"""What keeps other web pages out of a server that a browser can reach: the names that it answers to, and where a request comes from."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from bicross.serving.refusals import Refused

READING = frozenset(("GET", "HEAD"))
INSIDE = (".localhost", ".local", ".internal", ".svc", ".home.arpa")  # endings of names that the public DNS has none of


def loopback(name: str | None) -> bool:
    """Whether a host's name or address is this machine's own."""
    if name is None:
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def inside(name: str | None, host: str) -> bool:
    """Whether a host's name is none that a stranger can have in the public DNS: an address, a name without a dot or with an ending that
    is kept for networks of one's own, this machine's name, or `host`, the one that it was told to listen at."""
    if not name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(INSIDE) or name in (socket.gethostname().lower(), host.lower())
    return True


def check_host(headers: Mapping[bytes, bytes], host: str) -> None:
    """A page can give its own name this machine's address and then read every answer (DNS rebinding); its requests bear that name.

    `host`: where the server listens. At this machine's own address it answers to this machine's own names alone, elsewhere to all that
    are `inside`.

    Raises:
        Refused: 403, Host has another name.
    """
    try:
        name = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}").hostname
    except ValueError:
        name = None
    if loopback(name) or (not loopback(host) and inside(name, host)):
        return
    answers = "localhost" if loopback(host) else "addresses, names without a dot and this machine's name"
    raise Refused(403, f"The Host header has a name that is not this server's. Without keys it answers to {answers} alone.", "forbidden")


def check_origin(method: str, headers: Mapping[bytes, bytes]) -> None:
    """A browser sends a page's requests to any server; of those that may change something it says which page they come from.

    Raises:
        Refused: 403, it is not a page of this server.
    """
    if method in READING:
        return
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:  # no page can forge it, but browsers send it over https and to localhost alone
        foreign = site not in (b"none", b"same-origin")
    else:
        foreign = origin is not None and not _same(origin, headers.get(b"host", b""))
    if foreign:
        raise Refused(403, "The request comes from another web page.", "forbidden")


def _same(origin: bytes, host: bytes) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
