"""The audit counts right, estimates what was planted, and its page is safe to open."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from bicross.errors import InputError
from bicross.mining.agreement import aucs, disagreement
from bicross.mining.audit import Audit, audit
from bicross.mining.denoise import mark_duplicates, sort, threshold
from bicross.mining.leak import leak
from bicross.mining.page import page
from bicross.records import Mined, Query
from tests.mining.world import SETTINGS, answer, candidate, far, likeness, row, sorted_rows


def test_counts_yield_and_samples() -> None:
    bare = mark_duplicates(row("bare", [answer("p", 0.9)], [far("r1", 0.3)]), (), SETTINGS, likeness)
    rows = [*sorted_rows(4), *sort([bare], SETTINGS, 0.8)]
    found = audit(rows)
    assert found.questions == found.positives == 5
    assert found.kinds == {"positive": 5, "hard": 8, "suspect": 4, "duplicate": 4, "easy": 4, "random": 9, "unsorted": 0}
    assert found.hard == {"mean": 1.6, "median": 2.0, "min": 0.0}
    assert (found.without_hard, found.named, found.without_negatives) == (1, ("bare",), 0)
    assert (found.missed, found.absent, found.thresholds) == (1, 0, (0.8,))
    assert len(found.edges) == 21
    assert {kind: sum(counts) for kind, counts in found.histograms.items()} == {k: n for k, n in found.kinds.items() if n}
    assert [one.doc_id for one in found.borderline] == ["h2"] * 4 + ["h1"] * 4
    assert {one.doc_id for one in found.suspects} == {"s"}
    assert {one.doc_id for one in found.duplicates} == {"d"}
    assert found.suspects[0].answer.startswith("answer p")
    assert found.sources == (rows[0].source,)
    assert any("Only 5 known answers" in remark for remark in found.remarks)


def test_the_audit_is_json_and_the_same_whatever_the_order_of_the_rows() -> None:
    rows = [replace(one, source={"threshold": 0.8, "settings": {"hard_depth": 3}}) for one in sorted_rows(30)]
    first, again = audit(rows), audit(rows[::-1])
    assert json.loads(json.dumps(asdict(first), allow_nan=False))["kinds"] == dict(first.kinds)
    assert (first.suspects, first.borderline, first.kinds) == (again.suspects, again.borderline, again.kinds)
    assert len(first.suspects) == 20
    assert audit(rows, seed=1).suspects != first.suspects


def test_what_is_not_sorted_or_scored_can_be_audited_and_nothing_cannot() -> None:
    found = audit([row("q", [], [candidate("a", 1)])])
    assert (found.leak, found.disagreement, found.thresholds, found.histograms) == (None, None, (), {})
    assert set(found.auc.values()) == {None}
    assert "Nothing was scored" in page(found)
    with pytest.raises(InputError, match="no mined question"):
        audit([])


def test_auc_and_disagreement_are_what_can_be_counted() -> None:
    rows = [
        row("q", [answer("p", 0.5, rank=2)], [candidate("a", 1, 0.4), candidate("b", 3, 0.5), candidate("c", 4, 0.6), far("r", 0.1)]),
        row("missed", [answer("p", 0.3)], [candidate("a", 1, 0.4), far("r", 0.4)]),
    ]
    found = aucs(rows)
    assert found["rerank"] == pytest.approx(1.5 / 3)
    assert found["dense"] == pytest.approx(2 / 3)
    assert found["lexical"] is None
    assert found["random"] == pytest.approx(1 / 2)
    assert disagreement(rows) == 1.0  # dense: a, b, c; cross-encoder: c, b, a


def planted(questions: int, seed: int, measured_on: str) -> tuple[list[Mined], float]:
    """Rows in which 15 % of the early candidates are unmarked answers, scored as the known ones are, and the share among the hard ones.

    Other documents score alike early and in the group that false alarms are measured on; the groups that are not to be used are lower.
    """
    chance, rows, secret = np.random.default_rng(seed), [], set[tuple[str, str]]()
    for number in range(questions):
        name, found = f"q{number}", []
        for rank in range(2, 12):
            hidden = chance.random() < 0.15
            if hidden:
                secret.add((name, f"d{rank}"))
            found.append(candidate(f"d{rank}", rank, chance.normal(3.0 if hidden else 0.0)))
        if measured_on == "judged":
            found += [candidate(f"j{rank}", rank, chance.normal(0.0), judged=0.0) for rank in (12, 13, 14, 15)]
        if measured_on != "random":
            deep = 0.0 if measured_on == "deep" else -2.0
            found += [candidate(f"e{rank}", rank, chance.normal(deep)) for rank in range(16, 20)]
        strays = [far(f"r{place}", chance.normal(0.0 if measured_on == "random" else -2.0)) for place in range(4)]
        rows.append(row(name, [answer("p", chance.normal(3.0), rank=1)], [*found, *strays]))
    settings = SETTINGS.model_copy(update={"hard_depth": 11})
    mined = sort(rows, settings, threshold(rows, 0.3))
    hard = [(one.query.id, each.doc_id) for one in mined for each in one.candidates if each.kind == "hard" and "judged" not in each.scores]
    return mined, sum(one in secret for one in hard) / len(hard)


@pytest.mark.parametrize("measured_on", ["judged", "deep", "random"])
def test_the_estimate_of_unmarked_answers_covers_what_was_planted(measured_on: str) -> None:
    covered = 0
    for seed in range(10):
        mined, truth = planted(150, seed, measured_on)
        found = leak(mined)
        assert found is not None
        assert found.measured_on == measured_on
        assert found.share == pytest.approx(truth, abs=0.03)
        assert found.left == pytest.approx(found.share * found.hard)
        assert found.caught == pytest.approx(0.7, abs=0.01)
        assert found.most is not None
        assert found.most >= found.share
        covered += found.confidence[0] <= truth <= found.confidence[1]
    assert covered >= 8  # of ten intervals of 95 %


def test_where_nothing_is_suspected_the_interval_has_a_width_all_the_same() -> None:
    rows = [row(f"q{n}", [answer("p", 5.0 + n, rank=1)], [candidate("a", 2, 0.0), far("r", 0.0)]) for n in range(60)]
    found = leak(sort(rows, SETTINGS, threshold(rows, 0.5)))
    assert found is not None
    assert (found.share, found.left, found.most, found.suspects) == (0, 0, 0, 0)
    assert found.confidence[0] == 0
    assert 0.005 < found.confidence[1] < 0.1


def test_a_scorer_that_tells_nothing_gives_no_estimate_and_a_remark() -> None:
    chance = np.random.default_rng(0)

    def noise() -> float:
        return float(chance.normal())

    rows = [row(f"q{n}", [answer("p", noise(), rank=1)], [candidate("a", 2, noise()), far("r", noise() + 1)]) for n in range(60)]
    found = audit(sort(rows, SETTINGS, threshold(rows, 0.5)))
    assert found.leak is None
    assert any("hardly tells" in remark for remark in found.remarks)
    assert "Not estimated" in page(found)


class Tags(HTMLParser):
    """Which elements a page has, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str | None] = []
        self.data = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"href", "src", "srcset", "style", "onclick", "onload"}]

    def handle_data(self, data: str) -> None:
        self.data += data


def hostile() -> Audit:
    nasty = '<script>alert("1")</script><img src=http://x onerror=y> 盗窃罪的量刑标准 & more'
    rows = [
        Mined(
            Query(f"<b>{number}", nasty),
            tuple(replace(each, text=nasty + " answer") for each in one.positives),
            tuple(replace(each, text=nasty * 9, doc_id=f"<i>{each.doc_id}") for each in one.candidates),
            {**one.source, "collection": nasty},
        )
        for number, one in enumerate(sorted_rows(3))
    ]
    return audit([*rows, row("<u>lonely", [answer("p", 0.9)], [])])


def test_the_page_stands_alone_and_escapes_every_text() -> None:
    seen = Tags(text := page(hostile()))
    assert not {"script", "img", "link", "iframe", "b1", "i", "u"} & set(seen.tags)
    assert seen.addresses == []
    assert "盗窃罪的量刑标准" in seen.data
    assert '<script>alert("1")</script>' in seen.data  # as text
    assert "default-src 'none'" in text
    assert '<meta charset="utf-8">' in text
    assert "<u>lonely" in seen.data
    assert seen.tags.count("svg") == 6
    assert "NaN" not in text
    assert page(hostile()) == text
