"""A plan fits its budget, whatever the world; a longer budget never buys less; and no clock decides where no budget is given.

Two models with layers and rates of their own are planned each by its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.errors import InputError
from bicross.models.tokens import load_tokenizer
from bicross.opened import OpenCollection
from bicross.records import Document, reading
from bicross.settings import TuneSettings
from bicross.starter import GENERAL, HERE
from bicross.tuning.measure import GENERAL_SETS
from bicross.tuning.plan import (
    CUTS,
    GENERAL_TOKENS,
    REST,
    SLACK,
    STANDARD,
    Plan,
    World,
    alike,
    as_json,
    choose,
    cut,
    estimate,
    tokens_a_second,
)
from bicross.tuning.questions import Questions

RATES = st.floats(50, 1e6)
WORLDS = st.builds(
    World,
    questions=st.integers(20, 20_000),
    answers=st.integers(20, 60_000),
    passages=st.integers(1, 1_000_000),
    dev=st.integers(1, 2_000),
    depth=st.integers(1, 200),
    spaces=st.integers(0, 1),
    encoder_layers=st.integers(1, 24),
    reranker_layers=st.integers(1, 24),
    question_tokens=st.floats(3, 300),
    passage_tokens=st.floats(3, 500),
    encoding=RATES,
    scoring=RATES,
    encoder_training=RATES,
    reranker_training=RATES,
    measuring=st.floats(0, 100),
)
BUDGETS = st.floats(60, 1e6)
WORLD = World(
    questions=100, answers=200, passages=1000, dev=10, depth=20, spaces=0, encoder_layers=6, reranker_layers=6, measuring=0.0,
    question_tokens=10.0, passage_tokens=90.0, encoding=1000.0, scoring=500.0, encoder_training=100.0, reranker_training=100.0,
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
    plans = [Plan()]
    for name, value in CUTS:
        plans.append(cut(plans[-1], name, value, world))
    for before, after in pairwise(plans):
        assert seconds(after, world) <= seconds(before, world) * (1 + 1e-12)
    for plan in plans:  # as freezing demands: a layer is left to train
        assert plan.cross_encoder_frozen < world.reranker_layers and plan.bi_encoder_frozen < world.encoder_layers


@pytest.mark.parametrize("layers", [6, 24])
def test_the_reranker_is_planned_by_its_own_layers_and_rate(layers: int) -> None:
    world = replace(WORLD, encoder_layers=12, reranker_layers=layers, reranker_training=100.0 * 12 / layers)
    half = cut(cut(Plan(rounds=1), "cross_encoder_frozen", 0.5, world), "bi_encoder_frozen", 0.5, world)
    assert (half.cross_encoder_frozen, half.bi_encoder_frozen) == (layers // 2, 6)
    found, alike = (estimate(half, one) for one in (world, replace(world, reranker_layers=12, reranker_training=100.0)))
    halved = estimate(replace(half, cross_encoder_frozen=6), replace(world, reranker_layers=12, reranker_training=100.0))
    assert found["cross-encoder"] == pytest.approx(halved["cross-encoder"] * layers / 12)
    assert found["bi-encoder"] == alike["bi-encoder"] == pytest.approx(estimate(Plan(rounds=1), WORLD)["bi-encoder"] * 2 / 3)


@given(world=WORLDS)
def test_without_a_budget_no_rate_decides(world: World) -> None:
    assert choose(world, None, None) == STANDARD
    assert choose(world, None, 3) == replace(STANDARD, rounds=3)


def test_time_without_end_buys_all() -> None:
    assert choose(WORLD, 1e9, None) == Plan()
    assert choose(WORLD, 1e9, 4) == Plan(rounds=4)


def test_measuring_is_paid_by_the_budget() -> None:
    for budget in (900.0, 1300.0, 2000.0, 4000.0):
        assert choose(replace(WORLD, measuring=SLACK * 100), budget + 100, None) == choose(WORLD, budget, None)
    with pytest.raises(InputError, match="A budget of 60 s is too short"):
        choose(replace(WORLD, measuring=70.0), 60.0, None)


def test_the_estimate_is_tokens_over_rates() -> None:
    plan = Plan(rounds=2, questions=0.5, candidates=14, cross_encoder_epochs=3, cross_encoder_negatives=4, bi_encoder_epochs=3, fitted=40)
    world = replace(WORLD, reranker_training=200.0, spaces=1, measuring=7.0)
    found = estimate(replace(plan, bi_encoder_frozen=3), world)  # 50 questions with 100 answers; a pair has 100 tokens
    assert found["rates"] == 7
    assert found["candidates"] == pytest.approx(2 * 50 * (10 / 1000 + 0.01))
    # In each of two rounds the folds together one pass; in the last half of one more, then two of three epochs.
    assert found["cross-encoder"] == (2 * 1 + 0.5 + 2) * 100 * 5 * 100 / 200
    # In each of two rounds the cross-encoder reads candidates, answers and four random texts; in the second the encoder candidates.
    assert found["score"] == pytest.approx(2 * 50 * (14 + 2 + 4) * 100 / 500 + 1 * 50 * 14 * 90 / 1000)
    # Three of six layers frozen: of a forward pass and twice its cost backward, half of the latter is left, two thirds of all.
    assert found["bi-encoder"] == pytest.approx(2 * 3 * 100 * (10 + 5 * 90) / 100 * 2 / 3)
    assert found["weights"] == pytest.approx(0.15 * 50 * 20 * (100 / 500 + 90 / 1000))  # once
    assert found["embed"] == (2 + 1) * 1000 * 90 / 1000
    # Both sides' cross-encoder and one's late interaction on 10 questions; old and new encoder on the general ones.
    assert found["measure"] == pytest.approx(10 * 20 * (2 * 100 / 500 + 90 / 1000) + 2 * GENERAL_TOKENS / 1000 + REST)
    # In each of two rounds the untuned encoder and three mixtures on the general questions and on what held-out ones find.
    assert found["mixing"] == pytest.approx(2 * (4 * GENERAL_TOKENS + 4 * 0.15 * 50 * 14 * 90) / 1000)
    shown = as_json(plan, world)
    assert shown["seconds"] == pytest.approx(sum(shown["estimates"].values()), abs=0.1)
    assert (shown["plan"]["candidates"], shown["world"]["encoder_layers"]) == (14, 6)


def test_the_general_questions_are_as_long_as_planned() -> None:
    documents = [row for name in GENERAL_SETS for row in read_documents([GENERAL / name]) if isinstance(row, Document)]
    texts = [reading(row.title, row.text) for row in documents]
    texts += [query.text for name in GENERAL_SETS for query in read_queries(GENERAL / name)[0]]
    tokenizer = load_tokenizer(HERE / "tokenizer.json")
    assert sum(len(tokenizer.encode(text).ids) for text in texts) == pytest.approx(GENERAL_TOKENS, rel=0.05)


def test_too_short_a_budget_names_the_time_and_what_takes_it() -> None:
    with pytest.raises(InputError, match=r"A budget of 60 s is too short: .* \(90 s of it to embed 1000 passages") as raised:
        choose(WORLD, 60.0, None)
    assert "--budget" in str(raised.value)


def test_a_rate_counts_slices_in_turn_after_one_that_warms_up() -> None:
    ticks = iter([10.0, 11.0, 12.0, 14.0])  # the start, and after each call that counts
    calls = list[list[str]]()

    def work(items: Sequence[str]) -> None:
        calls.append(list(items))

    rate = tokens_a_second(work, list("abcdef"), [1, 2, 3, 4, 5, 6], 4, 3.0, lambda: next(ticks))
    assert calls == [list("abcd"), list("abcd"), list("ef"), list("abcd")]
    assert rate == (10 + 11 + 10) / 4.0


def test_few_are_measured_beside_others_of_their_length() -> None:
    assert alike([9, 1, 5, 2, 8, 6, 3], 2) == [6, 2, 5, 4, 1, 3, 0]  # of lengths 3 5, 6 8, 1 2, 9


@given(lengths=st.lists(st.integers(1, 9)), size=st.integers(1, 5))
def test_all_are_measured_in_time(lengths: list[int], size: int) -> None:
    assert sorted(alike(lengths, size)) == list(range(len(lengths)))


@pytest.mark.parametrize("layers", [2, 4])
def test_rates_are_measured_of_both_models_and_once_of_two_alike(layers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from transformers import BertConfig, BertForSequenceClassification

    from bicross.tuning import rates
    from tests.tuning.world import make_collection

    path, queries, qrels = make_collection(tmp_path, 60)
    reranker = tmp_path / "models" / "reranker"
    BertForSequenceClassification(BertConfig.from_pretrained(reranker, num_hidden_layers=layers)).save_pretrained(reranker)
    monkeypatch.setattr(rates, "MEASURED", 0.02)
    asked, grades = read_queries(queries)[0], read_qrels(qrels)
    questions = Questions(asked[:40], asked[40:], grades, ())
    with OpenCollection(path) as collection:
        found = rates.plan_of(collection, questions, TuneSettings(budget=600.0), 10, False, lambda *_: None)
        fixed = rates.plan_of(collection, questions, TuneSettings(), 10, False, lambda *_: None)
    world = World(**found["world"])
    assert (world.encoder_layers, world.reranker_layers, world.spaces, world.questions) == (2, layers, 0, 40)
    assert (world.encoder_training == world.reranker_training) == (layers == 2)
    assert min(world.encoding, world.scoring, world.encoder_training, world.reranker_training) > 0
    assert found["estimates"]["rates"] == pytest.approx(world.measuring, abs=0.1) and found["seconds"] < SLACK * 600
    assert Plan(**fixed["plan"]) == STANDARD and fixed["world"] is None
