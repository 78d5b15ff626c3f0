"""Pairs of short and long texts that indexes and dictionaries hold: package descriptions, AppStream, dictd, POD, poems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import groupby

import yaml

from .text import Pair, clean, joined

_STANZA = re.compile(r"^Package: (.*)\n(?:.*\n)*?Description-(?!md5)[\w]+: (.*)\n((?: .*\n?)*)", re.MULTILINE)
_DULL = re.compile(
    r"transitional|dummy|metapackage|meta-package|meta package|debug symbols|language pack|virtual package|"
    r"开发文件|调试|過渡|过渡|语言包|語言套件|元软件包",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<[^>]+>")
_BASE64 = {letter: value for value, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}


def descriptions(index: str) -> Iterator[Pair]:
    """The short and the long description of each package of a Translation file; of those that begin alike the first."""
    met = set()
    for stanza in index.split("\n\n"):
        found = _STANZA.search(stanza + "\n")
        if not found:
            continue
        name, short, long = found.groups()
        paragraphs = [joined(lines) for lines in _paragraphs(long)]
        short = re.sub(r"\s*[(（\-–—][^()（）]*(?:[)）]|$)$", "", clean(short)) if re.search(r"[)）]$", short) else clean(short)
        if paragraphs and paragraphs[0] not in met and not _DULL.search(short):
            met.add(paragraphs[0])
            yield Pair(short, "\n".join(paragraphs), name)


def _paragraphs(long: str) -> Iterator[list[str]]:
    """Wrapped lines by paragraph (Debian Policy 5.6.13): ` .` ends one, and two blanks begin a line that stands alone."""
    lines = (line[1:] for line in long.split("\n"))
    for blank, block in groupby(lines, lambda line: line.strip() in ("", ".")):
        if not blank:
            part: list[str] = []
            for line in block:
                if line.lstrip().startswith(("* ", "- ", "+ ", "o ", "• ")) and part:
                    yield part
                    part = []
                part.append(re.sub(r"^\s*[*+o•-]\s+", "", line))
            yield part


def appstream(index: str, locales: tuple[str, ...]) -> Iterator[Pair]:
    """What an application is, in a line and at length, in the first locale that has both (the DEP-11 format)."""
    for part in index.split("\n---\n"):
        if not any(f"\n  {locale}:" in part for locale in locales):
            continue
        component = yaml.load(part, Loader=yaml.CSafeLoader)
        summary, description = component.get("Summary") or {}, component.get("Description") or {}
        locale = next((one for one in locales if one in summary and one in description), None)
        if locale:
            blocks = re.split(r"</(?:p|li)>", description[locale])
            name = str((component.get("Name") or {}).get(locale) or (component.get("Name") or {}).get("C") or "")
            yield Pair(
                str(summary[locale]), "\n".join(joined(unescape(unescape(_MARKUP.sub(" ", block))).split("\n")) for block in blocks), name
            )


def dictionary(index: str, content: str) -> Iterator[tuple[str, str]]:
    """Headword and entry of a dictd database (dictd(8)): the index has the headword, offset and length in bytes, in base 64."""
    data = content.encode()
    for line in index.split("\n"):
        word, _, place = line.partition("\t")
        start, _, size = place.partition("\t")
        if size and not word.startswith(("00-database", "00database")):
            entry = data[_number(start) : _number(start) + _number(size)].decode("utf-8", errors="replace")
            yield entry.split("\n")[0].strip() or word, entry.partition("\n")[2]


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + _BASE64[digit]
    return value


def foldoc(word: str, entry: str) -> Pair:
    """A term of computing; synonyms, fields in angle brackets and dates go, and cross references lose their braces."""
    parts = re.sub("[{}]", "", entry).split("\n\n")
    paragraphs = (joined(part.split("\n")) for part in parts if part.lstrip("\n").startswith(" "))  # synonyms stand at the margin
    kept = (re.sub(r"\(\d{4}-\d\d-\d\d\)|\[[^]]*\]|^<[^>]*>\s*", "", one).strip() for one in paragraphs)
    return Pair(word, "\n".join(one for one in kept if one and not one.startswith(("See ", "(http", "Usenet newsgroup"))))


def wordnet(word: str, entry: str) -> Pair:
    """A word or a name and its glosses with their examples; lists of synonyms and antonyms go."""
    text = re.sub(r"\[(?:syn|ant|also)[^]]*\]", "", joined(entry.split("\n")))
    senses = re.split(r"(?:^|\s)(?:(?:n|v|adj|adv)\s+)?\d+\s*:\s+|(?:^|\s)(?:n|v|adj|adv)\s*:\s+", text)
    return Pair(word, "\n".join(sense.strip(" ;") for sense in senses if sense.strip(" ;")))


def gcide(word: str, entry: str) -> Pair:
    """A word of Webster's 1913 and its senses; etymology, sound, and quotations, which stand ten and more to the right, go."""
    bare = re.sub(r"\[[^][]*\]", "", re.sub(r"\[[^][]*\]", "", re.sub("[{}]", "", entry)))
    sound = re.match(r"\s*([^\\\n]*)\\[^\\]*\\[^\n]*", bare)
    blocks = re.split(r"\n\s*\n|\n(?=   (?:\d+\.|\([a-z]\)) )", bare[sound.end() :] if sound else bare)
    lines = (joined(line for line in block.split("\n") if not line.startswith(10 * " ")) for block in blocks)
    senses = (re.sub(r"^(?:\d+\.|\([a-z]\))?\s*(?:\([A-Z][\w.&, ]*\)\s*)?", "", line) for line in lines)
    prose = (re.sub(r"\s*--\s?[A-Z][\w. ]*$|\s*\[[^]]*$", "", sense) for sense in senses)
    name = sound[1] if sound else word.partition("\\")[0]
    kept = [one for one in prose if len(one) > 20 and "\\" not in one and one[:1].isupper()]
    return Pair(name.strip(), "\n".join(kept[:4]))  # later senses are rare ones


def jargon(word: str, entry: str) -> Pair:
    """A word of hackers' slang and its story, without its sound and its part of speech."""
    paragraphs = [joined(part.split("\n")) for part in re.sub("[{}]", "", entry).split("\n\n")]
    return Pair(word, "\n".join(one for one in paragraphs if not re.match(r"/|\[|(?:n|v|adj|adv|vi|vt|interj|prov|obs)\.", one)))


def pod(source: str, above: str) -> Iterator[Pair]:
    """The headings of a POD document (perlpod(1)) with the paragraphs below them; indented paragraphs are code."""
    heading, skipping = "", False
    kept: list[str] = []
    for block in re.split(r"\n\s*\n", source):
        if found := re.match(r"=head[1-4]\s+(.*)", block, re.DOTALL):
            if heading and kept:
                yield Pair(heading, "\n".join(kept), above)
            heading, kept = _inline(joined(found[1].split("\n"))), []
        elif block.startswith(("=begin", "=for")):
            skipping = block.startswith("=begin")
        elif block.startswith("="):
            skipping = skipping and not block.startswith(("=end", "=cut"))
        elif block[:1] not in (" ", "\t") and not skipping:
            kept.append(_inline(joined(block.split("\n"))))
    if heading and kept:
        yield Pair(heading, "\n".join(kept), above)


def _inline(text: str) -> str:
    for _ in range(3):  # they nest
        text = re.sub(r"[XZ]<[^<>]*>", "", text)
        text = re.sub(r"L<(?:([^<>|]*)\|)?([^<>]*)>", lambda found: found[1] or found[2].strip('/"'), text)
        text = re.sub(r"[BICFSU](?:<<+ (.*?) >>+|<([^<>]*)>)", lambda found: found[1] or found[2] or "", text)
    return re.sub(r"E<(\w+)>", lambda found: {"lt": "<", "gt": ">", "sol": "/", "verbar": "|"}.get(found[1], ""), text)


def poems(source: str) -> Iterator[Pair]:
    """Title and author of a classical poem, and its lines; the terminal's colours go."""
    for entry in re.split(r"^%\s*$", re.sub(r"\x1b\[[\d;]*m", "", source), flags=re.MULTILINE):
        found = re.match(r"\s*(?:题目[:：])?《(.+?)》(.*)\n\s*作者[:：]([^（(\n]*).*\n", entry)
        if found:
            lines = [clean(line) for line in entry[found.end() :].split("\n") if clean(line)]
            yield Pair(f"{found[3].strip()}《{found[1]}》{found[2].strip()}", "\n".join(lines))
