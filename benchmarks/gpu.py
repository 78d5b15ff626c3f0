"""How fast a GPU embeds and reranks: documents a second, and the share of the bf16 matrix products that it was measured to do.

    python benchmarks/gpu.py [--texts FILE] [--minutes 1] [--no-results]

It needs torch, numpy, tokenizers, safetensors and pydantic, and no more. The texts are XQuAD's paragraphs and sentences in both languages,
which the repository carries, or FILE's lines. The models are the starter pair, and one of the size of BERT-base with random weights. Only
real tokens count: what is padded is work without use. Where there is no GPU it says so, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.devices import TORCH_CPU, runtime
from bicross.models.folder import ModelFolder, read_folder
from bicross.models.tokens import load_tokenizer, run_sorted
from bicross.models.torch_runtime import gpus
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER
from bicross.starter import GENERAL, unpacked

RESULTS = Path(__file__).parent / "results" / "gpu.json"
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
Measured = dict[str, Any]


def texts_of(file: Path | None) -> list[str]:
    """Paragraphs and their sentences, in both languages."""
    if file is not None:
        return [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    paragraphs = [
        json.loads(line)["text"]
        for name in ("xquad_en", "xquad_zh")
        for line in (GENERAL / name / "corpus.jsonl").read_text("utf-8").splitlines()
    ]
    sentences = [part.strip() for text in paragraphs for part in re.split(r"(?<=[.。！？?!])\s*", text) if len(part) > 10]
    return paragraphs + sentences


def matrix_peak(device: torch.device) -> float:
    """FLOP a second of square bf16 products of random matrices: the best size's median of ten, after three that warm up."""
    best = 0.0
    for size in (4096, 8192) if device.type != "cpu" else (1024,):
        left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
        seconds = []
        for number in range(13):
            start = time.perf_counter()
            (left @ right)[0, 0].item()  # waits for it
            seconds += [time.perf_counter() - start] if number > 2 else []
        best = max(best, 2 * size**3 / statistics.median(seconds))
    return best


def flop(config: Any, lengths: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """Of the layers' matrix products on texts of these lengths; a multiplication and an addition are two."""
    width, wide = config["hidden_size"], config.get("intermediate_size", 4 * config["hidden_size"])
    products = 2 * (4 * width**2 + 2 * width * wide) * lengths.sum()
    return float(config["num_hidden_layers"] * (products + 4 * width * (lengths.astype(float) ** 2).sum()))


def repeated(seconds: float, work: Callable[[], object]) -> list[float]:
    """Seconds of each run of the work: one warms up, then as many as fit, three at least."""
    work()
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < seconds:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken


def measured(folder: ModelFolder, device: str, inputs: Sequence[Any], peak: float, seconds: float) -> Measured:
    """One model: end to end from text, and the network alone on what was tokenized before."""
    model = (CrossEncoder if folder.is_reranker else BiEncoder)(folder, None, device)
    whole = model.score if isinstance(model, CrossEncoder) else model.encode_documents
    tokenizer = load_tokenizer(folder.path / "tokenizer.json")
    tokenizer.enable_truncation(folder.max_tokens)
    engine = model._engine if isinstance(model, CrossEncoder) else model._documents._engine
    recorded = _Recorder(engine)
    lengths = np.concatenate([batch.tokens for batch in run_sorted(recorded, tokenizer, inputs, folder.max_tokens, 1)])
    padded = sum(batch[0].size for batch in recorded.batches)
    ended = repeated(seconds, lambda: whole(inputs))
    alone = repeated(seconds, lambda: list(engine.run(recorded.batches)))
    work = flop(folder.config, lengths)
    found = {
        "inputs": len(inputs),
        "tokens": int(lengths.sum()),
        "padded_to_real": padded / int(lengths.sum()),
        "per_second": len(inputs) / statistics.median(ended),
        "tokens_per_second": int(lengths.sum()) / statistics.median(ended),
        "share_of_peak": work / statistics.median(ended) / peak,
        "network_alone": {
            "per_second": len(inputs) / statistics.median(alone),
            "share_of_peak": work / statistics.median(alone) / peak,
        },
        "seconds": {"end_to_end": ended, "network": alone},
        "precision": engine.precision,
    }
    print(folder.root.name, json.dumps({key: value for key, value in found.items() if key != "seconds"}), flush=True)
    return found


class _Recorder:
    """Keeps the batches that an engine is given."""

    def __init__(self, engine: Any) -> None:
        self.streams, self.budget, self.dim, self._engine = engine.streams, engine.budget, engine.dim, engine
        self.batches: list[Any] = []

    def run(self, batches: Any, output: int = 0) -> Any:
        kept = list(batches)
        self.batches += kept
        return self._engine.run(kept, output)


def as_large(folder: Path, into: Path) -> ModelFolder:
    """A bi-encoder of BERT-base's size, with random weights and the starter's tokenizer."""
    config = {**json.loads((folder / "config.json").read_text("utf-8")), **BASE}
    width, wide, random = config["hidden_size"], config["intermediate_size"], np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
    }
    norms, linears = ["embeddings.LayerNorm"], {}
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        squares = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        linears |= {name + part: (width, width) for part in squares}
        linears |= {name + "intermediate.dense": (wide, width), name + "output.dense": (width, wide)}
        norms += [name + "attention.output.LayerNorm", name + "output.LayerNorm"]
    for name, shape in linears.items():
        shapes |= {name + ".weight": shape, name + ".bias": shape[:1]}
    for name in norms:
        shapes |= {name + ".weight": (width,), name + ".bias": (width,)}
    shutil.copytree(folder, into, ignore=lambda *_: {"model.safetensors"})
    (into / "config.json").write_text(json.dumps(config), "utf-8")
    weights = {name: random.normal(0, 0.02, shape).astype(np.float16) for name, shape in shapes.items()}
    save_file(weights, into / "model.safetensors")
    return read_folder(into)


def drift(device: str, folders: Sequence[ModelFolder], texts: Sequence[str]) -> Measured:
    """How far the device's numbers are from torch in fp32 on the processor."""
    encoder, reranker = folders
    ways = ((None, device), ("f32", TORCH_CPU))
    ours, exact = (BiEncoder(encoder, *way).encode_documents(texts) for way in ways)
    pairs = [(texts[0][:80], text) for text in texts]
    mine, right = (CrossEncoder(reranker, *way).score(pairs) for way in ways)
    ranks = [np.argsort(np.argsort(scores)) for scores in (mine, right)]
    return {"least_cosine": float((ours * exact).sum(axis=1).min()), "spearman": float(np.corrcoef(*ranks)[0, 1]), "texts": len(texts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, help="a file with a text a line")
    parser.add_argument("--minutes", type=float, default=1.0, help="of all measurements together, about")
    parser.add_argument("--device", help="cuda or mps; by default what there is, and torch-cpu to try the script")
    parser.add_argument("--times", type=int, default=20, help="how often the texts are repeated")
    parser.add_argument("--no-results", action="store_true", help="only print")
    options = parser.parse_args()
    found = gpus()
    device = options.device or (found[0] if found else "")
    if not device:
        print("GPU: not measured, torch finds none here")
        return
    on = runtime(device).device  # type: ignore[attr-defined]  # torch's runtime has one
    peak = matrix_peak(on)
    texts = texts_of(options.texts) * options.times
    pairs = [(text[:60], other) for text, other in zip(texts, texts[7:] + texts[:7], strict=True)]
    seconds = options.minutes * 60 / 6
    encoder, reranker = (read_folder(unpacked(name)) for name in (STARTER_ENCODER, STARTER_RERANKER))
    with TemporaryDirectory() as work:
        results = {
            "device": torch.cuda.get_device_name() if on.type == "cuda" else on.type,
            "torch": torch.__version__,
            "matrix_peak_tflops": peak / 1e12,
            "drift": drift(device, (encoder, reranker), texts[:200]),
            "starter_encoder": measured(encoder, device, texts, peak, seconds),
            "starter_reranker": measured(reranker, device, pairs, peak, seconds),
            "base_size": measured(as_large(encoder.path, Path(work) / "base"), device, texts, peak, seconds),
        }
    print(json.dumps(results, indent=1))
    if not options.no_results:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
