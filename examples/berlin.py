"""How many people live in Berlin? Near by topic is not yet an answer.

The classic pair: passages about Berlin are all near the question for a bi-encoder; the cross-encoder looks for the number of people.
"""

from __future__ import annotations

import bicross
from bicross.models.scores import relevance
from bicross.vectors import unit

QUESTION = "How many people live in Berlin?"
PASSAGES = [
    "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square kilometers.",
    "Berlin is well known for its museums.",
    "In 2014 the city of Berlin was host to 11.9 million guests.",
    "The city of Hamburg has about 1.9 million inhabitants.",
    "New York City is famous for the Metropolitan Museum of Art.",
]


def main() -> None:
    encoder, reranker = bicross.load_encoder(), bicross.load_reranker()
    cosines = unit(encoder.encode_documents(PASSAGES)) @ unit(encoder.encode_queries([QUESTION]))[0]  # (passages,)
    scores = reranker.score([(QUESTION, passage) for passage in PASSAGES])  # (passages,)
    print(QUESTION)
    print("cosine   cross-encoder")
    for place in (-scores).argsort().tolist():
        print(f"{cosines[place]:.3f}    {relevance(float(scores[place])):.3f}           {PASSAGES[place]}")


if __name__ == "__main__":
    main()
