"""`doctor`: what Bicross runs on here, whether it works, and what makes it slow. Measured where that takes seconds; changes nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from bicross.errors import BicrossError
from bicross.models import devices, registry
from bicross.models.network import QUOTA, best_precision, cores
from bicross.provenance import processor
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER
from bicross.starter import cache

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")
FOR_DEVELOPERS = ("dev", "clients")  # extras that users need not have
SLOW_FSYNC = 0.02  # seconds
LITTLE_MEMORY = 2 * 2**30  # bytes: the two models, an index and a process beside them
LITTLE_DISK = 2**30
SAMPLE = "The printer is reset by holding the red button for ten seconds. 重置打印机时，请按住红色按钮十秒钟，直到指示灯闪烁三次。" * 3
TEXTS = 8  # together
MEASURED = 2.0  # seconds for each rate
_CPUINFO, _MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


class Remark(NamedTuple):
    """`fails` does not work, `slow` costs time, `note` is good to know; why, and what to do."""

    grade: Literal["fails", "slow", "note"]
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Examined:
    """Sizes in bytes, times in seconds. `extras`: name -> packages of it that are missing or too old. `rates`: what was measured here."""

    versions: Mapping[str, str]
    extras: Mapping[str, Sequence[str]]
    system: Mapping[str, Any]
    inference: Mapping[str, Any]
    rates: Mapping[str, float]
    remarks: tuple[Remark, ...]
    seconds: float

    @property
    def works(self) -> bool:
        """Whether nothing fails."""
        return all(remark.grade != "fails" for remark in self.remarks)

    def as_json(self) -> dict[str, Any]:
        """As `doctor --json` prints it."""
        facts = {name: getattr(self, name) for name in ("versions", "extras", "system", "inference", "rates", "seconds")}
        return {"works": self.works, **facts, "remarks": [remark._asdict() for remark in self.remarks]}


def doctor() -> Examined:
    """Look at versions, processor, memory, disk and extras, and run both starter models for a moment."""
    start = time.perf_counter()
    versions, extras = _packages()
    missing = [name for name, found in versions.items() if not found]
    system = _system()
    remarks = [Remark("fails", f"{name} is not installed", f"install Bicross again: pip install {name}") for name in missing]
    remarks += _of_system(system)
    inference, rates, more = _models()
    remarks += more
    told = {name: found or "missing" for name, found in versions.items()}
    return Examined(told, extras, system, inference, rates, tuple(sorted(remarks, key=_order)), time.perf_counter() - start)


def _order(remark: Remark) -> int:
    return ("fails", "slow", "note").index(remark.grade)


def _packages() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Versions of what Bicross needs ("" of what is not there), and what each extra lacks; as its own metadata has them."""
    found = {"bicross": version("bicross"), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    lacking: dict[str, list[str]] = {}
    for line in requires("bicross") or []:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)""", line)
        if name is None or name[0] == "bicross" or (extra is not None and extra[1] in FOR_DEVELOPERS):
            continue
        have = _version(name[0])
        if extra is None:
            found[name[0]] = have
            continue
        least = re.search(r">=\s*([\d.]+)", line)
        missing = lacking.setdefault(extra[1], [])
        if not have or (least and _numbers(have) < _numbers(least[1])):
            missing.append(name[0] if not have else f"{name[0]} {have}, expected {least[1] if least else 'newer'}")
    return found, lacking


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


def _system() -> dict[str, Any]:
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    place = cache()
    above = next(folder for folder in (place, *place.parents) if folder.is_dir())
    return {
        "system": platform.platform(),
        "processor": processor(),
        "features": _features(),
        "cores": {"used": cores(), "bound to": bound, "in the machine": os.cpu_count() or 1},
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "memory": _memory(),
        "cache": {"path": str(place), "free": shutil.disk_usage(above).free, "writable": os.access(above, os.W_OK)},
        "fsync": _fsync(above),
        "encoding": sys.stdout.encoding,
    }


def _features() -> list[str]:
    lines = _CPUINFO.read_text("utf-8", "replace").splitlines() if _CPUINFO.is_file() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))), [])
    return [name for name in FEATURES if name in flags]


def _memory() -> dict[str, int]:
    """All of it, what is free to use, and the container's limit where there is one; nothing where the system does not tell."""
    lines = _MEMINFO.read_text("ascii", "replace").splitlines() if _MEMINFO.is_file() else []
    sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines if len(line.split()) == 3}
    told = {name: sizes[key] for name, key in (("total", "MemTotal"), ("available", "MemAvailable")) if key in sizes}
    try:
        limit = _MEMORY_LIMIT.read_text("ascii").strip()
    except OSError:
        return told
    return told | ({"limit": int(limit)} if limit.isdigit() else {})


def _fsync(folder: Path) -> float | None:
    """The median time until a small write is on the disk; None where nothing can be written."""
    times = []
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for _ in range(5):
                begun = time.perf_counter()
                file.write(b"x" * 4096)
                file.flush()
                os.fsync(file.fileno())
                times.append(time.perf_counter() - begun)
    except OSError:
        return None
    return median(times)


def _of_system(system: Mapping[str, Any]) -> list[Remark]:
    remarks = []
    used, bound, whole = system["cores"].values()
    if used < bound:
        remarks.append(Remark("slow", f"the container's quota pays for {used} of {bound} processors", f"raise it ({QUOTA})"))
    elif bound < whole:
        remarks.append(Remark("slow", f"this process is bound to {bound} of {whole} processors", "lift its affinity (taskset, cpuset)"))
    if system["load"] is not None and system["load"] > 1.5 * whole:
        remarks.append(Remark("slow", f"{system['load']} processes want to run on {whole} processors", "end some, or measure later"))
    if platform.machine() in ("x86_64", "AMD64") and "avx2" not in system["features"] and _CPUINFO.is_file():
        remarks.append(Remark("slow", "the processor, or the virtual machine, has no AVX2", "choose another machine type"))
    memory = system["memory"]
    if memory and min(memory.values()) < LITTLE_MEMORY:
        remarks.append(Remark("slow", f"{min(memory.values()) / 2**30:.1f} GB of memory are free; with less than 2 it swaps", "free some"))
    place = system["cache"]
    if not place["writable"]:
        remarks.append(
            Remark("fails", f"{place['path']} cannot be written to, where models are unpacked", "set BICROSS_CACHE to another folder")
        )
    elif place["free"] < LITTLE_DISK:
        remarks.append(
            Remark("note", f"{place['free'] / 2**20:.0f} MB are free where models are unpacked", "free some space, or set BICROSS_CACHE")
        )
    if system["fsync"] is not None and system["fsync"] > SLOW_FSYNC:
        why = f"a write needs {system['fsync'] * 1000:.0f} ms to be on the disk, and every commit waits for some"
        remarks.append(Remark("slow", why, "keep collections on a local disk"))
    if (system["encoding"] or "").lower().replace("-", "") not in ("utf8", "utf8sig"):
        remarks.append(
            Remark("note", f"the terminal takes {system['encoding']}, not UTF-8", "set PYTHONUTF8=1, or the locale to one of UTF-8")
        )
    return remarks


def _models() -> tuple[dict[str, Any], dict[str, float], list[Remark]]:
    """How models run here, tokens a second of the encoder and pairs a second of the reranker, and what is to be said of it."""
    remarks: list[Remark] = []
    unpacked = cache().is_dir()
    try:
        device, precision = devices.resolved(None), best_precision()
        encoder, reranker = registry.load_encoder(STARTER_ENCODER), registry.load_reranker(STARTER_RERANKER)
        texts = [f"{number} {SAMPLE}" for number in range(TEXTS)]
        encoding = _rate(lambda: sum(encoder.encode_counted("document", texts)[1]))
        scoring = _rate(lambda: len(reranker.score([("how do I reset it?", text) for text in texts])))
    except (BicrossError, ImportError, OSError, RuntimeError) as error:
        return {}, {}, [Remark("fails", f"the models do not run: {error}", "install Bicross again, or report this with --json")]
    if device == "cpu" and precision == "f32":
        why = "the processor does not compute in bf16 (AVX512-BF16, AMX or Arm's BF16): models run in f32, about half as fast"
        remarks.append(Remark("slow", why, "choose a newer machine type, or fewer candidates: --depth"))
    if device == "cpu" and any(Path(driver).exists() for driver in devices.DRIVERS):
        remarks.append(
            Remark("slow", "there is a GPU, and models run on the processor", "install torch with CUDA: pip install 'bicross[train]'")
        )
    if not unpacked:
        remarks.append(Remark("note", f"the models were unpacked into {cache()} just now, which the first use waits for", "nothing"))
    rates = {"tokens a second": encoding, "pairs a second": scoring}
    return {"device": device, "precision": precision if device == "cpu" else None}, rates, remarks


def _rate(work: Callable[[], int]) -> float:
    """What `work` returns of things done, a second; the first call, which warms up, does not count."""
    work()
    begun, done = time.perf_counter(), 0
    while not done or time.perf_counter() - begun < MEASURED:
        done += work()
    return done / (time.perf_counter() - begun)
