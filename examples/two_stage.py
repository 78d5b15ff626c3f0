"""A long text, searched in two stages: recall finds 25 of its paragraphs, the cross-encoder reads them beside the question.

The text is the beginning of XQuAD in English, a paragraph a document. Every hit shows its place in each stage; the final order is the
fitted combination of all of them.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import bicross
from bicross import pipeline
from bicross.settings import SearchSettings

XQUAD = Path(__file__).parent / "data" / "xquad_en" / "corpus.jsonl"
PARAGRAPHS, HITS, SHOWN = 60, 25, 3
QUESTION = "Which quarterback was older than any other who had led a team to the championship?"


def main() -> None:
    with TemporaryDirectory() as folder:
        text, collection = Path(folder) / "text.jsonl", Path(folder) / "collection"
        text.write_text("\n".join(XQUAD.read_text("utf-8").splitlines()[:PARAGRAPHS]), "utf-8")
        indexed = pipeline.index([text], collection)
        with bicross.open(collection) as opened:
            (answer,) = opened.search(QUESTION, SearchSettings(k=HITS, depth=HITS)).queries
    print(f"{QUESTION}\n{indexed.passages} passages, {answer.reranked} hits reranked\n")
    recalled = sorted(answer.hits, key=lambda hit: hit.stages["fused"].rank)
    for what, hits in (("after recall", recalled), ("after reranking", answer.hits)):
        print(f"{what}, the first {SHOWN}:")
        for rank, hit in enumerate(hits[:SHOWN], 1):
            assert hit.passage is not None  # every hit of a search has the passage that was read
            places = ", ".join(f"{name} #{stage.rank}" for name, stage in hit.stages.items())
            print(f"  {rank}. {hit.doc_id} ({places})\n     {hit.passage.text[:100]}…")


if __name__ == "__main__":
    main()
