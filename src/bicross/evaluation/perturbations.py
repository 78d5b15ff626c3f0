"""The same question in other words or marks, without a model: what a user might have typed just as well. English and Chinese alike.

Each function gives back the text as it was where it has nothing to change. None drops a word that carries meaning: negations, numbers and
names stay. Traditional and simplified characters are not exchanged: that needs a dictionary.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from random import Random

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_POLITE = re.compile(
    r"""
      ^\W*(?:hi|hello|hey|good\ (?:morning|afternoon|evening))\b[\s,.!]*
    | \b(?:please|kindly|thanks|thank\ you)\b
    | \b(?:can|could|would|will)\ you\ (?:please\ )?(?:tell|explain\ to|help|show)\ me\b(?:\ to\b)?
    | \b(?:do\ you\ know|i(?:\ would|\s?['’]d)\ like\ to\ know|i\ want\ to\ know|i\ am\ wondering|i\ wonder|tell\ me)\b
    | ^(?:您好|你好)[，,！!。\s]*
    | (?:^|(?<=[，,。！!\s]))我?(?:(?:想?请问|想问|麻烦问|想咨询|想知道|想了解|需要了解)(?:一下|下)?|(?:请教|咨询)(?:一下|下))[，,：:\s]*
    | (?:谢谢|多谢|感谢)(?:您|你|大家|了)?[!！。.]*$
    | (?:[吗呢呀啊]|(?<![酒网贴氧])吧)(?=[\s？?。.！!，,]|$)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FRAME = re.compile(
    r"""
      ^\W*what(?:\ (?:is|are|was|were)|['’]s)\b
    | (?<=\bhow)\ (?:do|does|can|could|should|would)\ (?:i|you|we|one)\b
    | \b(?:a|an|the)\b
    | ^什么是 | ^何(?:谓|为)
    | (?:指的)?是(?:指)?(?:什么|啥)(?:意思)?(?=[\s？?。.]*$)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# A mark inside a number or a word (3.5, don't, A/B) is part of it.
_MARKS = re.compile(r"[，。？！；：、…“”‘’《》〈〉「」『』（）【】·]+|(?<!\w)[,.?!;:\"'()\[\]]+|[,.?!;:\"'()\[\]]+(?!\w)")
_SWAPS = re.compile(rf"(?<=[a-z])(?=([a-z])([a-z]))|(?=([{_HAN}])([{_HAN}]))", re.IGNORECASE)


def plain(text: str) -> str:
    """Without what is polite or only frames the question: please, 请问, 吗, what is, articles."""
    return _tidy(_FRAME.sub(" ", _tidy(_POLITE.sub(" ", text))))


def unpunctuated(text: str) -> str:
    """Without punctuation, of either width, but for marks inside words and numbers."""
    return _tidy(_MARKS.sub(" ", text))


def other_width(text: str) -> str:
    """Full-width letters, digits and marks made half-width (NFKC); where there are none, those of a Chinese text made full-width."""
    half = unicodedata.normalize("NFKC", text)
    if half != text or not re.search(f"[{_HAN}]", text):
        return half
    return "".join(chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in text)


def other_case(text: str) -> str:
    """In lower case; in upper case where it was in lower case."""
    return text.lower() if text.lower() != text else text.upper()


def typo(text: str, seed: int = 0) -> str:
    """Two neighbours exchanged at one place: letters inside a word, never its first, or Chinese characters. Seed and text choose it."""
    places = [found.start() for found in _SWAPS.finditer(text) if text[found.start()].lower() != text[found.start() + 1].lower()]
    if not places:
        return text
    place = Random(json.dumps([seed, text])).choice(places)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


PERTURBATIONS: Mapping[str, Callable[[str, int], str]] = {
    "plain words": lambda text, _: plain(text),
    "punctuation": lambda text, _: unpunctuated(text),
    "width": lambda text, _: other_width(text),
    "case": lambda text, _: other_case(text),
    "typo": typo,
}
"""Name -> (text, seed) -> the text perturbed."""


def _tidy(text: str) -> str:
    return " ".join(text.split())
