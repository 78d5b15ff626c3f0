"""Teacher to student: the fast cross-encoder of six layers learned the opinion of the full one, which has twelve.

It was taught the full one's scores and its hidden states (Hinton, Vinyals and Dean 2015; Jiao et al. 2020, "TinyBERT"), on other texts
than these. Beside a question and three paragraphs that stand together it prefers what its teacher prefers more often than the bi-encoder
does, in about half of the teacher's time. `bicross train cross-encoder rows.jsonl --layers 6 --teacher NAME` does the same with your rows.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import bicross
from bicross.settings import STARTER_FAST, STARTER_RERANKER
from bicross.vectors import unit

XQUAD = Path(__file__).parent / "data" / "xquad_en"
QUESTIONS, TOGETHER, LENGTH = 64, 3, 240  # questions; paragraphs beside each; characters of one
Scores = NDArray[np.float32]


def read(name: str) -> list[str]:
    return [json.loads(line)["text"][:LENGTH] for line in (XQUAD / f"{name}.jsonl").read_text("utf-8").splitlines()]


def opinion(name: str, pairs: list[tuple[str, str]]) -> tuple[Scores, float]:
    """A cross-encoder's scores, (questions, TOGETHER), and the seconds that they took."""
    reranker = bicross.load_reranker(name)
    reranker.score(pairs[:TOGETHER])  # what is done once is not counted
    start = time.perf_counter()
    return reranker.score(pairs).reshape(-1, TOGETHER), time.perf_counter() - start


def agreement(one: Scores, other: Scores) -> float:
    """Of two paragraphs beside one question, how often both prefer the same."""
    left, right = np.triu_indices(TOGETHER, 1)  # each pair of paragraphs once
    return float(((one[:, left] > one[:, right]) == (other[:, left] > other[:, right])).mean())


def main() -> None:
    questions, paragraphs = read("queries"), read("corpus")
    pairs = [(questions[place], paragraphs[place // 5 + step]) for place in range(QUESTIONS) for step in range(TOGETHER)]
    (teacher, slow), (student, fast) = (opinion(name, pairs) for name in (STARTER_RERANKER, STARTER_FAST))
    encoder = bicross.load_encoder()
    asked, told = encoder.encode_queries([question for question, _ in pairs]), encoder.encode_documents([text for _, text in pairs])
    cosines = (unit(asked) * unit(told)).sum(axis=1).reshape(-1, TOGETHER)
    print(f"{QUESTIONS} questions, {TOGETHER} paragraphs beside each; preferences shared with the teacher ({slow:.1f} s):")
    print(f"bi-encoder  {agreement(cosines, teacher):.2f}")
    print(f"student     {agreement(student, teacher):.2f}  ({fast:.1f} s)")


if __name__ == "__main__":
    main()
