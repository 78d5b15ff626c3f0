"""Scores from the scorer given, a threshold from the known answers, and a kind for every candidate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.errors import InputError
from bicross.mining import denoise
from bicross.mining.denoise import mark_duplicates, random_negatives, recalled_early, score, sort, threshold
from bicross.models.hashed import HashedScorer
from bicross.records import Candidate, Mined
from bicross.settings import MineSettings
from bicross.vectors import Scores
from tests.mining.world import SETTINGS, answer, candidate, far, kinds, likeness, row, sorted_rows, texts

POOL = [(f"x{number}", f"pool words {number}") for number in range(30)]


def with_random(rows: Sequence[Mined], pool: Sequence[tuple[str, str]] = POOL, settings: MineSettings = SETTINGS) -> list[Mined]:
    return [random_negatives(one, texts(one), pool, settings, likeness) for one in rows]


def marked(mined: Mined) -> Mined:
    return mark_duplicates(mined, texts(mined), SETTINGS, likeness)


class Recorded(HashedScorer):
    """The scorer without weights, counting its calls."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        self.sizes.append(len(pairs))
        return super().score(pairs)


def test_every_pair_is_scored_by_the_scorer_given_in_batches_that_span_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoise, "PAIRS", 4)
    rows = [row(f"q{n}", [answer(f"p{n}", 77.0)], [candidate("a", 1, 88.0, text=f"question q{n}"), candidate("b", 2)]) for n in range(3)]
    scorer, told = Recorded(), list[tuple[str, int, int]]()
    scored = score(rows, scorer, lambda *news: told.append(news))
    assert scorer.sizes == [4, 4, 1]
    assert told == [("pairs", 4, 9), ("pairs", 8, 9), ("pairs", 9, 9)]
    for one in scored:
        pairs = [(one.query.text, each.text) for each in (*one.positives, *one.candidates)]
        assert [each.scores["rerank"] for each in (*one.positives, *one.candidates)] == HashedScorer().score(pairs).tolist()
        assert one.candidates[0].scores["rerank"] == 1
        assert one.source == {"collection": "c1", "scorer": HashedScorer.fingerprint}
    assert [(each.scores["dense"], each.scores["rank"]) for each in scored[0].candidates] == [(0.99, 1), (0.98, 2)]


def test_a_score_that_is_not_finite_is_refused_by_name() -> None:
    class Broken(HashedScorer):
        def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
            return np.array([np.nan if "text of b" in text else 0.0 for _, text in pairs], dtype=np.float32)

    with pytest.raises(InputError, match=r"question q.*text of b"):
        score([row("q", [answer("p", 0.0)], [candidate("a", 1), candidate("b", 2)])], Broken())


@given(st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=4), min_size=1, max_size=6), st.floats(0.01, 0.99))
def test_the_threshold_is_the_highest_that_the_share_of_known_answers_reaches(scores: list[list[int]], quantile: float) -> None:
    rows = [row(f"q{n}", [answer(f"p{m}", value) for m, value in enumerate(values)], []) for n, values in enumerate(scores)]

    def reaching(bar: float) -> float:
        return sum(sum(value >= bar for value in values) / len(values) for values in scores) / len(scores)

    possible = [value for values in scores for value in values if reaching(value) >= 1 - quantile - 1e-9]
    assert threshold(rows, quantile) == max(possible)


def test_a_question_with_many_answers_weighs_as_much_as_one_with_a_single_one() -> None:
    many = row("many", [answer(f"p{number}", 0.0) for number in range(50)], [])
    assert threshold([many, row("one", [answer("p", 1.0)], [])], 0.5) == 1.0


def test_without_known_answers_or_scores_there_is_no_threshold() -> None:
    with pytest.raises(InputError, match="None of the 1 mined"):
        threshold([row("q", [], [candidate("a", 1, 0.5)])], 0.5)
    unscored = Mined(row("q", [], []).query, (Candidate("p", "text", "positive"),), ())
    with pytest.raises(InputError, match="score the mined rows first"):
        threshold([unscored], 0.5)
    with pytest.raises(InputError, match="score the mined rows first"):
        sort([row("q", [], [candidate("a", 1)])], SETTINGS, 0.5)
    with pytest.raises(InputError, match="nan"):
        sort([], SETTINGS, float("nan"))


def test_where_all_is_kept_out_the_lowest_of_the_random_ones_stays_a_negative() -> None:
    found = [candidate("a", 1, 5.0), far("near", 0.0), far("r1", 3.0), far("r2", 2.0)]
    (mined,) = sort([marked(row("q", [answer("p", 1.0, "far near")], found))], SETTINGS, 1.0)
    assert kinds(mined) == {"a": "suspect", "near": "duplicate", "r1": "suspect", "r2": "random"}
    (mined,) = sort([row("q", [answer("p", 1.0)], found[:1])], SETTINGS, 1.0)
    assert kinds(mined) == {"a": "suspect"}


def test_every_candidate_gets_its_kind_and_the_source_says_how() -> None:
    for mined in sorted_rows():
        assert kinds(mined) == {"h1": "hard", "h2": "hard", "s": "suspect", "e": "easy", "d": "duplicate", "r1": "random", "r2": "random"}
        assert mined.source == {"collection": "c1", "threshold": 0.8, "settings": {"alike": 0.8, "hard_depth": 3, "quantile": 0.5}}


def test_a_near_duplicate_of_a_known_answer_is_never_a_negative() -> None:
    text = "the one and only answer to all of the questions asked here"
    for score_given in (-9.0, 0.0, 9.0):
        near = [candidate("stop", 1, score_given, text=text + " ."), candidate("upper", 2, score_given, text=text.upper(), judged=0.0)]
        (mined,) = sort([marked(row("q", [answer("p", 1.0, text), answer("other", 1.0)], near))], SETTINGS, 0.5)
        assert kinds(mined) == {"stop": "duplicate", "upper": "duplicate"}


def test_a_copy_of_any_passage_of_an_answer_is_a_duplicate() -> None:
    """A question's positive is the passage nearest to it; search may have found another passage of the copy."""
    passages = ("where to press it", "what then lights up", "whom to call at last")
    before = row("q", [answer("p", 1.0, passages[0])], [candidate("copy", 1, 0.0, text=passages[1]), candidate("other", 2, 0.0)])
    after = random_negatives(before, passages, [("far copy", passages[2]), ("far", "none of it")], SETTINGS, likeness)
    (mined,) = sort([mark_duplicates(score([after], HashedScorer())[0], passages, SETTINGS, likeness)], SETTINGS, 9.0)
    assert kinds(mined) == {"copy": "duplicate", "other": "hard", "far": "random"}


def test_what_was_judged_not_relevant_is_never_a_suspect() -> None:
    high = [candidate("judged", 1, 9.0, judged=0.0), candidate("unknown", 2, 9.0), candidate("deep", 6, 9.0, judged=0.0)]
    high += [candidate(f"n{rank}", rank, 0.0) for rank in (3, 4, 5)]
    (mined,) = sort([row("q", [answer("p", 1.0)], high)], SETTINGS, 1.0)
    assert [kinds(mined)[name] for name in ("judged", "unknown", "deep")] == ["hard", "suspect", "easy"]


def test_hard_is_what_any_of_the_searches_puts_early_known_answers_counted() -> None:
    found = [
        Candidate("a", "a", "unsorted", {"lexical": 1.0, "lexical rank": 3.0, "rank": 9.0}),
        Candidate("b", "b", "unsorted", {"lexical": 5.0, "lexical rank": 1.0, "dense": 0.1, "dense rank": 2.0, "rank": 8.0}),
        Candidate("c", "c", "unsorted", {"dense": 0.1, "dense rank": 3.0, "rank": 7.0}),
        Candidate("d", "d", "unsorted", {"dense": 0.0, "dense rank": 4.0, "rank": 2.0}),
    ]
    positive = Candidate("p", "p", "positive", {"lexical": 3.0, "lexical rank": 2.0, "dense": 0.9, "dense rank": 1.0, "rank": 1.0})
    assert recalled_early(row("q", [positive], found), 1) == {"b", "p"}
    assert recalled_early(row("q", [positive], found), 2) == {"b", "p", "d"}
    assert recalled_early(row("q", [positive], found), 3) == {"a", "b", "c", "d", "p"}


def test_how_early_a_document_was_found_does_not_depend_on_what_the_row_still_holds() -> None:
    found = [candidate("first", 1, 0.0), candidate("late", 35, 0.0)]
    assert recalled_early(row("q", [], found), 20) == {"first"}
    assert recalled_early(row("q", [], found[1:]), 20) == set()


def test_rows_can_be_sorted_again_with_another_threshold() -> None:
    (again,) = sort(sorted_rows(1), SETTINGS, 0.05)
    assert kinds(again) == {
        "h1": "suspect",
        "h2": "suspect",
        "s": "suspect",
        "e": "suspect",
        "d": "duplicate",
        "r1": "random",
        "r2": "suspect",
    }
    assert sort([again], SETTINGS, 0.8)[0].candidates == sorted_rows(1)[0].candidates


def test_near_duplicates_can_be_marked_before_anything_is_scored() -> None:
    unscored = row("q", [answer("p", 0.0, "so it is")], [candidate("a", 1, text="So it is"), candidate("b", 2), far("r", 0.0)])
    assert kinds(marked(unscored)) == {"a": "duplicate", "b": "unsorted", "r": "random"}


def test_random_ones_are_the_same_whatever_the_order_and_differ_by_question_and_seed() -> None:
    rows = [row(f"q{number}", [answer("p", 0.5)], []) for number in range(6)]
    first = {one.query.id: one for one in with_random(rows)}
    assert {one.query.id: one for one in with_random(rows[::-1], POOL[::-1])} == first
    assert len({tuple(kinds(one)) for one in first.values()}) > 1
    other = with_random(rows, POOL, SETTINGS.model_copy(update={"seed": 1}))
    assert [one.candidates for one in other] != [one.candidates for one in first.values()]
    assert all([each.kind for each in one.candidates] == ["random"] * 2 for one in first.values())
    assert other[0].source["settings"] == {"random": 2, "seed": 1}
    assert with_random(list(first.values())) == list(first.values())


def test_random_ones_are_never_answers_near_duplicates_or_what_was_found() -> None:
    pool = [("p", "answer p"), ("near", "Answer p"), ("gone", "gone"), ("s", "suspected"), *POOL[:2], ("x1", "another passage of it")]
    before = row("q", [answer("p", 0.5)], [candidate("s", 1)], {"absent": ["gone"]})
    (mined,) = with_random([before], pool, MineSettings(random=50))
    assert kinds(mined).keys() == {"s", "x0", "x1"}
    assert len(mined.candidates) == 3


def test_draws_are_uniform() -> None:
    rows = [row(f"q{number}", [], []) for number in range(3000)]
    counts = Counter(one.doc_id for mined in with_random(rows, POOL[:10]) for one in mined.candidates)
    assert len(counts) == 10
    assert all(500 < count < 700 for count in counts.values())  # 600 each, deviation about 22


def test_a_question_without_hard_negatives_still_has_random_ones() -> None:
    rows = with_random([row("q", [answer("p", 0.5)], [])])
    scored = score(rows, HashedScorer())
    (mined,) = sort(scored, SETTINGS, 0.5)
    assert list(kinds(mined).values()) == ["random", "random"]
