"""Lexical, dense, fused and reranked search: each is a Searcher, and a reranker holds a Searcher."""
