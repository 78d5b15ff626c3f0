"""Grades out of clicks: in a simulated world whose truth is known, and by hand."""

from pathlib import Path

import numpy as np
import pytest

from bicross.data.clicks import NO_GRADE, from_clicks, grades, wilson
from bicross.data.pairs import Pairs, same
from bicross.errors import InputError
from bicross.settings import QuestionSettings

SETTINGS = QuestionSettings(source="clicks")
DOCUMENTS = 8
LEVELS = np.array([0.03, 0.15, 0.4, 0.8])
LOOKED_AT = 1 / np.arange(1, DOCUMENTS + 1)


def pairs_of(path: Path, lines: list[str], settings: QuestionSettings = SETTINGS) -> Pairs:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return from_clicks([path], settings, {}, lambda what, done, total: None)


def world(seed: int, queries: int = 60, searches: int = 150) -> tuple[list[str], np.ndarray]:
    """A log in which a poor ranker shows some bad documents first, and the true level of each document, (queries, documents)."""
    rng = np.random.default_rng(seed)
    level = rng.choice(4, p=[0.5, 0.2, 0.2, 0.1], size=(queries, DOCUMENTS))
    usual = rng.normal(size=level.shape)
    lines = ["query,doc_id,position,clicked,time"]
    for search in range(searches):
        for query in range(queries):
            order = np.argsort(-(usual[query] + 0.7 * rng.normal(size=DOCUMENTS)))
            clicks = (rng.random(DOCUMENTS) < LOOKED_AT) & (rng.random(DOCUMENTS) < LEVELS[level[query][order]])
            lines += [f"query {query},{document},{place + 1},{int(clicks[place])},{search}" for place, document in enumerate(order)]
    return lines, level


def concordance(values: np.ndarray, level: np.ndarray) -> float:
    """How often, of two documents of one query whose levels differ, the better has the higher value; a tie counts half."""
    right = total = 0.0
    for of_value, of_level in zip(values, level, strict=True):
        higher = of_level[:, None] > of_level
        right += (higher * ((of_value[:, None] > of_value) + 0.5 * (of_value[:, None] == of_value))).sum()
        total += higher.sum()
    return right / total


def test_grades_order_documents_better_than_clicks_do(tmp_path: Path) -> None:
    lines, level = world(0)
    pairs = pairs_of(tmp_path / "log.csv", lines, SETTINGS.model_copy(update={"dev_share": 0.0}))
    assert "Positions 1 to 8 are estimated" in pairs.remarks[0]
    clicks = np.zeros(level.shape)
    for line in lines[1:]:
        query, document, _, clicked, _ = line.split(",")
        clicks[int(query.split()[1]), int(document)] += int(clicked)
    graded = np.full(level.shape, np.nan)
    for query in pairs.queries:
        for document, grade in pairs.qrels["train"][query.id].items():
            graded[int(query.text.split()[1]), int(document)] = grade
    known = ~np.isnan(graded)
    assert known.mean() > 0.4  # the others are between, or were seen too rarely
    # Where there is a grade: of two documents of one query, which is better? Pairs without a grade do not count.
    ours, raw = [], []
    for row in range(len(level)):
        some = known[row]
        if len(set(level[row][some])) > 1:
            ours.append(concordance(graded[row][some][None], level[row][some][None]))
            raw.append(concordance(clicks[row][some][None], level[row][some][None]))
    assert np.mean(ours) > 0.95 > np.mean(raw) + 0.03
    assert (level[graded == 3] >= 2).mean() > 0.95 and (level[graded == 0] == 0).mean() > 0.9


def test_the_latest_rows_are_development_and_no_query_is_in_both(tmp_path: Path) -> None:
    lines, _ = world(1, queries=30, searches=200)
    late = [line.replace("query", "new query") for line in lines[1:] if int(line.rpartition(",")[2]) >= 150]
    log = [*lines, *(line.upper() for line in late)]
    pairs = pairs_of(tmp_path / "log.csv", log, SETTINGS.model_copy(update={"dev_share": 0.4}))
    text = {query.id: same(query.text) for query in pairs.queries}
    train, dev = ({text[query] for query in pairs.qrels[part]} for part in ("train", "dev"))
    assert not train & dev and train | dev == set(text.values())
    assert all(query.startswith("query") for query in train)
    old = {query for query in dev if query.startswith("query")}
    assert 0 < len(old) < len(train) and len(dev) > len(old)
    both = pairs.left_out["queries of one part that the other part has"]
    assert len(old) >= round(0.4 * both) > 0  # and those that have a grade in the late rows alone
    assert pairs == pairs_of(tmp_path / "log.csv", log, SETTINGS.model_copy(update={"dev_share": 0.4}))


def test_the_grade_of_a_late_row_is_of_late_clicks_alone(tmp_path: Path) -> None:
    early = [f"one,{'a' if number % 2 else 'b'},1,{number % 2},{number}" for number in range(80)]
    late = [f"two,{'c' if number % 2 else 'd'},1,{number % 2},{number}" for number in range(80, 100)]
    later_of_early = [f"one,b,1,1,{number}" for number in range(80, 85)]
    log = ["query,doc,position,clicked,time", *early, *late, *later_of_early]
    pairs = pairs_of(tmp_path / "log.csv", log, SETTINGS.model_copy(update={"dev_share": 0.24}))
    found = {query.text: (part, qrels[query.id]) for query in pairs.queries for part, qrels in pairs.qrels.items() if query.id in qrels}
    assert found["one"][0] == "train" and found["one"][1]["b"] == 0 and found["one"][1]["a"] > 0
    assert found["two"][0] == "dev"


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (["query,doc", *["q,a"] * 20, *["q,b"] * 2], "no positions"),
        (
            ["query,doc,position", *["q,a,2"] * 20, *["q,b,1"] * 5],
            "has clicks alone, so that position bias is not estimated but assumed to be 1/rank",
        ),
        (["query,doc,position,clicked", *["q,a,1,1"] * 20, *["q,b,2,0"] * 20], "not estimated but assumed to be 1/rank"),
    ],
)
def test_what_the_log_cannot_tell_is_said(tmp_path: Path, lines: list[str], word: str) -> None:
    pairs = pairs_of(tmp_path / "log.csv", lines)
    assert word in pairs.remarks[0]
    assert "no times" in pairs.remarks[1]
    assert list(pairs.qrels) == ["train"]
    assert pairs.qrels["train"][pairs.queries[0].id]["a"] > 0


def test_clicks_alone_weigh_by_how_rarely_their_position_is_seen(tmp_path: Path) -> None:
    lines = ["query,doc,position", *["q,low,8"] * 20, *["q,high,1"] * 30, *["other,a,1"] * 50, *["other,b,1"] * 50, *["other,c,1"] * 50]
    grade = pairs_of(tmp_path / "log.csv", lines).qrels["train"]
    (only,) = grade.values()
    assert only["low"] > only.get("high", 0)


def test_few_clicks_give_no_grade() -> None:
    clicks, examined = np.array([2.0, 3.0, 0.0, 0.0, 30.0, 300.0]), np.array([2.0, 3.0, 3.0, 400.0, 40.0, 3000.0])
    assert grades(clicks, examined).tolist() == [NO_GRADE, 2, NO_GRADE, 0, 3, NO_GRADE]
    assert grades(np.empty(0), np.empty(0)).tolist() == []
    assert grades(np.zeros(3), np.full(3, 100.0)).max() <= 0


def test_the_interval_is_wilsons() -> None:
    low, high = wilson(np.array([0.5, 0.0, 1.0]), np.array([10.0, 10.0, 10.0]))
    for rate, value in [(0.5, low[0]), (0.5, high[0]), (0.0, high[1]), (1.0, low[2])]:  # the bounds solve (p - rate)^2 = z^2 p (1 - p) / n
        assert (value - rate) ** 2 == pytest.approx(1.645**2 * value * (1 - value) / 10)
    assert low[1] == pytest.approx(0) and high[2] == pytest.approx(1)


def test_the_limit_is_drawn_by_the_seed_and_an_empty_log_is_refused(tmp_path: Path) -> None:
    lines, _ = world(2, queries=20, searches=60)
    few = pairs_of(tmp_path / "log.csv", lines, QuestionSettings(source="clicks", limit=5, dev_share=0))
    other = pairs_of(tmp_path / "log.csv", lines, QuestionSettings(source="clicks", limit=5, dev_share=0, seed=1))
    assert len(few.queries) == len(other.queries) == 5 and few.queries != other.queries
    with pytest.raises(InputError, match="no event"):
        pairs_of(tmp_path / "log.csv", ["query,doc"])
