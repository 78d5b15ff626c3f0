"""Judging by hand: which pairs of question and document tell most, a session that survives anything, and two faces of it."""
