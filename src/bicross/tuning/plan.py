"""What fits into a time budget: rates are measured on the user's own text first, then the work is cut until its estimate fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any, TypeVar

from bicross.errors import InputError

T = TypeVar("T")
HELD_SHARE = 0.15  # of the training questions: they fit the weights, and train nothing
SLACK = 0.93  # of the budget that is planned: what is left pays for what no estimate knows
SHARES = (1.0, 0.75, 0.5, 0.0)  # of the tuned encoder's weights that are tried, the rest being its base's
GENERAL_TOKENS = 45_000  # of the general questions and their texts, by the starter encoder's tokenizer
REST = 30.0  # seconds: the searches that are timed, the tests of significance, the files


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything is done. `questions` is the share of the training questions that is used, `fitted` and `measured` are the
    most questions that fit the weights and that measure; `candidates` are scored for each question."""

    rounds: int = 2
    questions: float = 1.0
    candidates: int = 40
    cross_encoder_epochs: int = 2
    cross_encoder_negatives: int = 5
    bi_encoder_epochs: int = 4
    bi_encoder_negatives: int = 4
    cross_encoder_frozen: int = 0
    bi_encoder_frozen: int = 0
    fitted: int = 300
    measured: int = 1000


STANDARD = Plan(rounds=1, cross_encoder_epochs=1, candidates=30, bi_encoder_negatives=2)
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
    ("candidates", 15),
    ("bi_encoder_negatives", 1),
    ("cross_encoder_negatives", 3),
    ("bi_encoder_epochs", 3),
    ("questions", 0.75),
    ("bi_encoder_epochs", 2),
    ("bi_encoder_frozen", 0.5),
    ("questions", 0.5),
    ("questions", 0.35),
    ("questions", 0.25),
    ("fitted", 100),
    ("questions", 0.15),
    ("questions", 0.1),
)
"""In which order work is given up, what brings least first. The layers' number is a share of the model's own."""


@dataclass(frozen=True, slots=True)
class World:
    """What the estimate depends on: counts, mean lengths in tokens, layers, and measured rates in tokens a second.

    The rates of training are of a forward and a backward pass through all layers with gradients in all of them. `spaces` are filled
    beside one a round: 1 where a tuned encoder answers, since tuning begins with the untuned one. `measuring` is how many seconds it
    took to measure the rates, which the budget has to pay, too.
    """

    questions: int
    answers: int
    passages: int
    dev: int
    depth: int
    spaces: int
    encoder_layers: int
    reranker_layers: int
    question_tokens: float
    passage_tokens: float
    encoding: float
    scoring: float
    encoder_training: float
    reranker_training: float
    measuring: float


def choose(world: World, budget: float | None, rounds: int | None) -> Plan:
    """The first plan in the order of CUTS whose estimate fits into `budget` seconds; `rounds`, where given, stands.

    Where questions are the last that is cut, no more of them than needed.

    Raises:
        InputError: not even the smallest fits; the message says what it would take.
    """
    if budget is None:
        return replace(STANDARD, rounds=rounds or STANDARD.rounds)
    plan = before = replace(Plan(), rounds=rounds or Plan().rounds)
    limit = SLACK * budget
    for name, value in CUTS:
        if _seconds(plan, world) <= limit:
            break
        if name != "rounds" or rounds is None:
            plan, before = cut(plan, name, value, world), plan
    if _seconds(plan, world) <= limit:
        return _filled(plan, before.questions, world, limit)
    raise InputError(
        f"A budget of {budget:.0f} s is too short: the smallest plan needs about {ceil(_seconds(plan, world) / SLACK)} s here "
        f"({estimate(plan, world)['embed']:.0f} s of it to embed {world.passages} passages with the new model). Give a longer --budget."
    )


def _filled(plan: Plan, most: float, world: World, limit: float) -> Plan:
    """The plan with as many questions as fit, in hundredths of all, where these were cut last, from a share of `most`."""
    for share in range(round(100 * most) - 1, round(100 * plan.questions), -1):
        if _seconds(more := replace(plan, questions=share / 100), world) <= limit:
            return more
    return plan


def _seconds(plan: Plan, world: World) -> float:
    return sum(estimate(plan, world).values())


def cut(plan: Plan, name: str, value: float, world: World) -> Plan:
    """The plan with one of CUTS made."""
    layers = {"cross_encoder_frozen": world.reranker_layers, "bi_encoder_frozen": world.encoder_layers}
    return replace(plan, **{name: round(value * layers[name]) if name in layers else value})  # type: ignore[arg-type]  # the plan's own types


def estimate(plan: Plan, world: World) -> dict[str, float]:
    """Step -> seconds, over all rounds.

    Only the last round trains the cross-encoder to its end, fits weights and measures; those before it train the folds' cross-encoders,
    each on half of the rows, score, and train the bi-encoder. From the second round on the teacher reads the candidates as the untuned
    encoder sees them, which has to embed them.
    """
    questions, answers, later = world.questions * plan.questions, world.answers * plan.questions, plan.rounds - 1
    pair = world.question_tokens + world.passage_tokens
    groups = answers * (1 + plan.cross_encoder_negatives) * pair
    rows = answers * (world.question_tokens + (1 + plan.bi_encoder_negatives) * world.passage_tokens)
    scored = questions * (plan.candidates + answers / max(1.0, questions) + 4) * pair
    both = pair / world.scoring + world.passage_tokens / world.encoding  # a candidate that cross-encoder and late interaction read
    held = min(plan.fitted, HELD_SHARE * questions)
    mixed = len(SHARES) * (GENERAL_TOKENS + held * plan.candidates * world.passage_tokens)  # the base, once, is one of the shares
    measured = min(plan.measured, world.dev) * world.depth * (pair / world.scoring + both)  # the new weights may ask for late interaction
    passes = plan.rounds + 0.5 + plan.cross_encoder_epochs - 1  # one a round by the folds' together; the other half; then all rows
    encoder = _training(world.encoder_training, world.encoder_layers, plan.bi_encoder_frozen)
    reranker = _training(world.reranker_training, world.reranker_layers, plan.cross_encoder_frozen)
    return {
        "rates": world.measuring,
        "candidates": plan.rounds * questions * (world.question_tokens / world.encoding + 0.01),
        "cross-encoder": passes * groups / reranker,
        "score": plan.rounds * scored / world.scoring + later * questions * plan.candidates * world.passage_tokens / world.encoding,
        "bi-encoder": plan.rounds * plan.bi_encoder_epochs * rows / encoder,
        "mixing": plan.rounds * mixed / world.encoding,
        "weights": held * world.depth * both,
        "embed": (plan.rounds + world.spaces) * world.passages * world.passage_tokens / world.encoding,
        "measure": measured + 2 * GENERAL_TOKENS / world.encoding + REST,  # the general questions with old and new
    }


def _training(rate: float, layers: int, frozen: int) -> float:
    """Tokens a second with so many lower layers frozen: a backward pass costs twice a forward pass, and is not taken through these."""
    return rate * 3 / (3 - 2 * frozen / max(1, layers))


def as_json(plan: Plan, world: World) -> dict[str, Any]:
    """The plan as it is kept and shown, with the seconds that each step will take."""
    estimates = {step: round(seconds, 1) for step, seconds in estimate(plan, world).items()}
    return {"plan": asdict(plan), "estimates": estimates, "seconds": round(sum(estimates.values()), 1), "world": asdict(world)}


def tokens_a_second(
    work: Callable[[Sequence[T]], object],
    items: Sequence[T],
    lengths: Sequence[int],
    size: int,
    seconds: float,
    clock: Callable[[], float],
) -> float:
    """How many tokens a second `work` gets through, given `size` of the items at a time, in turn, until `seconds` are over.

    `lengths` are the items' tokens. A call with the first of them warms up before, and does not count.
    """
    work(items[:size])
    start, tokens, place = clock(), 0, 0
    while True:
        work(items[place : place + size])
        tokens += sum(lengths[place : place + size])
        if (spent := clock() - start) >= seconds:
            return tokens / spent
        place = place + size if place + size < len(items) else 0


def alike(lengths: Sequence[int], size: int) -> list[int]:
    """All places, those of texts of similar length together, `size` at a time, and those of middle length first.

    A few texts of mixed lengths are padded to their longest; among thousands each has others of its length beside it. Whoever measures
    on a few and means thousands takes them in this order, and stops when it will.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    middle = (len(groups) - 1) / 2
    outward = sorted(range(len(groups)), key=lambda number: abs(number - middle))
    return [place for number in outward for place in groups[number]]
