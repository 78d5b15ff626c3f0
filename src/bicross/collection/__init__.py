"""Documents, passages, vectors and spaces: SQLite holds the truth, all else is rebuilt from it."""
