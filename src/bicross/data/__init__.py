"""Readers and writers of documents, questions, judgements and runs; passages; a look at the data before anything is spent."""
