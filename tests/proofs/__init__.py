"""Proofs that take long: what is promised of power cuts."""
