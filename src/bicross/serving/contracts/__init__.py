"""The HTTP contracts, one family of clients a file."""
