"""What fits into a time budget: rates are measured on the user's own text first, then the work is cut until its estimate fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

from bicross.errors import InputError

HELD_SHARE = 0.15  # of the training questions: they fit the weights, and train nothing
SLACK = 0.93  # of the budget that is planned: what is left pays for what no estimate knows


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything is done. `questions` is the share of the training questions that is used, `fitted` and `measured` are the
    most questions that fit the weights and that measure; `candidates` are scored for each question."""

    rounds: int = 2
    questions: float = 1.0
    candidates: int = 40
    cross_encoder_epochs: int = 2
    cross_encoder_negatives: int = 5
    bi_encoder_epochs: int = 3
    bi_encoder_negatives: int = 4
    cross_encoder_frozen: int = 0
    bi_encoder_frozen: int = 0
    fitted: int = 300
    measured: int = 1000


STANDARD = Plan(rounds=1, cross_encoder_epochs=1, candidates=30, bi_encoder_epochs=2)
"""What is done without a budget: no choice depends on the clock, so the same seed and threads give the same models anywhere."""

CUTS: tuple[tuple[str, float], ...] = (
    ("measured", 500),
    ("rounds", 1),
    ("measured", 300),
    ("candidates", 30),
    ("fitted", 200),
    ("cross_encoder_frozen", 0.5),
    ("cross_encoder_epochs", 1),
    ("bi_encoder_negatives", 3),
    ("candidates", 20),
    ("measured", 200),
    ("cross_encoder_negatives", 4),
    ("bi_encoder_negatives", 2),
    ("bi_encoder_epochs", 2),
    ("candidates", 15),
    ("cross_encoder_negatives", 3),
    ("questions", 0.75),
    ("bi_encoder_frozen", 0.5),
    ("questions", 0.5),
    ("bi_encoder_negatives", 1),
    ("questions", 0.35),
    ("questions", 0.25),
    ("fitted", 100),
    ("questions", 0.15),
    ("questions", 0.1),
)
"""In which order work is given up, what brings least first. The layers' number is a share of all."""


@dataclass(frozen=True, slots=True)
class World:
    """What the estimate depends on: counts, mean lengths in tokens, layers, and measured rates in tokens a second.

    `training` rates are of a forward and a backward pass through all layers with gradients in all of them.
    """

    questions: int
    answers: int
    passages: int
    dev: int
    depth: int
    layers: int
    question_tokens: float
    passage_tokens: float
    encoding: float
    scoring: float
    training: float


def choose(world: World, budget: float | None, rounds: int | None) -> Plan:
    """The first plan in the order of CUTS whose estimate fits into `budget` seconds; `rounds`, where given, stands.

    Raises:
        InputError: not even the smallest fits; the message says what it would take.
    """
    if budget is None:
        return replace(STANDARD, rounds=rounds or STANDARD.rounds)
    plan = replace(Plan(), rounds=rounds or Plan().rounds)
    for name, value in CUTS:
        if sum(estimate(plan, world).values()) <= SLACK * budget:
            return plan
        if name != "rounds" or rounds is None:
            share = name.endswith("_frozen")
            plan = replace(plan, **{name: round(value * world.layers) if share else value})  # type: ignore[arg-type]  # the plan's own types
    estimates = estimate(plan, world)
    if sum(estimates.values()) > SLACK * budget:
        raise InputError(
            f"A budget of {budget:.0f} s is too short: the smallest plan needs about {ceil(sum(estimates.values()) / SLACK)} s here "
            f"({estimates['embed']:.0f} s of it to embed {world.passages} passages with the new model). Give a longer --budget."
        )
    return plan


def estimate(plan: Plan, world: World) -> dict[str, float]:
    """Step -> seconds."""
    questions, answers = world.questions * plan.questions, world.answers * plan.questions
    pair = world.question_tokens + world.passage_tokens
    groups = answers * (1 + plan.cross_encoder_negatives) * pair
    rows = answers * (world.question_tokens + (1 + plan.bi_encoder_negatives) * world.passage_tokens)
    fitted = min(plan.fitted, HELD_SHARE * questions)
    each = {
        "candidates": questions * world.question_tokens / world.encoding + questions * 0.01,
        "cross-encoder": (plan.cross_encoder_epochs + 0.5) * groups / _training(world, plan.cross_encoder_frozen),
        "score": questions * (plan.candidates + answers / max(1.0, questions) + 4) * pair / world.scoring,
        "bi-encoder": plan.bi_encoder_epochs * rows / _training(world, plan.bi_encoder_frozen),
        "weights": fitted * world.depth * (pair / world.scoring + world.passage_tokens / world.encoding),
        "embed": world.passages * world.passage_tokens / world.encoding,
    }
    estimates = {step: seconds * plan.rounds for step, seconds in each.items()}
    return {**estimates, "measure": 2 * min(plan.measured, world.dev) * world.depth * pair / world.scoring + 30.0}


def _training(world: World, frozen: int) -> float:
    """Tokens a second with so many lower layers frozen: a backward pass costs twice a forward pass, and is not taken through these."""
    return world.training * 3 / (3 - 2 * frozen / max(1, world.layers))


def as_json(plan: Plan, world: World) -> dict[str, Any]:
    """The plan as it is kept and shown, with the seconds that each step will take."""
    estimates = {step: round(seconds, 1) for step, seconds in estimate(plan, world).items()}
    return {"plan": asdict(plan), "estimates": estimates, "seconds": round(sum(estimates.values()), 1), "world": asdict(world)}


def tokens_a_second(work: Callable[[], int], seconds: float, clock: Callable[[], float]) -> float:
    """How many tokens a second `work` gets through, called until `seconds` are over; the first call warms up and does not count."""
    work()
    start, tokens = clock(), 0
    while True:
        tokens += work()
        if (spent := clock() - start) >= seconds:
            return tokens / spent
