"""Nearest vectors: the exact scan, which is the reference, and what is faster on many rows."""
