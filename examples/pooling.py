"""One vector a sentence out of a plain transformer, three ways, against a model trained to give one.

A transformer gives a vector a token. Taking the first token's (CLS), their mean or their maximum makes one of them, but nothing taught
that one to mean the sentence: cosines of unlike sentences are nearly as high as those of like ones. The plain transformer here is the
body of the starter reranker, which has the layers and words of the starter encoder and learned to judge pairs, not to place sentences.
Needs the extra `train`. (Reimers and Gurevych, "Sentence-BERT", EMNLP 2019.)
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import spearmanr
from transformers import AutoModel, AutoTokenizer

import bicross
from bicross import pipeline
from bicross.vectors import Vectors, unit

PAIRS = [  # two sentences, and how alike they are, from 0 (nothing in common) to 5 (the same)
    ("A man plays the guitar.", "Someone is playing a guitar.", 5),
    ("The shop opens at nine.", "The store starts business at nine o'clock.", 5),
    ("他昨天买了一辆新车。", "昨天他购买了新汽车。", 5),
    ("The plane lands in an hour.", "The aircraft will touch down in sixty minutes.", 5),
    ("A woman cuts an onion.", "A woman cuts a tomato.", 3),
    ("She walks her dog in the park.", "A woman is outside with an animal.", 3),
    ("孩子们在操场上踢足球。", "孩子们在公园里打篮球。", 3),
    ("The bank raised its interest rate.", "Loans became dearer this spring.", 3),
    ("The river is deep.", "The guitar is out of tune.", 0),
    ("A man plays the guitar.", "The parliament passed the budget.", 0),
    ("他昨天买了一辆新车。", "这种鸟只在夜里唱歌。", 0),
    ("The bank raised its interest rate.", "Two cats sleep on the sofa.", 0),
]


def pooled(texts: list[str]) -> dict[str, Vectors]:
    """Vectors of the plain transformer, (texts, dim), by way of pooling."""
    folder = pipeline.models_show("reranker")["path"]
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    body = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = body(**tokens).last_hidden_state.float()  # (texts, tokens, dim)
    seen = tokens["attention_mask"].unsqueeze(-1).bool()
    ways = {
        "CLS": states[:, 0],
        "mean": (states * seen).sum(1) / seen.sum(1),
        "max": states.masked_fill(~seen, -torch.inf).amax(1),
    }
    return {name: vectors.numpy() for name, vectors in ways.items()}


def main() -> None:
    firsts, seconds, grades = zip(*PAIRS, strict=True)
    texts = [*firsts, *seconds]
    vectors = {f"plain transformer, {name}": found for name, found in pooled(texts).items()}
    vectors["sentence transformer"] = bicross.load_encoder().encode_queries(texts)
    print(f"{'':<26}{'alike':>8}{'related':>9}{'unlike':>8}   agreement with people")
    for name, found in vectors.items():
        left, right = np.split(unit(found), 2)
        cosines = (left * right).sum(axis=1)  # (pairs,)
        means = [cosines[np.array(grades) == grade].mean() for grade in (5, 3, 0)]
        print(f"{name:<26}{means[0]:>8.2f}{means[1]:>9.2f}{means[2]:>8.2f}   {spearmanr(cosines, grades).statistic:.2f}")


if __name__ == "__main__":
    main()
