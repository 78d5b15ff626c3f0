"""Text to the words that BM25 counts. One analyser for English, Chinese and text that mixes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import Stemmer

# Han, kana and hangul letters: scripts in which a word has no clear border. NFKC has already replaced radicals and half-width kana.
CJK = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
LETTERS = f"[^\\W_{CJK}]{{1,64}}"  # bounded, so that a line without spaces becomes many words, not one of a million letters
PIECES = re.compile(
    f"(?P<cjk>[{CJK}]+)"
    r"|\d{1,3}(?:,\d{3}){1,7}(?!\d)"  # 1,000,000
    r"|\d{1,64}(?:\.\d{1,64}){1,7}"  # 3.14, 192.168.0.1
    rf"|{LETTERS}(?:'{LETTERS})?(?:\+\+|\#)?"  # wing, newton's, c++, c#
)
# Function words that are never the topic. Words that can be (vitamin a, the who, it, will, may, not) are kept: BM25 weighs them.
STOP_WORDS = frozenset(
    """about also an and any are as at be been but by could did do does for from had has have he her his how if in into is its just me
    my of on or she should so such than that the their then there these they this to too very was we were what when where which whom
    why with would you your""".split()  # noqa: SIM905 - a list would take a line for every word
)


class Words:
    """The analyser. It keeps no state, so one may serve many threads.

    English (and all other scripts with spaces): NFKC, lower case, stop words left out, Snowball's English stems.
    Chinese: dictionary words as a search engine cuts them (short words inside long ones too), and every pair of neighbouring
    characters, which finds what the dictionary does not know: names, and Traditional text under a dictionary of Simplified words.
    """

    version = 1  # to be raised with every change of what comes out: an index and its queries must be cut alike

    def __call__(self, text: str) -> list[str]:
        """The words of one text, a word as often as it occurs; the two scripts' words do not keep their mutual order."""
        return _words(text, Stemmer.Stemmer("english", 0))

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """The words of each text, in order. Stems are remembered from text to text."""
        stemmer = Stemmer.Stemmer("english")
        for text in texts:
            yield _words(text, stemmer)


def _words(text: str, stemmer: Stemmer.Stemmer) -> list[str]:
    normal = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    words: list[str] = []
    spaced: list[str] = []
    for match in PIECES.finditer(normal):
        piece = match.group()
        if match.lastgroup == "cjk":
            import rjieba  # here, because reading its dictionary takes 0.1 s, which English need not pay

            words += rjieba.cut_for_search(piece)
            words += [piece[at : at + 2] for at in range(len(piece) - 1)]
        elif piece not in STOP_WORDS:
            spaced.append(piece.replace(",", ""))
    stems: list[str] = stemmer.stemWords(spaced)
    return words + stems
