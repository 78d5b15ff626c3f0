"""How many processors a model uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bicross.models import network

BOUND = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000\n", BOUND),
        ("100000 100000\n", 1),
        ("150000 100000\n", 1),
        ("10000 100000\n", 1),
        ("100000000 100000\n", BOUND),
        ("nonsense\n", BOUND),
        (None, BOUND),
    ],
)
def test_a_container_uses_no_more_processors_than_its_quota_pays_for(
    quota: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    monkeypatch.setattr(network, "QUOTA", file)
    assert network.cores() == cores
