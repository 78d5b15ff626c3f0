"""Make the general set that ships with the package, the guard against forgetting, out of examples/data.

    python tools/make_general_set.py [INTO]      # default: src/bicross/starter/general

English has XQuAD's even documents and Chinese its odd ones, half of them each: the two share no paragraph, so that one collection can hold
both without a translation beside an answer. Of the questions to each document the one that shares the fewest of its words with it is
taken, and of those 60 the fewest; the other 60 documents distract. So words alone find less, and what a model has forgotten shows: of
questions drawn at random the starter encoder answers nearly all. No model has a say in the choice, which would favour or burden it.
The same files give the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from bicross.data.questions import read_qrels, read_queries
from bicross.starter import GENERAL

SOURCE = Path(__file__).parent.parent / "examples" / "data"
HALVES = {"xquad_en": 0, "xquad_zh": 1}
QUESTIONS = 60
WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")  # an ideograph, or letters and digits between others


def main() -> None:
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else GENERAL
    for name, half in HALVES.items():
        write(into / name, SOURCE / name, half)
    print(f"{into}: {sum(path.stat().st_size for path in into.rglob('*') if path.is_file()):,} bytes")


def write(target: Path, source: Path, half: int) -> None:
    lines = (source / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[half::2]
    documents = {row["_id"]: row["text"] for row in map(json.loads, lines)}
    queries = {query.id: query.text for query in read_queries(source)[0]}
    drawn = hardest(queries, read_qrels(source), documents)
    put(target / "corpus.jsonl", lines)
    put(target / "queries.jsonl", [json.dumps({"_id": query, "text": queries[query]}, ensure_ascii=False) for query in drawn])
    put(target / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *(f"{query}\t{document}\t1" for query, document in drawn.items())])


def hardest(queries: dict[str, str], qrels: dict[str, dict[str, int]], documents: dict[str, str]) -> dict[str, str]:
    """Question -> its document, in the order of the judgements: 60 questions to as many documents, that share the fewest words."""
    best: dict[str, tuple[float, str]] = {}
    for query, (document,) in qrels.items():  # each has one
        if document in documents:
            best[document] = min(best.get(document, (1.0, query)), (shared(queries[query], documents[document]), query))
    chosen = {query: document for document, (_, query) in sorted(best.items(), key=lambda item: item[1])[:QUESTIONS]}
    return {query: chosen[query] for query in qrels if query in chosen}


def shared(question: str, text: str) -> float:
    """The share of the question's words that the text has."""
    asked, told = (set(WORD.findall(part.lower())) for part in (question, text))
    return len(asked & told) / len(asked)


def put(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
