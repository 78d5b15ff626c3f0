"""What one writes around sentence-transformers in an afternoon: a FastAPI application that does one request after the other.

    python benchmarks/naive.py ENCODER RERANKER PASSAGES DEPTH THREADS PORT

PASSAGES is a JSON list of texts. It is what `serving.py throughput` compares the server with.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import CrossEncoder, SentenceTransformer, util


class Search(BaseModel):
    question: str
    k: int = 10


class Rerank(BaseModel):
    query: str
    documents: list[str]


def application(encoder: str, reranker: str, passages: list[str], depth: int) -> FastAPI:
    bi_encoder, cross_encoder = SentenceTransformer(encoder, device="cpu"), CrossEncoder(reranker, device="cpu")
    corpus = bi_encoder.encode(passages, prompt_name="document", convert_to_tensor=True)
    app = FastAPI()

    @app.post("/v1/search")
    async def search(body: Search) -> dict[str, Any]:
        question = bi_encoder.encode(body.question, prompt_name="query", convert_to_tensor=True)
        hits = util.semantic_search(question, corpus, top_k=max(body.k, depth))[0]
        read = [passages[int(hit["corpus_id"])] for hit in hits[:depth]]
        scores = cross_encoder.predict([(body.question, text) for text in read])
        best = sorted(zip(scores.tolist(), read, strict=True), reverse=True)[: body.k]
        return {"hits": [{"score": score, "text": text} for score, text in best]}

    @app.post("/v1/rerank")
    async def rerank(body: Rerank) -> dict[str, Any]:
        scores = cross_encoder.predict([(body.query, text) for text in body.documents]).tolist()
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        return {"results": [{"index": index, "relevance_score": scores[index]} for index in order]}

    return app


def main() -> None:
    encoder, reranker, passages, depth, threads, port = sys.argv[1:]
    torch.set_num_threads(int(threads))
    app = application(encoder, reranker, json.loads(Path(passages).read_text("utf-8")), int(depth))
    uvicorn.run(app, port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
