"""Searchers over real collections of the models without weights."""
