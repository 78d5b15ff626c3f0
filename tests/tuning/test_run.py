"""A step is made once, half of one never counts, and nothing is used that other inputs made."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross import durable
from bicross.errors import Damaged
from bicross.tuning.run import SPENT, VALUE, Run, json_bytes

INPUTS: dict[str, Any] = {
    "fingerprints": {"encoder": "a" * 64, "reranker": "b" * 64},
    "data": {"questions": "c" * 64, "documents": 7},
    "settings": {"mine": {"depth": 40}, "rounds": None},
    "seed": 0,
}


class Killed(BaseException):
    """As a signal: nothing between catches it."""


def test_equal_inputs_find_the_same_folder_in_any_order_of_their_keys() -> None:
    turned = {key: INPUTS[key] for key in reversed(INPUTS)}
    assert Run.of(Path("x"), INPUTS).folder == Run.of(Path("x"), turned).folder


@given(st.sampled_from(["encoder", "reranker", "questions", "documents", "depth", "rounds", "seed"]), st.integers(100, 10**6))
def test_whatever_is_changed_is_another_run(what: str, value: int) -> None:
    changed = copy.deepcopy(INPUTS)
    homes = [changed["fingerprints"], changed["data"], changed["settings"]["mine"], changed["settings"], changed]
    next(home for home in homes if what in home)[what] = value
    assert Run.of(Path("x"), INPUTS).folder != Run.of(Path("x"), changed).folder


def test_a_step_is_made_once(tmp_path: Path) -> None:
    calls = []

    def make() -> dict[str, int]:
        calls.append(1)
        return {"文": len(calls)}

    assert [Run(tmp_path).value("step", make) for _ in range(3)] == [{"文": 1}] * 3
    assert Run(tmp_path).done("step") and not Run(tmp_path).done("other")
    assert set(Run(tmp_path).seconds()) == {"step"}


def test_what_was_killed_half_way_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, replace = Run(tmp_path / "run"), durable.os.rename

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(durable.os, "rename", killed)  # all files are written, the folder is not yet in its place
    with pytest.raises(Killed):
        run.value("step", lambda: 1)
    monkeypatch.setattr(durable.os, "rename", replace)
    assert not run.done("step")
    with pytest.raises(Killed):
        run.once("step", killed)
    assert run.value("step", lambda: 2) == 2
    assert set(run.seconds()) == {"step"}  # the time of what was interrupted is counted too


def test_work_is_gone_when_the_step_is_done(tmp_path: Path) -> None:
    run = Run(tmp_path)

    def make() -> int:
        run.work("step").mkdir(parents=True)
        (run.work("step") / "checkpoint").write_text("half")
        return 1

    run.value("step", make)
    assert not run.work("step").exists()


def test_pieces_are_resumed(tmp_path: Path) -> None:
    items, calls, told = list(range(10)), list[list[int]](), list[int]()

    def make(part: Sequence[int]) -> list[float]:
        if len(calls) == 2:
            calls.append([])
            raise Killed
        calls.append(list(part))
        return [item / 3 for item in part]

    with pytest.raises(Killed):
        Run(tmp_path).pieces("scores", items, 4, make, told.append)
    assert Run(tmp_path).pieces("scores", items, 4, make, told.append) == [item / 3 for item in items]
    assert calls == [[0, 1, 2, 3], [4, 5, 6, 7], [], [8, 9]]  # what was done is not done again
    assert told == [4, 8, 4, 8, 10]


def test_a_damaged_value_is_named_with_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.value("step", lambda: [1, 2])
    path = run.path("step") / VALUE
    path.write_bytes(path.read_bytes().replace(b"1", b"3"))
    with pytest.raises(Damaged, match=f"{path}.*Remove {path.parent} and run again"):
        Run(tmp_path).value("step", lambda: [1, 2])
    with pytest.raises(Damaged, match="Remove"):
        run.json("step", "other.json")
    path.unlink()
    with pytest.raises(Damaged, match="Remove"):
        run.json("step", VALUE)


def test_a_damaged_piece_is_named_with_what_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.pieces("scores", [1, 2], 1, list, lambda done: None)
    path = run.work("scores") / "1" / VALUE
    path.write_bytes(b"[3]")
    with pytest.raises(Damaged, match=f"Remove {path.parent} and run again"):
        run.pieces("scores", [1, 2], 1, list, lambda done: None)


def test_a_name_that_the_step_does_not_hold(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.value("step", lambda: 1)
    with pytest.raises(Damaged, match=r"holds no audit\.json\. Remove it"):
        run.json("step", "audit.json")


def test_damaged_times_are_named(tmp_path: Path) -> None:
    (tmp_path / SPENT).write_text("{")
    with pytest.raises(Damaged, match=SPENT):
        Run(tmp_path).seconds()


def test_tidy_removes_models_and_keeps_what_was_measured(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.value("dev", lambda: {"nDCG@10": 0.5})
    for step, file in (("1-bi-encoder", "model.safetensors"), ("1-towers", "query_0_Transformer/model.safetensors")):
        durable.write_folder(run.path(step), {file: b"weights"}, {})
    run.tidy()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dev", SPENT]


def test_a_step_inside_a_step_is_not_counted_twice(tmp_path: Path) -> None:
    run = Run(tmp_path)

    def outer() -> int:
        time.sleep(0.05)
        run.value("inner", lambda: time.sleep(0.2))
        return 1

    run.value("outer", outer)
    seconds = run.seconds()
    assert seconds["inner"] >= 0.2 and 0.05 <= seconds["outer"] < 0.15


def test_json_has_one_form() -> None:
    assert json_bytes({"b": "法", "a": 0.1}) == '{"a": 0.1, "b": "法"}'.encode()
