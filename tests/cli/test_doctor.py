"""`doctor` tells what is there, what is missing, and what is slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross import doctor
from bicross.doctor import Examined, Remark
from bicross.errors import ModelNotFound
from bicross.models.registry import HASHED
from tests.cli.world import Run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models without weights, each rate measured once."""
    for name in ("STARTER_ENCODER", "STARTER_RERANKER"):
        monkeypatch.setattr(doctor, name, HASHED)
    monkeypatch.setattr(doctor, "MEASURED", 0.0)


@pytest.mark.usefixtures("quick")
def test_it_works_here(run: Run) -> None:
    said = run("doctor", "--json")
    assert said.code == 0 and said.json["works"]
    assert {"bicross", "python", "numpy", "openvino", "faiss-cpu", "pypdfium2"} <= set(said.json["versions"])
    assert {"train", "formats", "code", "mteb", "serve"} <= set(said.json["extras"])
    assert said.json["rates"]["tokens a second"] > 0 and said.json["rates"]["pairs a second"] > 0
    assert "everything works" in run("doctor").out


@pytest.mark.usefixtures("quick")
def test_what_is_missing_or_old_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    named = ["bm25s>=0.2", "torch>=2.6; extra == 'train'", "pyarrow>=15 ; extra == 'formats'", "pytest>=8; extra == 'dev'"]
    monkeypatch.setattr(doctor, "requires", lambda _: named)
    monkeypatch.setattr(doctor, "_version", lambda name: {"pyarrow": "9.0.1"}.get(name, ""))
    said = run("doctor")
    assert said.code == 1
    assert "fails: bm25s is not installed. To do: install Bicross again: pip install bm25s" in said.out
    assert "extra train: lacks torch; pip install 'bicross[train]'" in said.out
    assert "extra formats: lacks pyarrow 9.0.1, expected 15" in said.out
    assert "pytest" not in said.out and said.out.endswith("not everything works\n")


def test_models_that_do_not_run_are_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> None:
        raise ModelNotFound("there is none")

    monkeypatch.setattr(doctor.registry, "load_encoder", gone)
    assert "fails: the models do not run: there is none" in run("doctor").out


def slow(**changed: object) -> list[str]:
    """What is said of a system that is good but for what is `changed`."""
    good = {
        "features": ["avx2"],
        "cores": {"used": 4, "bound to": 4, "in the machine": 4},
        "load": 1.0,
        "memory": {"total": 2**34, "available": 2**33},
        "cache": {"path": "/c", "free": 2**40, "writable": True},
        "fsync": 0.001,
        "encoding": "utf-8",
    }
    return [f"{remark.grade}: {remark.what}" for remark in doctor._of_system({**good, **changed})]


def test_what_makes_a_machine_slow_is_told() -> None:
    assert slow() == []
    assert slow(cores={"used": 2, "bound to": 4, "in the machine": 8}) == ["slow: the container's quota pays for 2 of 4 processors"]
    assert slow(cores={"used": 4, "bound to": 4, "in the machine": 8}) == ["slow: this process is bound to 4 of 8 processors"]
    assert slow(load=9.0) == ["slow: 9.0 processes want to run on 4 processors"]
    assert slow(fsync=0.05) == ["slow: a write needs 50 ms to be on the disk, and every commit waits for some"]
    assert slow(memory={"total": 2**34, "available": 2**30})[0].startswith("slow: 1.0 GB of memory are free")
    assert slow(cache={"path": "/c", "free": 2**40, "writable": False})[0].startswith("fails: /c cannot be written to")
    assert slow(encoding="ascii") == ["note: the terminal takes ascii, not UTF-8"]


def test_failures_come_first() -> None:
    remarks = (Remark("note", "a", "b"), Remark("fails", "c", "d"))
    assert not Examined({}, {}, {}, {}, {}, remarks, 0.0).works
    assert min(remarks, key=doctor._order).grade == "fails"


def test_memory_and_features_are_read_where_the_system_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu").write_text("processor : 0\nflags : fpu avx2 avx512_bf16 amx_int8\n")
    (tmp_path / "mem").write_text("MemTotal: 2048 kB\nMemAvailable: 1024 kB\nHugePages_Total: 0\n")
    (tmp_path / "limit").write_text("max\n")
    for name, file in (("_CPUINFO", "cpu"), ("_MEMINFO", "mem"), ("_MEMORY_LIMIT", "limit")):
        monkeypatch.setattr(doctor, name, tmp_path / file)
    assert doctor._features() == ["avx2", "avx512_bf16", "amx_int8"]
    assert doctor._memory() == {"total": 2**21, "available": 2**20}
    (tmp_path / "limit").write_text("4096\n")
    assert doctor._memory()["limit"] == 4096
