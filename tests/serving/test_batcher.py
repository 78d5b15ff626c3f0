"""The queue, in a loop whose clock jumps to the next event: seconds pass in no time, and every run is the same."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest

from bicross.errors import InputError
from bicross.serving.batcher import WEIGHT, Batcher
from bicross.serving.refusals import Late, Overloaded, Unavailable
from bicross.serving.units import BATCH, Group, Limits, Unit
from tests.serving.virtual_clock import play

RATE = 1000.0  # tokens a second of the worker below
A, B = Group("score", "a"), Group("score", "b")


class Worker:
    """Computes one batch after the other, RATE tokens a second; a payload is (name, tokens), its result the name."""

    def __init__(self, rate: float = RATE, overhead: float = 0.0) -> None:
        self.rate, self.overhead = rate, overhead
        self.batches: list[tuple[float, Group, list[str]]] = []
        self.busy, self.held, self.most = asyncio.Lock(), 0, 0

    async def __call__(self, group: Group, work: Sequence[Unit]) -> list[str]:
        payloads = [unit.payload for unit in work]
        self.held += 1
        self.most = max(self.most, self.held)
        try:
            async with self.busy:
                self.batches.append((now(), group, [name for name, _ in payloads]))
                await asyncio.sleep(self.overhead + sum(tokens for _, tokens in payloads) / self.rate)
        finally:
            self.held -= 1
        bad = [name for name, _ in payloads if name.startswith("bad")]
        if bad:
            raise InputError(f"{bad[0]} is bad")
        return [name.upper() for name, _ in payloads]


def now() -> float:
    return asyncio.get_running_loop().time()


def units(name: str, *tokens: int) -> list[Unit]:
    return [Unit((f"{name}{number}", each), each, each) for number, each in enumerate(tokens)]


async def warm(worker: Worker, max_wait: float = 1000.0, **limits: int) -> Batcher:
    """A batcher that knows the worker's rate."""
    batcher = Batcher(worker, Limits(max_wait, **limits))
    for _ in range(3):
        await batcher.ask(A, units("warm", 400))
    worker.batches.clear()
    return batcher


async def timed(batcher: Batcher, group: Group, work: list[Unit], at: float = 0.0) -> float:
    """When it was done, asked `at` seconds from now."""
    await asyncio.sleep(at)
    await batcher.ask(group, work)
    return now()


def test_results_stand_in_the_order_asked_whatever_the_lengths() -> None:
    async def scene() -> None:
        batcher = await warm(Worker())
        done = await batcher.ask(A, units("x", 5, 900, 30, 2, 400))
        assert done.results == ["X0", "X1", "X2", "X3", "X4"]
        assert (await batcher.ask(A, [])).results == []

    play(scene)


def test_a_lone_request_is_begun_at_once() -> None:
    async def scene() -> None:
        batcher = await warm(Worker())
        start = now()
        assert (await batcher.ask(A, units("x", 100))).queued == 0
        assert now() - start == pytest.approx(0.1)

    play(scene)


def test_what_waits_of_one_group_goes_together_sorted_by_length_and_other_groups_apart() -> None:
    async def scene() -> None:
        worker = Worker()
        batcher = await warm(worker)
        first = asyncio.create_task(timed(batcher, A, units("first", 100)))
        await asyncio.sleep(0.01)
        asked = [("p", A, 30), ("q", B, 10), ("r", A, 20), ("s", B, 5)]
        others = [asyncio.create_task(timed(batcher, group, units(name, tokens))) for name, group, tokens in asked]
        await asyncio.gather(first, *others)
        assert [(group, names) for _, group, names in worker.batches[1:]] == [(B, ["s0", "q0"]), (A, ["r0", "p0"])]

    play(scene)


def test_what_batches_cost_is_learned_and_they_take_about_as_long_as_they_should() -> None:
    async def scene() -> None:
        worker = Worker(rate=20_000.0, overhead=0.02)
        batcher = Batcher(worker, Limits(1000.0))
        assert batcher.rate("score").seconds(10**6) == 0
        await batcher.ask(A, units("x", *[100] * 4000))
        assert batcher.rate("score").token == pytest.approx(1 / 20_000, rel=0.1)
        assert batcher.rate("score").fixed == pytest.approx(0.02, abs=0.01)
        starts = [start for start, _, _ in worker.batches[-12:]]
        took = sorted(after - before for before, after in itertools.pairwise(starts))
        assert took[len(took) // 2] == pytest.approx(BATCH, rel=0.1)

    play(scene)


def test_many_small_batches_that_cost_as_much_as_full_ones_do_not_make_the_queue_refuse() -> None:
    async def scene() -> None:
        batcher = await warm(Worker(overhead=0.05), max_wait=2.0)
        for number in range(100):
            await batcher.ask(A, units(f"x{number}-", 10 + number % 5))
        assert batcher.rate("score").seconds(RATE) < 2.0

    play(scene)


def test_where_each_batch_costs_much_whatever_it_holds_batches_grow() -> None:
    """A unit alone takes as long as a batch should; without larger ones the worker would compute one after the other."""

    async def scene() -> None:
        worker = Worker(overhead=0.18)
        batcher = Batcher(worker, Limits(1000.0))
        for number in range(10):
            await batcher.ask(A, units(f"warm{number}-", 20))

        async def client(name: str) -> None:
            for number in range(40):
                await batcher.ask(A, units(f"{name}-{number}-", 18 + number % 5))

        await asyncio.gather(*(client(f"c{number}") for number in range(32)))
        sizes = sorted(len(names) for _, _, names in worker.batches[-40:])
        assert sizes[len(sizes) // 2] >= 12

    play(scene)


def test_at_most_two_batches_are_with_the_worker_and_it_never_idles() -> None:
    async def scene() -> None:
        worker = Worker()
        batcher = await warm(worker)
        start = now()
        ends = await asyncio.gather(*(timed(batcher, A, units(f"x{number}-", 50, 50)) for number in range(40)))
        assert worker.most == 2
        assert max(ends) - start == pytest.approx(4.0)  # 4,000 tokens, without a gap

    play(scene)


def test_a_short_request_passes_a_long_one_between_its_batches() -> None:
    async def scene() -> None:
        batcher = await warm(Worker())
        start = now()
        long = asyncio.create_task(timed(batcher, A, units("long", *[20] * 512)))  # ten seconds
        shorts = [asyncio.create_task(timed(batcher, B, units(f"s{number}-", 20), at=0.5 * number)) for number in range(1, 10)]
        ends = [await short - start - 0.5 * number for number, short in enumerate(shorts, start=1)]
        assert max(ends) <= 3 * BATCH  # what is computed, what waits in the worker, and itself
        assert await long - start == pytest.approx(10.24 + 9 * 0.02)

    play(scene)


def test_a_long_request_ends_in_bounded_time_while_short_ones_fill_the_worker() -> None:
    """Two streams of short requests ask for more than the worker can do; the long one still gets its half."""

    async def scene() -> None:
        batcher = await warm(Worker())
        start, ended = now(), asyncio.Event()

        async def stream(name: str) -> None:
            number = 0
            while not ended.is_set():
                number += 1
                await asyncio.gather(*(batcher.ask(B, units(f"{name}{number}-{one}-", 20)) for one in range(20)))

        streams = [asyncio.create_task(stream(name)) for name in "pq"]
        await asyncio.sleep(1.0)
        took = await timed(batcher, A, units("long", *[20] * 200)) - start - 1.0  # four seconds of work
        ended.set()
        await asyncio.gather(*streams)
        assert took < WEIGHT * 4.0 + 10 * BATCH

    play(scene)


def test_nobody_is_passed_by_what_comes_later_than_its_own_weight() -> None:
    """A large unit against an endless arrival of small ones, more than can be done."""

    async def scene() -> None:
        worker = Worker()
        batcher = await warm(worker)
        begun = asyncio.create_task(timed(batcher, A, units("large", 5000)))
        crowd = [asyncio.create_task(timed(batcher, B, units(f"s{number}-", 20), at=0.01 * number)) for number in range(1, 400)]
        start = now()
        assert await timed(batcher, A, units("second", 5000), at=0.005) - start > 5.0
        before = [name for at, _, names in worker.batches for name in names if name.startswith("s") and at < start + 11.0]
        came_late = [name for name in before if name != "second0" and int(name[1:].partition("-")[0]) * 0.01 > WEIGHT * BATCH + 0.01]
        second = next(at for at, _, names in worker.batches if "second0" in names)
        late = [name for at, _, names in worker.batches for name in names if at < second and name in came_late]
        assert not late
        await asyncio.gather(begun, *crowd)

    play(scene)


def test_what_would_wait_too_long_is_refused_at_once_and_told_when_to_come_again() -> None:
    async def scene() -> None:
        batcher = await warm(Worker(), max_wait=2.0)
        tasks = [asyncio.create_task(batcher.ask(A, units(f"x{number}-", 100))) for number in range(60)]
        await asyncio.sleep(0)
        start = now()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [one for one in done if isinstance(one, Overloaded)]
        assert 15 <= len(done) - len(refused) <= 25  # two seconds of work and what was begun
        assert refused and all(one.retry_after == 3 for one in refused)
        assert now() - start < 3.0
        assert (batcher.tokens, batcher.requests) == (0, 0)

    play(scene)


def test_a_long_request_that_waits_does_not_shut_short_ones_out() -> None:
    async def scene() -> None:
        batcher = await warm(Worker(), max_wait=2.0)
        long = asyncio.create_task(batcher.ask(A, units("long", *[20] * 512)))
        await asyncio.sleep(3.0)
        assert batcher.wait("score", 20) < 2.0
        await batcher.ask(B, units("short", 20))
        assert not long.done()
        await long

    play(scene)


def test_the_queue_is_bounded_in_tokens_and_in_characters() -> None:
    async def scene(**limits: int) -> int:
        batcher = await warm(Worker(), **limits)
        done = await asyncio.gather(*(batcher.ask(A, units(f"x{number}-", 100)) for number in range(30)), return_exceptions=True)
        return sum(isinstance(one, Overloaded) for one in done)

    assert play(lambda: scene(tokens=1000)) == 19  # one is computed, ten wait
    assert play(lambda: scene(size=1000)) == 20  # what is computed is held, too


def test_a_unit_whose_deadline_has_passed_is_not_begun() -> None:
    async def scene() -> None:
        worker = Worker()
        batcher = await warm(worker)
        worker.rate = RATE / 10  # slower than is known when the next are admitted
        start = now()
        others = [asyncio.create_task(batcher.ask(A, units(name, 200))) for name in ("first", "second")]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):  # it can be told beforehand
            await batcher.ask(B, units("soon", 20), deadline=start + 0.1)
        with pytest.raises(Late):
            await batcher.ask(B, units("past", 20), deadline=start)
        with pytest.raises(Late):
            await batcher.ask(B, units("late", 150, 150), deadline=start + 1.0)
        assert now() - start == pytest.approx(1.0)
        await asyncio.gather(*others)
        assert "late0" not in [name for _, _, names in worker.batches for name in names]

    play(scene)


def test_work_of_a_cancelled_request_leaves_the_queue_at_once() -> None:
    async def scene() -> None:
        worker = Worker()
        batcher = await warm(worker)
        gone = asyncio.create_task(batcher.ask(A, units("gone", *[20] * 512)))
        await asyncio.sleep(0.3)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert (batcher.tokens, batcher.requests) == (0, 0)
        await batcher.ask(A, units("next", 20))
        assert sum(len(names) for _, _, names in worker.batches) <= 2 * BATCH * RATE / 20 + 1

    play(scene)


def test_what_is_wrong_with_one_request_is_told_to_it_alone() -> None:
    async def scene() -> None:
        batcher = await warm(Worker())
        first = asyncio.create_task(batcher.ask(A, units("first", 100)))
        await asyncio.sleep(0)
        good, bad = await asyncio.gather(batcher.ask(A, units("good", 20)), batcher.ask(A, units("bad", 20)), return_exceptions=True)
        assert not isinstance(good, BaseException)
        assert good.results == ["GOOD0"]
        assert isinstance(bad, InputError)
        await first

    play(scene)


def test_an_error_of_the_worker_reaches_all_who_wait_for_the_batch_and_the_queue_goes_on() -> None:
    async def scene() -> None:
        fails = [True]

        async def run(_: Group, work: Sequence[Unit]) -> list[Any]:
            if fails.pop() if fails else False:
                raise Unavailable("The worker died.")
            return list(work)

        batcher = Batcher(run, Limits(10.0))
        with pytest.raises(Unavailable, match="died"):
            await batcher.ask(A, units("x", 100, 2000))
        assert batcher.tokens == 0
        assert len((await batcher.ask(A, units("y", 100))).results) == 1

    play(scene)


def test_closing_refuses_what_comes_and_finishes_what_is_here() -> None:
    async def scene() -> None:
        batcher = await warm(Worker())
        tasks = [asyncio.create_task(batcher.ask(A, units(f"x{number}-", 100))) for number in range(10)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close(5.0))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await batcher.ask(A, units("new", 20))
        await closing
        assert all(task.done() and task.result().results for task in tasks)

    play(scene)


def test_closing_ends_in_the_time_that_it_is_given() -> None:
    async def scene() -> None:
        batcher = await warm(Worker())
        tasks = [asyncio.create_task(batcher.ask(A, units(f"x{number}-", 2000))) for number in range(10)]
        await asyncio.sleep(0)
        start = now()
        await batcher.close(5.0)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert now() - start == pytest.approx(5.0)
        assert sum(isinstance(one, Unavailable) for one in done) == 8
        assert batcher.tokens == 0

    play(scene)


def test_nothing_is_lost_or_left_behind_in_a_random_world() -> None:
    async def scene(seed: int) -> None:
        draw = random.Random(seed)
        batcher = await warm(Worker(), max_wait=3.0)

        async def one(number: int) -> None:
            await asyncio.sleep(draw.uniform(0, 10))
            work = units(f"x{number}-", *(draw.randint(1, 60) for _ in range(draw.choice((1, 1, 1, 40)))))
            deadline = now() + draw.uniform(0.1, 4) if draw.random() < 0.3 else None
            asking = batcher.ask(draw.choice((A, B)), work, deadline)
            try:
                done = await (asyncio.wait_for(asking, 0.3) if draw.random() < 0.2 else asking)
                assert done.results == [payload[0].upper() for payload, _, _ in work]
            except (Overloaded, Late, TimeoutError):
                pass

        await asyncio.gather(*(one(number) for number in range(200)))
        await batcher.close(1000)
        assert (batcher.tokens, batcher.requests) == (0, 0)

    for seed in range(5):
        play(lambda seed=seed: scene(seed))
