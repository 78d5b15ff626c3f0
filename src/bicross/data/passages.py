"""Documents into passages of bounded length in tokens, whole sentences and about equal sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bicross.data.outline import firm
from bicross.data.sentences import Break, Span, cut, sentences
from bicross.errors import InputError
from bicross.records import Document, Passage

_WINDOW = 8192  # characters tokenized at once: long enough that its edges change no count, short enough for any tokenizer
_BATCH = 128  # windows
# What cutting at each place costs, in shares of a passage's target length: a paragraph's end may be that much farther away.
_COST = {
    Break.HEADING: 0.0,
    Break.PARAGRAPH: 0.1,
    Break.LINE: 0.15,
    Break.SENTENCE: 0.3,
    Break.CLAUSE: 0.5,
    Break.SPACE: 0.6,
    Break.WORD: 0.7,
    Break.UNDER_HEADING: 1.0,
}


class Splitter:
    """Splits documents for one model.

    Args:
        tokenizer: the model's; truncation and padding that it may ask for are left aside.
        limit: the most content tokens of a passage (special tokens and the document's title not counted), at least 1.

    Raises:
        InputError: the limit is below 1.
    """

    def __init__(self, tokenizer: Tokenizer, limit: int) -> None:
        if limit < 1:
            raise InputError(f"The limit of a passage is {limit} tokens; expected 1 or more.")
        if tokenizer.truncation is not None or tokenizer.padding is not None:
            tokenizer = Tokenizer.from_str(tokenizer.to_str())  # the caller's stays as it is
            tokenizer.no_truncation()
            tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.limit = limit

    def split(self, document: Document) -> list[Passage]:
        """Passages of a document, in order, with ids `document#0`, `document#1`, …; none if the text is white space.

        Every character that is not white space lies in exactly one passage, and none goes past a definition of source code
        (`outline.firm`). They are few and of
        about equal length, and cuts fall between headings, paragraphs or sentences. Only a sentence longer than the limit is
        cut inside: behind a clause, else at a space, else between two tokens of a word. One character whose tokens are more
        than the limit is a passage all the same.
        """
        return self.measure(document)[0]

    def measure(self, document: Document) -> tuple[list[Passage], int]:
        """`split`, and the document's length in tokens."""
        spans = sentences(document.text)
        if not spans:
            return [], 0
        starts = self._token_starts(document.text, spans)
        bounds = [
            found
            for part in _parts(document.text, spans, firm(document.meta))
            for found in self._bounds(document.text, part, starts[slice(*np.searchsorted(starts, (part[0].start, part[-1].end)))])
        ]
        passages = [
            Passage(f"{document.id}#{number}", document.id, start, end, document.text[start:end])
            for number, (start, end) in enumerate(bounds)
        ]
        return passages, len(starts)

    def _bounds(self, text: str, spans: list[Span], starts: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Start and end of each passage. Cutting may add tokens, so that what was planned is counted again, and planned tighter."""
        whole = (spans[0].start, spans[-1].end)
        if len(starts) <= self.limit and whole[1] - whole[0] <= _WINDOW:
            return [whole]
        fits = self._sentences_that_fit(text, spans, starts)
        budget = max(1, self.limit - 1)  # SentencePiece adds a token at most cuts in Chinese; a second round would cost more than one token
        while True:
            atoms: list[Span] = []
            for span, fitting in zip(spans, fits, strict=True):
                atoms += (span,) if fitting else _finer(text, span, starts, budget, Break.CLAUSE)
            tokens = _tokens_before(atoms, starts)
            edges = _pack([atom.opens for atom in atoms], tokens, budget)
            bounds = [(atoms[first].start, atoms[last - 1].end) for first, last in pairwise(edges)]
            excess = max(self._counts(text, bounds)) - self.limit
            if excess <= 0 or budget == 1:
                return bounds
            budget = max(1, budget - excess)

    def _sentences_that_fit(self, text: str, spans: list[Span], starts: NDArray[np.int64]) -> list[bool]:
        """Which sentences are within the limit when they stand alone. Those near it are counted so; context moves a token or two."""
        lengths = np.diff(_tokens_before(spans, starts))  # (len(spans),)
        fits = [bool(fitting) for fitting in lengths <= self.limit]
        near = [row for row in np.flatnonzero(np.abs(lengths - self.limit) <= 1 + self.limit // 16) if not _is_long(spans[row])]
        for row, count in zip(near, self._counts(text, [spans[row][:2] for row in near]), strict=True):
            fits[row] = count <= self.limit
        return fits

    def _token_starts(self, text: str, spans: Sequence[Span]) -> NDArray[np.int64]:
        """Where each token of the text starts, in code points, ascending, (tokens,)."""
        found: list[NDArray[np.int64]] = []
        windows = list(_windows(text, spans))
        for first in range(0, len(windows), _BATCH):
            batch = windows[first : first + _BATCH]
            encodings = self.tokenizer.encode_batch([text[start:end] for start, end in batch], add_special_tokens=False)
            for (start, _), encoding in zip(batch, encodings, strict=True):
                offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)  # (tokens, 2)
                found.append(offsets[:, 0] + start)
        return np.sort(np.concatenate(found))

    def _counts(self, text: str, bounds: Sequence[tuple[int, int]]) -> Iterator[int]:
        """Tokens of each stretch when it stands alone."""
        for first in range(0, len(bounds), 4 * _BATCH):
            stretches = [text[start:end] for start, end in bounds[first : first + 4 * _BATCH]]
            yield from map(len, self.tokenizer.encode_batch_fast(stretches, add_special_tokens=False))


def _parts(text: str, spans: list[Span], edges: Sequence[int]) -> Iterator[list[Span]]:
    """The spans up to each edge, which no passage passes; what lies across one is cut there."""
    part: list[Span] = []
    waiting = list(edges)
    for span in spans:
        opens, start = span.opens, span.start
        while waiting and waiting[0] < span.end:
            edge = max(start, waiting.pop(0))
            if kept := text[start:edge].rstrip():
                part.append(Span(start, start + len(kept), opens))
            start, opens = edge + len(text[edge : span.end]) - len(text[edge : span.end].lstrip()), Break.HEADING
            if part:
                yield part
                part = []
        part.append(Span(start, span.end, opens))
    yield part


def _is_long(span: Span) -> bool:
    return span.end - span.start > _WINDOW


def _windows(text: str, spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Neighbouring sentences together, up to `_WINDOW` characters; a longer sentence is cut, at a space if it has one."""
    start = end = spans[0].start
    for span in spans:
        if span.end - start > _WINDOW and end > start:
            yield start, end
            start = span.start
        while span.end - start > _WINDOW:
            space = text.rfind(" ", start + _WINDOW // 2, start + _WINDOW)
            end = space if space >= 0 else start + _WINDOW
            yield start, end
            start = end
        end = span.end
    if end > start:
        yield start, end


def _tokens_before(spans: Sequence[Span], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tokens before each span, and in all, (len(spans) + 1,). A token may start at the space before its word, so ends count."""
    ends = np.fromiter((span.end for span in spans), dtype=np.int64, count=len(spans))
    return np.concatenate([[0], np.searchsorted(starts, ends)])


def _finer(text: str, span: Span, starts: NDArray[np.int64], budget: int, at: Break) -> list[Span]:
    """A span that is too long, as spans of at most `budget` tokens: clauses where they fit, else words, else parts of a word."""
    if at == Break.WORD:
        return _parts_of_word(span, starts, budget)
    pieces = cut(text, span, at)
    lengths = np.searchsorted(starts, [piece.end for piece in pieces]) - np.searchsorted(starts, [piece.start for piece in pieces])
    finer: list[Span] = []
    for piece, length in zip(pieces, lengths, strict=True):
        finer += (piece,) if length <= budget else _finer(text, piece, starts, budget, Break(at + 1))
    return finer


def _parts_of_word(span: Span, starts: NDArray[np.int64], budget: int) -> list[Span]:
    """A word cut between tokens, into parts of an eighth of the budget, from which passages of equal length can be made."""
    inside = starts[np.searchsorted(starts, span.start, side="right") : np.searchsorted(starts, span.end)]
    step = max(1, budget // 8)
    edges = [span.start, *np.unique(inside)[step - 1 :: step].tolist(), span.end]
    return [Span(start, end, Break.WORD if number else span.opens) for number, (start, end) in enumerate(pairwise(edges))]


def _pack(opens: Sequence[Break], tokens: NDArray[np.int64], budget: int) -> list[int]:
    """Which spans begin a passage, and their number at the end. Every passage has at most `budget` tokens or is one span.

    Passages are as few as can be. Each in turn ends where its length is nearest to an equal share of what is left, the cost
    of the place added, among the ends that leave no more passages to come than needed.
    """
    count = len(opens)
    reach = np.maximum(np.searchsorted(tokens, tokens[:-1] + budget, side="right") - 1, np.arange(1, count + 1)).tolist()
    before = tokens.tolist()
    fewest = [0] * (count + 1)  # passages that the spans from here on need
    for first in range(count - 1, -1, -1):
        fewest[first] = 1 + fewest[reach[first]]
    costs = [_COST[kind] for kind in opens]
    edges = [0]
    while (first := edges[-1]) < count:
        if fewest[first] == 1:
            edges.append(count)
            continue
        share = (before[-1] - before[first]) / fewest[first]
        ends = [end for end in range(first + 1, reach[first] + 1) if fewest[end] == fewest[first] - 1]
        edges.append(min(ends, key=lambda end: abs(before[end] - before[first] - share) / share + costs[end]))
    return edges
