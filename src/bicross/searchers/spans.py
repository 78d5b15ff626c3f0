"""Which parts of a text mattered to a cross-encoder: leave-one-span-out attribution.

The text is scored whole and again without each of its spans; what the logit loses is the span's effect. (Occlusion: Zeiler and Fergus,
"Visualizing and Understanding Convolutional Networks", ECCV 2014; of words before a text classifier: Li, Monroe and Jurafsky,
"Understanding Neural Networks through Representation Erasure", 2016.) Two spans that say the same have little effect each, because
either is enough without the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bicross.protocols import Scorer


@dataclass(frozen=True, slots=True)
class Span:
    """Code points of a text, end exclusive; `score` is how much less relevant the text is without them, in logits."""

    start: int
    end: int
    score: float


def mattering(scorer: Scorer, question: str, texts: Sequence[str], cuts: Sequence[Sequence[tuple[int, int]]]) -> list[list[Span]]:
    """For each text the spans without which it would be less relevant, best first, equal ones in the order of the text.

    All variants of all texts are scored in one call: for each text one pair, and one for each of its spans.

    Args:
        cuts: the spans of each text, (start, end) in code points, in its order and apart from each other.
    """
    variants = [
        (question, one) for text, spans in zip(texts, cuts, strict=True) for one in (text, *(_without(text, *span) for span in spans))
    ]
    scores = iter(scorer.score(variants).tolist() if variants else [])
    found = []
    for spans in cuts:
        whole = next(scores)
        effects = [Span(start, end, whole - next(scores)) for start, end in spans]
        found.append(sorted((span for span in effects if span.score > 0), key=lambda span: (-span.score, span.start)))
    return found


def _without(text: str, start: int, end: int) -> str:
    """The text without a span and the white space that set it apart on one side."""
    before, after = text[:start], text[end:]
    return before.rstrip() + after if not after.strip() else before + after.lstrip()
