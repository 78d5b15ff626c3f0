"""How good a run is, how sure that is, and whether another run is better."""
