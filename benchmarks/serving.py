"""What the server bears: throughput beside a naive one, five times more requests than it can do, and its end under load.

    python benchmarks/serving.py throughput                  (extra `train`: sentence-transformers, on the same weights)
    python benchmarks/serving.py overload [--seconds 120]
    python benchmarks/serving.py sigterm [--times 100]

The load is generated on the same machine, and shares its processor. The collection is XQuAD in both languages, which the repository
carries, with the starter pair. Writes benchmarks/results/serving.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import HALF, NONE, REFUSED, Load, Reply, percentile, request  # beside this script

from bicross import durable, pipeline
from bicross.collection.store import Collection
from bicross.data.questions import read_queries
from bicross.records import Document, reading
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, IndexSettings

HERE = Path(__file__).parent
DATA = HERE.parent / "examples" / "data"
RESULTS = HERE / "results" / "serving.json"
CLIENTS, DEPTH, K, TEXTS, THREADS = 32, 20, 10, 10, 2  # DEPTH: of both sides
HASHED = "bicross/hashed"
LOADING = 1200.0  # seconds


# --- what is served ------------------------------------------------------------------------------------------------


def collection_in(work: Path, settings: IndexSettings = IndexSettings()) -> Path:
    """XQuAD in both languages, indexed once."""
    path = work / ("hashed" if settings.encoder else "xquad")
    if not Collection.exists(path):
        rows = []
        for name in ("xquad_en", "xquad_zh"):
            for line in (DATA / name / "corpus.jsonl").read_text("utf-8").splitlines():
                row = json.loads(line)
                rows.append(json.dumps({**row, "_id": f"{name}-{row['_id']}"}, ensure_ascii=False))
        source = work / "xquad.jsonl"
        source.write_text("\n".join(rows), "utf-8")
        pipeline.index([source], path, settings)
    return path


def questions() -> list[str]:
    """Of both languages, in a fixed random order."""
    asked = [query.text for name in ("xquad_en", "xquad_zh") for query in read_queries(DATA / name)[0]]
    random.Random(0).shuffle(asked)
    return asked


def passages_of(path: Path) -> list[str]:
    """What the models read of every passage."""
    with Collection.open(path).view() as view:
        titles = view.titles([f"{name}-d{number}" for name in ("xquad_en", "xquad_zh") for number in range(240)])
        return [reading(titles[one], passage.text) for one, all_of in view.of_documents(titles).items() for passage in all_of]


def searches() -> Iterator[bytes]:
    """Without end, each question asked once before any is asked again."""
    return itertools.cycle([request("/v1/search", {"question": text, "k": K}) for text in questions()])


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed if it is still there at the end."""
    with log.open("w") as stderr:
        process = subprocess.Popen([*command], stdout=subprocess.PIPE, stderr=stderr, text=True)  # noqa: S603 - our own words
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def server(path: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`bicross serve`, ready."""
    command = [sys.executable, "-m", "bicross.cli.main", "serve", str(path), "--port", "0", "--json", *flags]
    with running(command, path.parent / "server.log") as process:
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        wait_for(f"{url}/readyz")
        yield process, url


@contextlib.contextmanager
def naive(path: Path) -> Iterator[str]:
    """The naive server, ready; it embeds the same passages first."""
    file = path.parent / "passages.json"
    file.write_text(json.dumps(passages_of(path)), "utf-8")
    models = [pipeline.models_show(name)["path"] for name in (STARTER_ENCODER, STARTER_RERANKER)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(HERE / "naive.py"), *models, str(file), str(DEPTH), str(THREADS), str(port)]
    with running(command, path.parent / "naive.log"):
        wait_for(f"http://127.0.0.1:{port}/openapi.json")
        yield f"http://127.0.0.1:{port}"


def wait_for(url: str) -> None:
    """Until it answers 200."""
    limit = time.monotonic() + LOADING
    while time.monotonic() < limit:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer in {LOADING:g} s")


# --- throughput ----------------------------------------------------------------------------------------------------


async def throughput(path: Path, rounds: int, count: int) -> dict[str, Any]:
    """The same requests: by 32 clients here, one by one there, in turn."""
    texts, asked = passages_of(path), iter(questions())
    draw = random.Random(1)
    kinds = {
        "search": lambda question: request("/v1/search", {"question": question, "k": K, "depth": DEPTH}),
        "rerank": lambda question: request("/v1/rerank", {"query": question, "documents": draw.sample(texts, TEXTS)}),
    }
    rates: dict[str, dict[str, list[float]]] = {kind: {"bicross": [], "naive": []} for kind in kinds}
    with server(path, "--max-wait", "60") as (_, url), naive(path) as other:
        ours, theirs = Load(url), Load(other)
        for number in range(rounds + 1):  # the first warms up
            for kind, make in kinds.items():
                requests = [make(next(asked)) for _ in range(count if number else min(count, CLIENTS))]
                for name, load, clients in (("bicross", ours, CLIENTS), ("naive", theirs, 1))[:: 1 if number % 2 else -1]:
                    replies, seconds = await load.closed(requests, clients)
                    assert all(reply.status == 200 for reply in replies), Counter(reply.status for reply in replies)
                    if number:
                        rates[kind][name].append(len(replies) / seconds)
                        print(f"{kind} {name}: {rates[kind][name][-1]:.1f} requests a second")
        await ours.close()
        await theirs.close()
    facts = {"clients": CLIENTS, "requests": count, "rounds": rounds, "depth": DEPTH, "texts": TEXTS, "passages": len(texts)}
    return {**{kind: _compared(of) for kind, of in rates.items()}, **facts, "threads": THREADS}


def _compared(rates: dict[str, list[float]]) -> dict[str, Any]:
    ratios = [ours / theirs for ours, theirs in zip(rates["bicross"], rates["naive"], strict=True)]
    medians = {f"{name}_per_second": statistics.median(of) for name, of in rates.items()}
    return {"ratio": statistics.median(ratios), "ratios": ratios, **medians}


# --- overload ------------------------------------------------------------------------------------------------------


async def overload(path: Path, seconds: float, times: float, flags: Sequence[str]) -> dict[str, Any]:
    """Capacity, then 80 % of it, then so many times as much."""
    with server(path, *flags) as (process, url):
        load, asked = Load(url), searches()
        await load.steady(asked, CLIENTS // 2, min(10.0, seconds / 4))
        replies, took = await load.steady(asked, CLIENTS // 2, seconds / 4)
        capacity = sum(reply.status == 200 for reply in replies) / took
        print(f"capacity {capacity:.1f} a second, {Counter(reply.status for reply in replies)}")
        calm = _phase(await load.open(asked, 0.8 * capacity, seconds / 2), seconds / 2)
        print("80 %:", calm)
        before = memory(process.pid)
        storm = asyncio.create_task(load.open(asked, times * capacity, seconds))
        seen = [before]
        while not storm.done():
            await asyncio.sleep(1.0)
            seen.append(memory(process.pid))
        crowd = _phase(storm.result(), seconds)
        print(f"{times:g} times:", crowd)
        await load.close()
    against = crowd["p99"] / calm["p99"], crowd["goodput"] / capacity
    ratios = {"p99_ratio": against[0], "goodput_ratio": against[1], "memory_ratio": seen[-1] / before}
    mib = {"start": before, "middle": seen[len(seen) // 2], "end": seen[-1], "most": max(seen)}
    return {**ratios, "capacity": capacity, "at_80_percent": calm, "overloaded": crowd, "times": times, "memory_mib": mib, "flags": flags}


def _phase(replies: Sequence[Reply], seconds: float) -> dict[str, Any]:
    """Latencies of what was accepted count from when it should have been sent; of what was refused, from when it was."""
    good = [reply.seconds + reply.late for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status in REFUSED]
    counts = Counter(str(reply.status) for reply in replies)
    return {
        "p50": percentile(good, 0.5),
        "p99": percentile(good, 0.99),
        "goodput": len(good) / seconds,
        "asked_per_second": len(replies) / seconds,
        "statuses": dict(counts),
        "refused_without_retry_after": sum(not reply.retry_after for reply in refused),
        "refusal_p50": percentile([reply.seconds for reply in refused], 0.5),
        "refusal_p99": percentile([reply.seconds for reply in refused], 0.99),
        "refusal_longest": max((reply.seconds for reply in refused), default=None),
        "sent_late_p99": percentile([reply.late for reply in replies], 0.99),
    }


def memory(pid: int) -> float:
    """Resident MiB of a process and all below it."""
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(memory(int(child)) for child in below)


# --- sigterm -------------------------------------------------------------------------------------------------------


async def sigterm(path: Path, times: int) -> dict[str, Any]:
    """End the server under reads and writes, again and again; then look whether all that was acknowledged is there."""
    draw = random.Random(0)
    ends, codes, statuses = list[float](), Counter[int](), Counter[str]()
    acknowledged, lost = list[str](), 0
    for number in range(times):
        with server(path) as (process, url):
            load, ending = Load(url), asyncio.Event()
            kept: list[str] = []
            clients = [_reader(load, ending, statuses) for _ in range(8)] + [
                _writer(load, ending, f"w{number}-{client}", kept, statuses) for client in range(4)
            ]
            tasks = [asyncio.create_task(client) for client in clients]
            await asyncio.sleep(draw.uniform(0.5, 2.0))
            process.terminate()
            start = time.perf_counter()
            codes[await asyncio.to_thread(process.wait, 60)] += 1
            ends.append(time.perf_counter() - start)
            ending.set()
            await asyncio.gather(*tasks)
            await load.close()
        with Collection.open(path).view() as view:
            there = view.titles(kept)
        lost += len(kept) - len(there)
        acknowledged += kept
        print(f"{number + 1}: {ends[-1]:.2f} s, {len(kept)} writes acknowledged, {lost} lost, {dict(statuses)}")
    problems = {"lost": lost, "half_answers": statuses.pop(str(HALF), 0), "not_within_10_s": sum(end > 10 for end in ends)}
    facts = {"times": times, "exit_codes": {str(code): count for code, count in codes.items()}, "acknowledged": len(acknowledged)}
    facts["unanswered"] = statuses.pop(str(NONE), 0)
    return {**problems, **facts, "statuses": dict(statuses), "seconds_p50": percentile(ends, 0.5), "seconds_longest": max(ends)}


async def _reader(load: Load, ending: asyncio.Event, statuses: Counter[str]) -> None:
    asked = searches()
    while not ending.is_set():
        reply = await load.ask(next(asked))
        statuses[str(reply.status if reply.status != 200 or reply.whole else HALF)] += 1
        if reply.status in (NONE, HALF):
            return


async def _writer(load: Load, ending: asyncio.Event, name: str, kept: list[str], statuses: Counter[str]) -> None:
    for number in itertools.count():
        if ending.is_set():
            return
        document = Document(f"{name}-{number}", f"Document {number} was written by {name} while the server was about to end.")
        reply = await load.ask(request("/v1/documents", {"documents": [{"id": document.id, "text": document.text}]}))
        statuses[str(reply.status)] += 1
        if reply.status == 200:
            kept.append(document.id)
        if reply.status in (NONE, HALF):
            return


# --- all -----------------------------------------------------------------------------------------------------------


def processor() -> str:
    """Its name, as the system has it, and how many cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{found}, {len(os.sched_getaffinity(0))} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="keep the collection here")
    parser.add_argument("--hashed", action="store_true", help="models without weights, for overload and sigterm: the server alone")
    parser.add_argument("--no-results", action="store_true", help="only print")
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("throughput")
    one.add_argument("--rounds", type=int, default=5)
    one.add_argument("--requests", type=int, default=200, help="of each kind in a round")
    two = verbs.add_parser("overload")
    two.add_argument("--seconds", type=float, default=120.0)
    two.add_argument("--times", type=float, default=5.0, help="the capacity")
    two.add_argument("--max-wait", default="1.0", help="as `bicross serve` has it")
    three = verbs.add_parser("sigterm")
    three.add_argument("--times", type=int, default=100)
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(exist_ok=True)
        path = collection_in(work, IndexSettings(encoder=HASHED, reranker=HASHED) if options.hashed else IndexSettings())
        if options.verb == "throughput":
            found = asyncio.run(throughput(path, options.rounds, options.requests))
        elif options.verb == "overload":
            found = asyncio.run(overload(path, options.seconds, options.times, ("--max-wait", options.max_wait)))
        else:
            found = asyncio.run(sigterm(path, options.times))
    print(json.dumps(found, indent=1))
    if not options.no_results:
        before = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        durable.write_file(RESULTS, json.dumps({**before, options.verb: {**found, "processor": processor()}}, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
