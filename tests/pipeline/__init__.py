"""The verbs of `pipeline`, on real collections of the models without weights."""
