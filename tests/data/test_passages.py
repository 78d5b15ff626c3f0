"""Passages of small worlds, counted by eye, and what holds for any text under two kinds of tokenizer."""

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from bicross.data.passages import Splitter
from bicross.data.sentences import sentences
from bicross.errors import InputError
from bicross.records import Document


def by_words() -> Tokenizer:
    """One token a word."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def by_pieces() -> Tokenizer:
    """As SentencePiece does it: NFKC, a mark before each word, pieces of one or a few characters."""
    pieces = [("?", -20.0), ("▁", -3.0), *((piece, -4.0) for piece in ["ab", "中文", "▁a", "文。", "。", "。”", *"ab中文,，.1"])]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def texts(text: str, limit: int, tokenizer: Tokenizer | None = None) -> list[str]:
    return [passage.text for passage in Splitter(tokenizer or by_words(), limit).split(Document("d", text))]


def sentence(words: int) -> str:
    return " ".join(["w"] * words) + "."


def lengths(text: str, limit: int) -> list[int]:
    return [len(part.split()) for part in texts(text, limit)]


def test_a_short_document_is_one_passage_without_its_margins() -> None:
    (passage,) = Splitter(by_words(), 8).split(Document("a/b", "\n one two. \n"))
    assert (passage.id, passage.doc_id, passage.start, passage.end, passage.text) == ("a/b#0", "a/b", 2, 10, "one two.")
    assert texts(" \n\t", 8) == []


def test_a_document_a_fifth_over_the_limit_becomes_two_halves() -> None:
    assert lengths(" ".join([sentence(10)] * 12), 100) == [60, 60]
    assert lengths(" ".join([sentence(10)] * 41), 100) == [80, 80, 80, 80, 90]


def test_as_few_passages_as_the_limit_allows() -> None:
    assert lengths(" ".join(map(sentence, [60, 60, 60])), 100) == [60, 60, 60]
    assert lengths(" ".join(map(sentence, [80, 10, 80, 10])), 100) == [90, 90]
    assert lengths(" ".join(map(sentence, [30] * 7)), 100) == [60, 60, 90]


def test_a_paragraph_or_heading_near_the_middle_is_where_it_is_cut() -> None:
    first, second = " ".join([sentence(10)] * 5), " ".join([sentence(10)] * 7)
    assert texts(f"{first}\n\n{second}", 100) == [first, second]
    head = f"# Head\n{second}"
    assert texts(f"{first}\n{head}", 100) == [first, head]


def test_a_heading_stays_with_what_it_heads() -> None:
    text = f"{' '.join([sentence(10)] * 6)}\n\n## Head\n\n{' '.join([sentence(10)] * 6)}"
    assert texts(text, 100)[1].startswith("## Head")


def test_a_sentence_that_fits_is_never_cut_and_one_that_does_not_is_cut_at_clauses_then_spaces_then_tokens() -> None:
    assert texts("a b c d e f g h. i j.", 8) == ["a b c d e f g h.", "i j."]
    clauses = texts("a b c d, e f g h, i j k l.", 7)
    assert [part[-1] for part in clauses] == [",", ",", "."]
    spaces = texts(" ".join("abcdefghij"), 6)
    assert spaces == ["a b c d e", "f g h i j"]
    pieces = texts("中文" * 20, 8, by_pieces())
    assert "".join(pieces) == "中文" * 20
    assert all(part == "中文" * (len(part) // 2) for part in pieces)


def test_chinese_is_cut_between_sentences() -> None:
    text = "中文中文，中文。" * 6
    parts = texts(text, 20, by_pieces())
    assert len(parts) > 1
    assert all(part.endswith("。") for part in parts)


def test_offsets_count_code_points_through_normalisation() -> None:
    text = "ＡＢ ｃ👩‍👩‍👧。㍿①é。 " * 5
    document = Document("d", text)
    for passage in Splitter(by_pieces(), 12).split(document):
        assert passage.text == text[passage.start : passage.end]


def test_truncation_and_padding_of_the_tokenizer_are_left_aside() -> None:
    tokenizer = by_words()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    assert [len(part.split()) for part in texts(" ".join([sentence(5)] * 4), 11, tokenizer)] == [10, 10]
    assert tokenizer.truncation is not None


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="expected 1 or more"):
        Splitter(by_words(), 0)


@pytest.mark.parametrize("unit", ["ab", "中文", "a ", "a. ", "中。", "\n\n# a\n", "👩‍👩‍👧", "a,"])
def test_a_text_of_a_hundred_thousand_characters(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    splitter = Splitter(by_pieces(), 64)
    passages = splitter.split(Document("d", text))
    check(text, splitter, [(passage.start, passage.end) for passage in passages])


TEXT = st.text(alphabet="abＡ中文。；\n .#-1,，”é👩\u200b\u3000㍿", max_size=120)


@settings(max_examples=150)
@given(TEXT, st.integers(8, 40), st.sampled_from([by_words, by_pieces]))
@example("中文。" * 20, 8, by_pieces)
@example("", 8, by_pieces)
def test_passages_of_any_text(text: str, limit: int, make: Callable[[], Tokenizer]) -> None:
    splitter = Splitter(make(), limit)
    passages, tokens = splitter.measure(Document("d", text))
    assert [passage.id for passage in passages] == [f"d#{number}" for number in range(len(passages))]
    assert all(passage.text == text[passage.start : passage.end] for passage in passages)
    assert (tokens == 0) <= (not text.strip("\u200b\u3000 \n"))
    bounds = [(passage.start, passage.end) for passage in passages]
    check(text, splitter, bounds)
    for span in sentences(text):
        if count(splitter, text[span.start : span.end]) <= limit:
            assert any(start <= span.start and span.end <= end for start, end in bounds)


def check(text: str, splitter: Splitter, bounds: list[tuple[int, int]]) -> None:
    """In order, apart, trimmed, within the limit, and nothing but white space between."""
    edges = [0, *(edge for bound in bounds for edge in bound), len(text)]
    assert edges == sorted(edges)
    assert not any(text[start:end].strip() for start, end in zip(edges[::2], edges[1::2], strict=True))
    for start, end in bounds:
        assert text[start:end] == text[start:end].strip() != ""
        assert count(splitter, text[start:end]) <= splitter.limit


def count(splitter: Splitter, text: str) -> int:
    return len(splitter.tokenizer.encode(text, add_special_tokens=False))
