"""LangChain: its own FAISS store recalls k = 20 documents, our cross-encoder compresses them to the top 3, printed as documents.

The bi-encoder goes into the store as `BicrossEmbeddings`, the cross-encoder into the retriever as `BicrossReranker`. Needs
`pip install langchain-classic langchain-community` beside the extra `langchain`. `BicrossRetriever` does both stages at once.
"""

from __future__ import annotations

import json
from pathlib import Path

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document

from bicross.integrations.langchain import BicrossEmbeddings, BicrossReranker

XQUAD = Path(__file__).parent / "data" / "xquad_en" / "corpus.jsonl"
PARAGRAPHS = 40
QUESTION = "Who sang the national anthem before the game?"


def main() -> None:
    rows = [json.loads(line) for line in XQUAD.read_text("utf-8").splitlines()[:PARAGRAPHS]]
    documents = [Document(page_content=row["text"], metadata={"source": row["_id"]}) for row in rows]
    retriever = FAISS.from_documents(documents, BicrossEmbeddings()).as_retriever(search_kwargs={"k": 20})
    compressed = ContextualCompressionRetriever(base_compressor=BicrossReranker(top_n=3), base_retriever=retriever)
    recalled, best = retriever.invoke(QUESTION), compressed.invoke(QUESTION)
    print(f"{QUESTION}\n{len(documents)} documents, {len(recalled)} recalled, {len(best)} kept")
    for number, document in enumerate(best, 1):
        print("-" * 80)
        print(f"Document {number} ({document.metadata['source']}, relevance {document.metadata['relevance_score']:.3f}):\n")
        print(document.page_content[:300])


if __name__ == "__main__":
    main()
