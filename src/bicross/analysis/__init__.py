"""The classic uses of a bi-encoder: texts that say the same, copies, and groups of texts about one thing."""
