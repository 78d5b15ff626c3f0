"""A plan fits its budget, whatever the world; a longer budget never buys less; and no clock decides where no budget is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.errors import InputError
from bicross.tuning.plan import CUTS, SLACK, STANDARD, Plan, World, as_json, choose, estimate, tokens_a_second

RATES = st.floats(50, 1e6)
WORLDS = st.builds(
    World,
    questions=st.integers(20, 20_000),
    answers=st.integers(20, 60_000),
    passages=st.integers(1, 1_000_000),
    dev=st.integers(1, 2_000),
    depth=st.integers(1, 200),
    layers=st.integers(1, 24),
    question_tokens=st.floats(3, 300),
    passage_tokens=st.floats(3, 500),
    encoding=RATES,
    scoring=RATES,
    training=RATES,
)
BUDGETS = st.floats(60, 1e6)
WORLD = World(
    questions=100, answers=200, passages=1000, dev=10, depth=20, layers=6,
    question_tokens=10.0, passage_tokens=90.0, encoding=1000.0, scoring=500.0, training=100.0,
)  # fmt: skip


def seconds(plan: Plan, world: World) -> float:
    return sum(estimate(plan, world).values())


@given(world=WORLDS, budget=BUDGETS, rounds=st.none() | st.integers(1, 5))
def test_it_fits_or_says_what_would(world: World, budget: float, rounds: int | None) -> None:
    try:
        plan = choose(world, budget, rounds)
    except InputError as error:
        found = re.search(r"needs about (\d+) s", str(error))
        assert found and float(found[1]) > budget
        plan, budget = choose(world, float(found[1]), rounds), float(found[1])
    assert seconds(plan, world) <= SLACK * budget
    assert rounds is None or plan.rounds == rounds


@given(world=WORLDS, budgets=st.tuples(BUDGETS, BUDGETS))
def test_a_longer_budget_never_buys_less(world: World, budgets: tuple[float, float]) -> None:
    try:
        less, more = (choose(world, budget, None) for budget in sorted(budgets))
    except InputError:
        return
    for name in {name for name, _ in CUTS}:
        sign = -1 if name.endswith("_frozen") else 1
        assert sign * getattr(less, name) <= sign * getattr(more, name), name


@given(world=WORLDS)
def test_every_cut_saves_time_or_costs_none(world: World) -> None:
    plan = Plan()
    for name, value in CUTS:
        cut = replace(plan, **{name: round(value * world.layers) if name.endswith("_frozen") else value})  # type: ignore[arg-type]  # its own
        assert seconds(cut, world) <= seconds(plan, world) * (1 + 1e-12)
        plan = cut


@given(world=WORLDS)
def test_without_a_budget_no_rate_decides(world: World) -> None:
    assert choose(world, None, None) == STANDARD
    assert choose(world, None, 3) == replace(STANDARD, rounds=3)


def test_time_without_end_buys_all() -> None:
    assert choose(WORLD, 1e9, None) == Plan()
    assert choose(WORLD, 1e9, 4) == Plan(rounds=4)


def test_the_estimate_is_tokens_over_rates() -> None:
    plan = Plan(rounds=2, questions=0.5, candidates=14, cross_encoder_epochs=1, cross_encoder_negatives=4, bi_encoder_epochs=3, fitted=40)
    found = estimate(replace(plan, bi_encoder_frozen=3), WORLD)  # 50 questions with 100 answers; a pair has 100 tokens
    assert found["cross-encoder"] == 2 * 1.5 * 100 * 5 * 100 / 100  # the folds together one pass, then half of one more
    assert found["score"] == 2 * 50 * (14 + 2 + 4) * 100 / 500
    # Three of six layers frozen: of a forward pass and twice its cost backward, half of the latter is left, two thirds of all.
    assert found["bi-encoder"] == pytest.approx(2 * 3 * 100 * (10 + 5 * 90) / 100 * 2 / 3)
    assert found["weights"] == pytest.approx(2 * 0.15 * 50 * 20 * (100 / 500 + 90 / 1000))
    assert found["embed"] == 2 * 1000 * 90 / 1000
    assert found["measure"] == 2 * 10 * 20 * 100 / 500 + 30
    shown = as_json(plan, WORLD)
    assert shown["seconds"] == pytest.approx(sum(shown["estimates"].values()), abs=0.1)
    assert (shown["plan"]["candidates"], shown["world"]["layers"]) == (14, 6)


def test_too_short_a_budget_names_the_time_and_what_takes_it() -> None:
    with pytest.raises(InputError, match=r"A budget of 60 s is too short: .* \(90 s of it to embed 1000 passages") as raised:
        choose(WORLD, 60.0, None)
    assert "--budget" in str(raised.value)


def test_a_rate_leaves_the_first_call_out() -> None:
    ticks = iter([10.0, 12.0, 14.0])  # the start, and after each call that counts
    assert tokens_a_second(_calls([10**6, 300, 500]), 3.0, lambda: next(ticks)) == (300 + 500) / 4.0


def _calls(tokens: list[int]) -> Callable[[], int]:
    left: Iterator[int] = iter(tokens)
    return lambda: next(left)
