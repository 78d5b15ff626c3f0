"""Sections of manual pages, from their roff source: the macros of man(7) and mdoc(7), as far as prose needs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .text import clean, joined

_SPECIAL = {
    **{"-": "-", "e": "\\", "&": "", "~": " ", "0": " ", " ": " ", "/": "", ",": "", "|": "", "^": "", "%": "", ":": "", "c": "", "`": "`"},
    **{"'": "'", ".": ".", "t": " ", "a": "", "p": "", "d": "", "u": "", "{": "", "}": "", ")": "", "E": "\\", "_": "_"},
}
_NAMED = {
    **{"aq": "'", "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "dq": '"', "em": "—", "en": "–", "hy": "-", "bu": "•", "co": "©", "rs": "\\"},
    **{"ha": "^", "ti": "~", "ga": "`", "mc": "µ", "de": "°", "<=": "≤", ">=": "≥", "!=": "≠", "->": "→", "<-": "←", "mu": "×", "or": "|"},
    **{"Aq": "'", 'L"': "“", 'R"': "”", "C`": "", "C'": "", "R": "®", "Tm": "™", "tm": "™", "rg": "®", "at": "@", "sh": "#", "S": ""},
    **{"Fo": "«", "Fc": "»", "bv": "|", "ti ": "~", "pl": "+", "eq": "=", "lB": "[", "rB": "]", "lC": "{", "rC": "}", "sl": "/"},
}
_ESCAPE = re.compile(
    r"\\(?:(?P<drop>f(?:\[[^]]*\]|\(..|.)|s(?:[+-]?\d|\[[^]]*\]|\([+-]?\d\d)|[mFRMVYkg](?:\[[^]]*\]|\(..|.)|[hvwlLoDXZbxS]'[^']*'|n(?:\[[^]]*\]|\(..|.)|z)"
    r"|\[u(?P<code>[0-9A-Fa-f]{4,5})\]|N'(?P<number>\d+)'|\*?\[(?P<long>[^]]*)\]|\*?\((?P<two>..)|\*(?P<star>.)|(?P<one>.))"
)
_COMMENT = re.compile(r"""\\["#].*""")
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|(\S+)')
_FONTS = {"B", "I", "SM", "SB", "BR", "RB", "BI", "IB", "IR", "RI", "R"}
_PARAGRAPH = {"PP", "P", "LP", "TP", "IP", "HP", "sp", "br", "RS", "RE", "Pp", "It", "Bl", "El", "TQ", "Sp", "Ip", "Lp", "UN"}
_CODE = {
    "nf": "fi",
    "EX": "EE",
    "TS": "TE",
    "Bd": "Ed",
    "Vb": "Ve",
    "SY": "YS",
    "EQ": "EN",
    "PS": "PE",
    "de": ".",
    "ig": ".",
    "am": ".",
    "Rs": "Re",
}
_INLINE = """Nm Fl Ar Op Xr Dq Sq Pq Bq Aq Qq Ql Pa Em Sy Li Cm Va Fn Fa Ft Ev Ic
    Er Dv Tn Ux Bx Fx Nx Ox No Ns Sm Ad An Cd In Lb St Vt Do Dc So Sc Po Pc"""
_MDOC = frozenset(_INLINE.split())
_AROUND = {"Dq": "“”", "Sq": "‘’", "Pq": "()", "Bq": "[]", "Aq": "<>", "Qq": '""', "Ql": "‘’", "Op": "[]"}
_CLOSING = set(".,:;)]?!")


@dataclass
class Page:
    """A manual page: its name, section number, and (heading, text) in order; dirty where markup was not understood."""

    name: str = ""
    number: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)
    dirty: bool = False


def read_page(source: str) -> Page:
    """The page's prose: code, tables and macro definitions left out, a paragraph a line."""
    page, heading = Page(), ""
    paragraphs: list[list[str]] = [[]]
    lines = iter(source.replace("\\\n", "").splitlines())
    for line in lines:
        macro, rest = _split(line)
        if macro in ("SH", "Sh", "SS", "Ss"):
            _end(page, heading, paragraphs)
            heading, paragraphs = _arguments_text(macro, rest) or plain(_following(lines)), [[]]
        elif macro in ("TH", "Dt"):
            words = _arguments(rest)
            page.name, page.number = (plain(words[0]).lower(), plain(words[1])[:1]) if len(words) > 1 else ("", "")
        elif macro == "so":
            return Page(dirty=True)
        elif macro in _CODE:
            _skip(lines, _CODE[macro])
        elif macro in _PARAGRAPH:
            paragraphs.append(_tag(macro, rest, lines))
        elif said := _spoken(macro, rest, page):
            paragraphs[-1].append(said)
    _end(page, heading, paragraphs)
    page.dirty = page.dirty or not page.sections
    return page


def plain(text: str) -> str:
    """Text without roff's escapes."""
    return _ESCAPE.sub(_unescaped, _COMMENT.sub("", text))


def _unescaped(found: re.Match[str]) -> str:
    if found["drop"] is not None:
        return ""
    if found["code"] or found["number"]:
        return chr(int(found["code"], 16)) if found["code"] else chr(int(found["number"]))
    name = found["long"] or found["two"] or found["star"]
    return _NAMED.get(name, "") if name else _SPECIAL.get(found["one"] or "", "")


def _split(line: str) -> tuple[str, str]:
    """Macro and the rest of a control line; of a text line, an empty macro and the line."""
    if line[:1] not in (".", "'") or line.startswith("'\\"):
        return ("comment", "") if line.startswith("'\\") else ("", line)
    body = line[1:].lstrip()
    if body.startswith('\\"') or not body:
        return "comment", ""
    macro, _, rest = body.partition(" ")
    return macro.split('\\"')[0].strip(), rest.strip()


def _arguments(rest: str) -> list[str]:
    return [(quoted or bare).replace('""', '"') for quoted, bare in _ARGUMENT.findall(_COMMENT.sub("", rest))]


def _arguments_text(macro: str, rest: str) -> str:
    return clean(_mdoc(_arguments(rest)) if macro in ("Sh", "Ss") else " ".join(plain(one) for one in _arguments(rest)))


def _spoken(macro: str, rest: str, page: Page) -> str:
    """What a line adds to its paragraph."""
    if macro == "":
        return plain(rest)
    if macro in _FONTS:
        words = [plain(one) for one in _arguments(rest)]
        return ("" if len(macro) == 2 and macro not in ("SM", "SB") else " ").join(words)
    if macro == "Nm":
        return _mdoc(_arguments(rest) or [page.name])
    if macro == "Nd":
        return "- " + _mdoc(_arguments(rest))
    if macro in _MDOC:
        return _mdoc([macro, *_arguments(rest)])
    if macro in ("UR", "MT", "UE", "ME"):
        return plain(rest) if macro in ("UE", "ME") else ""
    return ""


def _mdoc(words: list[str]) -> str:
    """Words of an mdoc line, its inline macros resolved."""
    said, tight, closing, dash = "", True, "", False
    before = ""
    for place, word in enumerate(words):
        if word in _MDOC and len(words) > 1:
            if word in _AROUND:
                said, tight, closing = said + ("" if tight else " ") + _AROUND[word][0], True, _AROUND[word][1] + closing
            tight, dash, before = tight or word == "Ns", word == "Fl", word
            continue
        text = plain(word)
        if before == "Xr" and text.isdigit() and place:
            text, tight, before = f"({text})", True, ""
        last = text in _CLOSING
        if last and closing and all(rest in _CLOSING for rest in words[place:]):
            said, closing = said + closing, ""
        said += ("" if tight or last else " ") + ("-" if dash and not last else "") + text
        tight, dash = False, False
    return said + closing


def _tag(macro: str, rest: str, lines: Iterator[str]) -> list[str]:
    """The words with which a paragraph begins: the item's tag, with a colon after it."""
    if macro in ("TP", "TQ"):
        tag = plain(_spoken(*_split(_following(lines)), Page()))
    elif macro in ("IP", "Ip"):
        tag = plain(next(iter(_arguments(rest)), ""))
    elif macro == "It":
        tag = _mdoc(_arguments(rest))
    else:
        return []
    tag = clean(tag)
    return [tag if not tag[-1:].isalnum() else f"{tag}:"] if len(tag) > 1 and tag != "•" else []


def _following(lines: Iterator[str]) -> str:
    return next((line for line in lines if not line.startswith(('.\\"', "'\\", ".PD"))), "")


def _skip(lines: Iterator[str], end: str) -> None:
    for line in lines:
        if line[:1] in (".", "'") and line[1:].strip().split(" ")[0] == end:
            return


def _end(page: Page, heading: str, paragraphs: list[list[str]]) -> None:
    text = "\n".join(filter(None, (joined(one) for one in paragraphs)))
    if heading and text:
        page.sections.append((heading, text))
