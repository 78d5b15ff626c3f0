"""The verbs `cluster`, `duplicates` and `pairs`, each joining a source or a collection, the models and `analysis`."""
