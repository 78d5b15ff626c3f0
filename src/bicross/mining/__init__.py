"""Which documents a model should learn to tell from the known answers: found, scored, sorted, drawn, and shown to a reader."""
