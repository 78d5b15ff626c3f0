"""A small world whose numbers can be counted by hand."""

from tokenizers import Tokenizer, models, pre_tokenizers

from bicross.data.inspection import inspect_documents
from bicross.data.passages import Splitter
from bicross.records import Document, Skip


def test_counts() -> None:
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    items: list[Document | Skip] = [
        Document("a", "one two three four. five six seven eight."),
        Document("b", "One  two three four.\nfive six seven ＥＩＧＨＴ."),
        Document("c", "重置"),
        Skip("f:3", "not JSON"),
        Document("d", "x " * 33),
    ]
    found = inspect_documents(items, Splitter(tokenizer, 8))
    assert (found.documents, found.passages, found.split) == (4, 1 + 1 + 1 + 5, 1)
    assert (found.tokens.total, found.tokens.p50, found.tokens.p95, found.tokens.longest) == (50, 8, 33, 33)
    assert found.tokens.histogram == {1: 1, 8: 2, 64: 1}
    assert found.languages == {"en": 3, "zh": 1}
    assert (found.duplicates, found.duplicate_ids) == (1, (("b", "a"),))
    assert found.skipped == (Skip("f:3", "not JSON"),)


def test_nothing_is_nothing() -> None:
    found = inspect_documents([], Splitter(Tokenizer(models.WordLevel({"?": 0}, unk_token="?")), 8))
    assert (found.documents, found.passages, found.tokens.p50, found.tokens.histogram) == (0, 0, 0, {})
