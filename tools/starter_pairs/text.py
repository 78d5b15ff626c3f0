"""What makes a short text and a passage fit to be a pair: cleaning, cutting, and the rules that drop what is not prose."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WIDE = HAN + r"\u3000-\u303f\uff00-\uffef\u2018\u2019\u201c\u201d\u2026"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffd\ue000-\uf8ff\u00b6]+")
_GAP = re.compile(rf"(?<=[{_WIDE}])\s+(?=[{_WIDE}])")
_HAN = re.compile(f"[{HAN}]")
_LETTER = re.compile(r"[^\W_]")
_WORD = re.compile(rf"[{HAN}]|[^\W{HAN}]+")
_CAPTION = re.compile(r"(?:表格?|圖形?|图|例|Table|Figure|Example)\s*[A-Z\d]+[.-]\d+", re.IGNORECASE)  # of what was left out
_ODD = re.compile(r"[{}<>=;|\\$#@_*^~`+]|::|\(\)")
_PLAIN = re.compile(r"\b(?:the|a|an|of|to|is|are|be|and|or|in|on|for|with|that|this|it|by|as|from|not|can|you|if|was|at)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
_NUMBER = re.compile(
    r"^(?:Chapter|Appendix|Section|Part|Step)\s+(?:\d+|[A-Z]\b)(?:\.\d+)*[.:]?\s*"
    r"|^章\s*\d+[.:：、\s]*|^第\s*[\d一二三四五六七八九十]+\s*[章节節部分]+[.:：、\s]*|^附[录錄]\s*[A-Z][.:：、\s]*"
    r"|^[A-Z](?:\.\d+)+\.?\s+|^\d+(?:\.\d+)*[.:)：、]?\s+(?=\D)|^\d+(?:\.\d+)*[.:)：、](?=\D)|^[A-Z]\.\s+(?=\S)|^[IVX]+[.)]\s+|^Q:\s*",
    re.IGNORECASE,
)
_VAGUE = """name/names/description/overview/introduction/synopsis/see also/examples/example/notes/note/bugs/author/authors/copyright
options/option/usage/summary/about/abstract/general/contents/table of contents/index/references/reference/further reading
more information/information/license/licence/history/files/environment/general information/related topics/see/warning/tip
important/caution/default/result/results/parameters/return value/return values/errors/type/types/details/background
conclusion/credits/acknowledgements/acknowledgments/legal notices/preface/foreword/appendix/glossary/diagnostics
reporting bugs/syntax/remarks/getting help/概述/描述/说明/說明/名称/名稱/简介/簡介/介绍/介紹/参见/參見/参考/參考/示例/例子
范例/範例/选项/選項/语法/語法/注意/注释/註解/作者/版权/版權/总览/總覽/缺陷/警告/提示/返回值/错误/錯誤/文件/历史/歷史/参数
參數/目录/目錄/索引/前言/附录/附錄/结论/結論/用法/其他/其它/常规/一般/另请参见
另請參閱/另见/相关信息/更多信息/参阅/用途/图示
背景/环境/环境变量/诊断"""
_BOILERPLATE = frozenset(re.split(r"[/\n]", _VAGUE))
_WORTHLESS = """see also/references/authors/author/copyright/license/licence/thanks/thanks to/credits/acknowledgements/acknowledgments
further reading/external links/legal notices/index/contents/table of contents/reporting bugs/related topics/related information
bibliography/contact/colophon/参见/參見/参考/參考/参考资料/參考資料/参考文献/作者/版权/版權/致谢/致謝/许可/外部链接/另请参见
另請參閱/另见/相关信息/目录/目錄/索引/报告错误/报告缺陷/報告錯誤/贡献者/译者/譯者/相关主题/相關主題"""
_USELESS = frozenset(re.split(r"[/\n]", _WORTHLESS))  # of these no section is worth a search
LONGEST, SHORTEST = 2000, {"en": 60, "zh": 30}  # a Chinese character holds two to three letters' worth
_AIM = 1500  # characters at which the next paragraph is no longer taken
_SAME = 3  # passages that one short text may stand for


@dataclass(frozen=True)
class Pair:
    """A short text, the passage that it names, what stands above it in case it alone says too little, and other names of the passage."""

    query: str
    passage: str
    above: str = ""
    also: tuple[str, ...] = ()


def clean(text: str) -> str:
    """NFC, without control characters; white space collapsed within lines, and gone between Chinese characters."""
    text = _CONTROL.sub(" ", unicodedata.normalize("NFC", text).replace("\u00a0", " "))
    lines = (_GAP.sub("", " ".join(line.split())) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def joined(lines: Iterable[str]) -> str:
    """One paragraph from its wrapped lines."""
    return clean(" ".join(lines))


def normal(text: str) -> str:
    """What two texts have in common that differ in case, width, punctuation and white space alone."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def key(text: str) -> str:
    """A stable name for a text."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def good_pairs(pairs: Iterable[Pair], language: str) -> tuple[list[Pair], Counter[str]]:
    """The pairs that pass every rule, their short texts made specific, and how many were dropped for what reason."""
    dropped: Counter[str] = Counter()
    kept, passages = [], set()
    for pair in pairs:
        heading, above = heading_of(pair.query), heading_of(pair.above)
        if language == "zh" and not _HAN.search(heading) and _HAN.search(above):
            heading, above = f"{above}：{heading}", ""
        passage = cut(without_first(clean(pair.passage), heading, language))
        reason = refusal(heading, passage, language)
        mark = key(normal(passage))
        if reason is None and mark in passages:
            reason = "passage met before"
        if reason is None:
            passages.add(mark)
            kept.append(Pair(heading, passage, above))
            kept += [Pair(also, passage) for also in map(heading_of, pair.also) if refusal(also, passage, language) is None]
        else:
            dropped[reason] += 1
    times = Counter(normal(pair.query) for pair in kept)
    kept = [specific(pair, times[normal(pair.query)], language) for pair in kept]
    times = Counter(normal(pair.query) for pair in kept)
    good = [pair for pair in kept if short_enough(pair.query, language) and times[normal(pair.query)] <= _SAME]
    dropped["short text too vague or too frequent"] += len(kept) - len(good)
    return good, dropped


def heading_of(text: str) -> str:
    """A heading on one line, without its number and the colon after it."""
    text = clean(text).replace("\n", " ")
    return _NUMBER.sub("", _NUMBER.sub("", text)).strip().rstrip(":：.。").strip(' -–—#"“”')


def specific(pair: Pair, times: int, language: str) -> Pair:
    """With what stands above it, where the short text is generic, of few words, or stands for several passages."""
    few = len(_WORD.findall(pair.query)) < (3 if language == "en" else 5)
    if not pair.above or normal(pair.above) in normal(pair.query):
        return pair
    if few or times > 1 or pair.query.lower() in _BOILERPLATE:
        return replace(pair, query=f"{pair.above}{'：' if _HAN.search(pair.query) else ': '}{pair.query}", above="")
    return pair


def short_enough(query: str, language: str) -> bool:
    """Neither empty nor boilerplate nor as long as a passage."""
    words = len(_WORD.findall(query))
    letters = len(_LETTER.findall(query))
    return query.lower() not in _BOILERPLATE and letters >= 2 and words <= (30 if language == "en" else 60) and len(query) <= 200


def without_first(passage: str, query: str, language: str) -> str:
    """The passage without captions, paragraphs in another language, and leading lines that only repeat the short text."""
    lines = [line for line in passage.split("\n") if not _CAPTION.match(line) and (language == "en" or not foreign(line))]
    while lines and normal(lines[0]) == normal(query):
        lines.pop(0)
    return "\n".join(lines)


def foreign(line: str) -> bool:
    """Of a Chinese document: a sentence that nobody translated."""
    return len(line) > 30 and len(_HAN.findall(line)) < 0.15 * len(line)


def cut(passage: str) -> str:
    """Whole paragraphs up to about 1,500 characters, whole sentences where the first paragraph is longer."""
    taken: list[str] = []
    size = 0
    for paragraph in passage.split("\n"):
        if taken and size + len(paragraph) > _AIM:
            break
        taken.append(paragraph)
        size += len(paragraph) + 1
    text = "\n".join(taken)
    if len(text) <= LONGEST:
        return text
    end = max((found.start() for found in _SENTENCE.finditer(text, 0, LONGEST)), default=0)
    return text[:end].rstrip()


def refusal(query: str, passage: str, language: str) -> str | None:
    """Why the pair is dropped, or None."""
    if not query or not _LETTER.search(query):
        return "no short text"
    if query.lower() in _USELESS or query.lower().rpartition("：")[2] in _USELESS:
        return "boilerplate"
    if not SHORTEST[language] <= len(passage) <= LONGEST:
        return "passage too short"
    if normal(passage) == normal(query):
        return "passage is the short text"
    letters = len(_LETTER.findall(passage))
    han = len(_HAN.findall(passage))
    solid = len(passage) - passage.count(" ") - passage.count("\n")
    if letters < 0.8 * solid or len(_ODD.findall(passage)) > 0.03 * len(passage):
        return "not prose"
    if language == "zh":
        named = len(_HAN.findall(query)) >= 2 or len(query.split()) <= 3  # a name stands for itself, an untranslated heading is none
        return None if han > 0.5 * letters and named else "not Chinese"
    words = len(passage.split())
    plain = len(_PLAIN.findall(passage)) >= 0.12 * words and not passage.isupper()
    if han or not plain or (not passage.isascii() and _foreign_letters(passage)):
        return "not English prose"
    return None


def _foreign_letters(passage: str) -> bool:
    return sum(letter > "\u024f" and letter.isalpha() for letter in passage) > 0.02 * len(passage)
