"""Packages of Debian main as files: fetched over HTTPS, checked against the index's SHA256, kept in a cache, never installed."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import http.client
import lzma
import re
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MIRROR = "https://deb.debian.org/debian/"
SUITE = "trixie"
_FIELD = re.compile(r"^(Package|Version|Filename|SHA256): (.*)$", re.MULTILINE)
_LINE = re.compile(r"^ ([0-9a-f]{64})\s+\d+ (\S+)$", re.MULTILINE)
_TRIES, _TIMEOUT = 4, 60.0


@dataclass(frozen=True)
class Package:
    """One package of the index; `filename` is relative to the mirror."""

    name: str
    version: str
    filename: str
    sha256: str

    @property
    def url(self) -> str:
        return MIRROR + self.filename


class Archive:
    """Debian main of one suite, by way of a cache folder; what the cache holds whole is not fetched again."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)
        release = fetched(f"{MIRROR}dists/{SUITE}/Release", cache / f"{SUITE}_Release", None).read_text(encoding="utf-8")
        self.version = re.findall(r"^Version: (.*)$", release, re.MULTILINE)[0]
        self._sums = {name: sha256 for sha256, name in _LINE.findall(release)}
        self._packages: dict[str, Package] = {}
        for stanza in self.index("main/binary-amd64/Packages.xz").split("\n\n"):
            fields = dict(_FIELD.findall(stanza))
            if fields:  # of two versions in the index the one that stands last is the newer
                self._packages[fields["Package"]] = Package(*(fields[key] for key in ("Package", "Version", "Filename", "SHA256")))

    def index(self, name: str) -> str:
        """The text of an index file of the suite, such as `main/i18n/Translation-zh_CN.bz2`."""
        path = fetched(f"{MIRROR}dists/{SUITE}/{name}", self._cache / f"{SUITE}_{name.replace('/', '_')}", self._sums[name])
        unpack = {".xz": lzma.decompress, ".bz2": bz2.decompress, ".gz": gzip.decompress}[path.suffix]
        return unpack(path.read_bytes()).decode("utf-8", errors="replace")

    def package(self, name: str) -> Package:
        if name not in self._packages:
            raise LookupError(f"Debian {SUITE} main has no package {name}")
        return self._packages[name]

    def files(self, package: Package, wanted: Callable[[str], object]) -> Iterator[tuple[str, bytes]]:
        """Path (without `./`) and content, gzip undone, of the package's regular files with a wanted path, in the archive's order."""
        deb = fetched(package.url, self._cache / Path(package.filename).name, package.sha256)
        with deb.open("rb") as stream:
            _seek_data(stream)
            with tarfile.open(fileobj=stream, mode="r|*") as data:
                for member in data:
                    path = member.name.removeprefix("./")
                    if member.isfile() and wanted(path):
                        content = data.extractfile(member)
                        assert content is not None
                        packed = content.read()
                        yield (path[:-3], gzip.decompress(packed)) if path.endswith(".gz") else (path, packed)


def _seek_data(stream: BinaryIO) -> None:
    """Go to the content of the member `data.tar.*`, which is the last of a deb: an ar archive (deb(5), ar(5))."""
    if stream.read(8) != b"!<arch>\n":
        raise ValueError(f"{stream.name} is no deb: it does not begin as an ar archive does")
    while header := stream.read(60):
        if header.startswith(b"data.tar"):
            return
        size = int(header[48:58])
        stream.seek(size + size % 2, 1)
    raise ValueError(f"{stream.name} has no data.tar")


def fetched(url: str, path: Path, sha256: str | None) -> Path:
    """`path`, holding what `url` gives; without a sum (the Release file alone) whatever the cache holds is good."""
    if path.exists() and (sha256 is None or hashlib.sha256(path.read_bytes()).hexdigest() == sha256):
        return path
    content = _downloaded(url)
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{url} does not have the SHA256 of the index, {sha256}; empty the cache if a point release came out")
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)
    return path


def _downloaded(url: str) -> bytes:
    tries = 0
    while True:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - MIRROR is https
                content: bytes = answer.read()
            return content
        except (OSError, http.client.HTTPException) as error:
            tries += 1
            if tries == _TRIES:
                raise OSError(
                    f"{url} could not be fetched in {tries} tries ({error}); empty the cache if a point release came out"
                ) from error
            time.sleep(2.0**tries)
