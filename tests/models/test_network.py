"""How many processors a model uses, and that it tells when it gets further."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from bicross.models import network, progress
from bicross.models.registry import load_encoder
from tests.models.tiny import tiny

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


def test_whoever_watches_a_thread_is_told_after_each_batch(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    for name, content in tiny(1).items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    encoder, told = load_encoder(str(folder)), list[str]()
    texts = ["a printer " * 20] * 200

    def work(watched: bool) -> None:
        if watched:
            progress.watch(lambda: told.append("further"))
        encoder.encode_documents(texts)

    for watched in (False, True):  # one thread's listener hears nothing of another's
        thread = Thread(target=work, args=(watched,))
        thread.start()
        thread.join()
        assert (len(told) > 1) == watched
