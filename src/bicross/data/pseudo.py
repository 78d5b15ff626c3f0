"""Questions out of the documents themselves: the questions of question-and-answer lines, headings, and titles.

A question is worth something only if the document cannot be told from it without reading. Models read a document's title before each
of its passages (`records.reading`), so the pair title -> document is a copy and teaches nothing. Therefore

- no question is made whose words (in Chinese: characters) all stand in the title that is read;
- a title becomes a question only where the collection was indexed without titles (`settings.titled` is false), and then not if the
  text begins with it;
- a heading that is too short, or that more than `SHARED` documents have, is said with its title: "Glaucoma Symptoms".

Headings, and questions inside a text, stand in the passage of their section too: how many of the questions are made of words of their
document alone is said in the remarks. They teach which words of a question matter in these documents, and to tell sections apart, but
no other wording; gains are to be measured on real questions, never on these.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from bicross.data.headings import asked_in, markdown_headings
from bicross.data.outline import firm
from bicross.data.pairs import Pairs, draw, name_of, same, units
from bicross.data.sources import read_documents
from bicross.records import Document, Query, Skip, reading
from bicross.settings import QuestionSettings

SHARED = 3
"""A phrase of more documents than this tells none of them from the others."""
LEAST = 4  # two words, or four ideographs: a word is worth two
LONGEST = 200  # characters
EVERY = 100  # documents between two calls of progress
KINDS = ("asked", "heading", "title")  # in the order in which a document's are taken

_PARTS = re.compile(
    "(table of )?contents|references|bibliography|see also|external links|further reading|notes|introduction|index|appendix|"
    "acknowledge?ments|changelog|license|目录|参考文献|参考资料|相关链接|外部链接|注释|前言|引言|附录|索引|致谢|版权声明"
)
_NUMERALS = "〇零一二两三四五六七八九十百千0-9"
_ORDINAL = rf"第[{_NUMERALS}]+[编篇卷部章节節条條款项課课回页步](?:之[{_NUMERALS}]+)?"
_LEADING = re.compile(
    rf"""^(?:
      {_ORDINAL} | [（(]?[{_NUMERALS}]+[）)、．] | [①-⑳]
    | (?:chapter|section|part|appendix|article|step|lesson|unit|figure|table)\s+(?:\d+(?:\.\d+)*|[ivxlcdm]+|[a-z])(?![^\W_])
    | \d+(?:\.\d+)+(?![^\W_]) | [（(]?(?:\d+|[ivxlcdm]+|[a-z])[.):]+(?=\s|$)
    | (?:q|question|问题?|問題?)\s?\d*\s?[:：]
    )[\s:：.、)–—-]*""",
    re.VERBOSE | re.IGNORECASE,
)
_TRAILING = re.compile(rf"\s*(?:{_ORDINAL}|条目[{_NUMERALS}]+)+$")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)|<[^<>]{1,80}>")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What may become a question. `copied`: all its words stand in what is read of its document."""

    kind: str
    text: str
    doc_id: str
    title: str
    copied: bool


def from_titles(sources: Sequence[Path], settings: QuestionSettings, progress: Callable[[str, int, int], None]) -> Pairs:
    """Questions with the documents that they were taken from, grade 1; one that up to `SHARED` documents have answers with each.

    Left out and counted are: numbering alone, names of parts that any document has ("References"), texts that are too short or too
    long, phrases of too many documents, copies of the title, and what is over `per_document` or `limit`. Both are drawn by the
    seed, independent of the order of the documents; question-and-answer lines go before headings, headings before titles. Memory
    holds every phrase, and one document.

    Raises:
        InputError: as `read_documents`.
    """
    left_out: Counter[str] = Counter()
    skipped: list[Skip] = []
    phrases: list[_Phrase] = []
    for number, row in enumerate(read_documents(sources, settings.columns), start=1):
        if isinstance(row, Skip):
            skipped.append(row)
        else:
            phrases += _phrases(row, settings.titled, left_out)
        if number % EVERY == 0:
            progress("documents", number, 0)
    kept = _capped(_telling(phrases, settings.titled, left_out), settings, left_out)
    return _paired(kept, settings, left_out, skipped)


def _phrases(document: Document, titled: bool, left_out: Counter[str]) -> Iterator[_Phrase]:
    """The phrases of a document that are worth looking at, each text once."""
    title, read = " ".join(document.title.split()), None
    found = [("asked", text) for text in asked_in(document.text)]
    if not firm(document.meta):  # in source code # begins a remark
        found += [("heading", text) for text in markdown_headings(document.text)]
    if title and not titled and reading(document.title, document.text) != document.text:
        found.append(("title", title))
    elif title:
        left_out["titles that are read with their document anyway: copies"] += 1
    seen = set[str]()
    for kind, raw in found:
        text = cleaned(raw)
        if not text or same(text) in seen:
            left_out["numbering alone"] += not text
            continue
        seen.add(same(text))
        if _PARTS.fullmatch(same(text)):
            left_out["name a part that any document has"] += 1
        elif len(text) > LONGEST:
            left_out[f"longer than {LONGEST} characters"] += 1
        else:
            read = set(units(f"{title if titled else ''}\n{document.text}")) if read is None else read
            yield _Phrase(kind, text, document.id, title, read.issuperset(units(text)))


def cleaned(raw: str) -> str:
    """A phrase without Markdown, numbering and the mark of a question; "" where nothing but numbering is left."""
    text = " ".join(_EMPHASIS.sub("", _LINK.sub(r"\1", raw)).split())
    text = _TRAILING.sub("", _LEADING.sub("", text)).strip()
    return text if units(text) else ""


def _telling(phrases: Sequence[_Phrase], titled: bool, left_out: Counter[str]) -> list[_Phrase]:
    """The phrases that tell a document from others, some of them with its title before them."""
    documents = Counter(same(phrase.text) for phrase in phrases)
    told = [_with_title(phrase) if _short(phrase.text) or documents[same(phrase.text)] > SHARED else phrase for phrase in phrases]
    documents = Counter(same(phrase.text) for phrase in told)
    kept = []
    for phrase in told:
        if _short(phrase.text):
            left_out["too short: expected two words, or four Chinese characters"] += 1
        elif titled and set(units(phrase.title)).issuperset(units(phrase.text)):
            left_out["all their words stand in the title that models read"] += 1
        elif documents[same(phrase.text)] > SHARED:
            left_out[f"stand in more than {SHARED} documents"] += 1
        else:
            kept.append(phrase)
    return kept


def _with_title(phrase: _Phrase) -> _Phrase:
    title = cleaned(phrase.title)
    if phrase.kind == "title" or not title or len(title) + len(phrase.text) >= LONGEST or same(phrase.text) in same(title):
        return phrase
    return _Phrase(phrase.kind, f"{title} {phrase.text}", phrase.doc_id, phrase.title, phrase.copied)


def _short(text: str) -> bool:
    return sum(1 if "\u3400" <= unit[0] <= "\U000323af" and len(unit) == 1 else 2 for unit in units(text)) < LEAST


def _capped(phrases: Sequence[_Phrase], settings: QuestionSettings, left_out: Counter[str]) -> list[_Phrase]:
    """At most `per_document` of each document, in the order in which they were."""
    of_document: dict[str, list[_Phrase]] = {}
    for phrase in phrases:
        of_document.setdefault(phrase.doc_id, []).append(phrase)
    kept = []
    for doc_id, several in of_document.items():
        order = sorted(several, key=lambda phrase: (KINDS.index(phrase.kind), draw(settings.seed, doc_id, phrase.text)))
        kept += order[: settings.per_document]
    left_out[f"over {settings.per_document} a document"] += len(phrases) - len(kept)
    return kept


def _paired(phrases: Sequence[_Phrase], settings: QuestionSettings, left_out: Counter[str], skipped: Sequence[Skip]) -> Pairs:
    members: dict[str, list[_Phrase]] = {}
    for phrase in phrases:
        members.setdefault(same(phrase.text), []).append(phrase)
    chosen = nsmallest(settings.limit or len(members), members, key=lambda text: draw(settings.seed, text))
    left_out["over the limit"] += len(members) - len(chosen)
    several = [members[text] for text in sorted(chosen)]
    queries = tuple(Query(name_of("text", of[0].text), of[0].text, {"made_of": of[0].kind}) for of in several)
    qrels = {query.id: {phrase.doc_id: 1 for phrase in of} for query, of in zip(queries, several, strict=True)}
    copied = sum(of[0].copied for of in several)
    remark = (
        f"{copied} of {len(several)} questions are made of words of their document alone: they teach which words matter and to tell "
        "sections apart, but no other wording. Measure on real questions, not on these."
    )
    return Pairs(queries, {"train": qrels}, dict(+left_out), tuple(skipped), (remark,))
