"""One source to one BEIR folder: its files are read, its pairs sifted and guarded, and what came of it is written down."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .debian import MIRROR, SUITE, Archive
from .guard import Guard
from .sources import Source
from .text import Pair, good_pairs, key

SAMPLES = 3
_LICENCE = re.compile(r"^License: *(\S[^\n]*)$", re.MULTILINE)
_KNOWN = re.compile(
    r"GNU (?:Lesser |Affero |Library )?General Public License"
    r"|GNU Free Documentation License|Creative Commons [\w-]+(?:[ -]Share ?Alike)?[ \d.]*"
    r"|public domain|Apache License|BSD|MIT|Artistic|W3C|WordNet",
    re.IGNORECASE,
)


@dataclass
class Made:
    """What a source gave: its pairs, the packages with their licences, and why how many pairs were dropped."""

    pairs: list[Pair]
    origin: list[str]
    dropped: Counter[str]
    met: Counter[str] = field(default_factory=Counter)


def make(source: Source, archive: Archive, guard: Guard) -> Made:
    """The pairs of a source in the order of their keys, those that the guard meets left out."""
    origin: list[str] = []
    good, dropped = good_pairs(read(source, archive, origin), source.language)
    good.sort(key=lambda pair: (key(pair.passage), key(pair.query)))
    made = Made([], origin, dropped)
    for pair in good:
        folder = guard.meets(pair.query, pair.passage)
        if folder is None:
            made.pairs.append(pair)
        else:
            made.met[folder] += 1
    if source.cap and len(made.pairs) > source.cap:
        dropped[f"beyond the cap of {source.cap:,}"] = len(made.pairs) - source.cap
        del made.pairs[source.cap :]
    return made


def read(source: Source, archive: Archive, origin: list[str]) -> Iterator[Pair]:
    """Every pair of the source's files, as they stand; notes in `origin` where they are from, and under which licence."""
    if not source.packages:
        origin.append(f"{MIRROR}dists/{SUITE}/{source.files}: {source.licence}")
        yield from source.read(source.files, archive.index(source.files).encode())
        return
    wanted = re.compile(rf"({source.files})|^usr/share/doc/[^/]+/copyright$")
    for package in map(archive.package, sorted(source.packages)):
        licence, used = "see its copyright file", False
        for path, content in archive.files(package, lambda path: wanted.search(path.removesuffix(".gz"))):
            if path.endswith("/copyright"):
                licence = licence_of(content.decode("utf-8", errors="replace"))
            else:
                used = True
                yield from source.read(path, content)
        if used:
            origin.append(f"{package.name} {package.version} ({package.url}): {licence}")


def licence_of(copyright_file: str) -> str:
    """The licences that a package's copyright file names, the one of most files first."""
    found = _LICENCE.findall(copyright_file) or [" ".join(one.split()) for one in _KNOWN.findall(" ".join(copyright_file.split()))]
    return "; ".join(dict.fromkeys(found)) or "free by the DFSG, as all of Debian main; its copyright file names none in a known form"


def write(folder: Path, source: Source, made: Made, release: str) -> str:
    """Put the BEIR folder and its SOURCE.md; returns the facts that SOURCE.md ends with."""
    documents = {key(pair.passage): pair.passage for pair in made.pairs}
    queries = {key(pair.query): pair.query for pair in made.pairs}
    facts = summary(source, made, len(queries), len(documents))
    about = [
        f"{source.about} ({source.language}): pairs of a short text and the passage that it names, from Debian {release} ({SUITE}) main.",
        "",
    ]
    changed = (
        "Changed: markup, code, tables, navigation and boilerplate left out; passages cut at 2,000 characters; short texts made specific."
    )
    put(folder / "SOURCE.md", [*about, *(f"- {line}" for line in made.origin), "", changed, "", facts])
    put(folder / "corpus.jsonl", [_row({"_id": f"d{name}", "title": "", "text": text}) for name, text in sorted(documents.items())])
    put(folder / "queries.jsonl", [_row({"_id": f"q{name}", "text": text}) for name, text in sorted(queries.items())])
    judged = sorted({(key(pair.query), key(pair.passage)) for pair in made.pairs})
    put(folder / "qrels" / "train.tsv", ["query-id\tcorpus-id\tscore", *(f"q{query}\td{document}\t1" for query, document in judged)])
    return facts


def summary(source: Source, made: Made, queries: int, documents: int) -> str:
    """Counts, mean lengths in characters, and what was dropped."""
    count = max(1, len(made.pairs))
    lengths = [sum(len(getattr(pair, part)) for pair in made.pairs) / count for part in ("query", "passage")]
    reasons = "; ".join(f"{reason}: {number:,}" for reason, number in sorted(made.dropped.items()) if number)
    met = "; ".join(f"{name}: {number:,}" for name, number in sorted(made.met.items()))
    return (
        f"{source.name} ({source.language}): {len(made.pairs):,} pairs, {queries:,} short texts of {lengths[0]:.0f} characters, "
        f"{documents:,} passages of {lengths[1]:.0f} characters\n"
        f"Dropped: {reasons or 'none'}\nDropped because met in a set that measures: {met or 'none'}"
    )


def samples(pairs: list[Pair]) -> str:
    """Some pairs to read, the same ones each time."""
    step = max(1, len(pairs) // SAMPLES)
    return "".join(f"\n  {pair.query}\n    -> {pair.passage[:300]}" for pair in pairs[step // 2 :: step][:SAMPLES]) + "\n"


def put(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _row(row: dict[str, str]) -> str:
    return json.dumps(row, ensure_ascii=False)
