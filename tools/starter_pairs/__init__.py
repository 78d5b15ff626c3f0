"""Readers and rules of `tools/starter_pairs.py`."""
