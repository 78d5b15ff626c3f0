"""Train the starter's models on a GPU, out of the rows of `tools/starter_rows.py`, in some minutes.

    python tools/train_starter.py --rows rows.npz.xz --base E5_SMALL_ZH_EN --into OUT --minutes 9

Needs torch, safetensors and numpy, and nothing of bicross but `packing.py`. E5_SMALL_ZH_EN is the bi-encoder that all begin with. Steps:

1. Every passage and question is embedded, and every set's candidates are found: by cosine, and by BM25 over word pieces.
2. The full cross-encoder learns lists of an answer, hard negatives and a random passage. Its loss is the mean of two listwise softmaxes
   (Cao et al. 2007): of its score alone, and of its score on top of the recall score, so that it learns what recall does not know.
   Labels are mixed with the softmax of the recall score, which knows other domains. After six tenths of its time a copy of itself scores
   the candidates first: those that it holds for answers are left out, and of the others the hardest are taken.
3. The fast one, of half the layers, learns its scores and its hidden states (Jiao et al. 2020, "TinyBERT").
4. The bi-encoder learns from in-batch and denoised hard negatives and from the cross-encoder's scores, to be mixed with its base
   (Wortsman et al. 2022), as `tools/pack_starter.py` does it; dense search on the watched questions is printed for some shares.

Each step has its share of the time, and rates fall to 0 with it. OUT gets a file per half of a model, in 8 bits, and log.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from starter_training import log
from starter_training.bert import DEVICE, LAYERS, Bert, mixed
from starter_training.encoders import train_encoder
from starter_training.log import say
from starter_training.recall import recall
from starter_training.rerankers import train_fast, train_reranker
from starter_training.texts import read
from starter_training.watching import dense, watch

FULL, FAST, ENCODER = 0.62, 0.17, 0.16  # of the time that is left after recall
FAST_LAYERS = 6
SHARES = (0.0, 0.3, 0.5, 0.7, 1.0)


def save(model: Bert, into: Path, halves: int) -> Bert:
    """The weights but for the word embeddings in 8 bits, as `packing.py` does it, in so many files; returns the model that they hold."""
    packing = _packing()
    weights = {
        name: value.detach().cpu().numpy().astype(np.float16) for name, value in model.weights.items() if "word_embeddings" not in name
    }
    packed = packing.pack(weights)
    names = sorted(packed)
    for half in range(halves):
        save_file({name: packed[name] for name in names[half::halves]}, into.with_name(f"{into.name}-{half}.safetensors"))
    stored = {name: torch.from_numpy(value).float() for name, value in packing.restored(packed).items()}
    return Bert({**model.weights, **stored}, model.layers, model.head)


def _packing() -> Any:
    """`bicross.starter.packing`, whose package needs more than a bare machine has."""
    place = Path(__file__).parents[1] / "src" / "bicross" / "starter" / "packing.py"
    spec = importlib.util.spec_from_file_location("packing", place)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, help="a folder with a model.safetensors")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--batch", type=int, default=64, help="questions of a step")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    data = read(options.rows)
    weights = load_file(options.base / "model.safetensors")
    base = {name: value.float() for name, value in weights.items() if "pooler" not in name and "position_ids" not in name}
    device = torch.cuda.get_device_name() if DEVICE == "cuda" else DEVICE
    say("read", device=device, questions=len(data.questions.lengths), passages=len(data.passages.lengths))
    out = recall(data, Bert(base, LAYERS))
    seconds = 60 * options.minutes - (time.monotonic() - log.started)
    full = train_reranker(out, base, FULL * seconds, options.batch, options.seed)
    stored = {"full, stored": save(full, options.into / "full", 2)}
    fast = train_fast(out, full, FAST_LAYERS, FAST * seconds, options.batch, options.seed + 1)
    stored["fast, stored"] = save(fast, options.into / "fast", 1)
    watch(out, {"full": full, "fast": fast, **stored})
    tuned = train_encoder(out, base, full, ENCODER * seconds, 2 * options.batch, options.seed + 2)
    tuned = save(tuned, options.into / "encoder", 2)
    for share in SHARES:
        say("bi-encoder", share=share, ndcg=dense(out, mixed(tuned, base, share)))
    (options.into / "log.json").write_text(json.dumps({"steps": log.steps}, indent=1))


if __name__ == "__main__":
    main()
