"""Pack what `tools/train_starter.py` trained into src/bicross/starter/, and print what that costs.

    python tools/pack_starter.py --trained OUT --base E5_SMALL_ZH_EN --share 0.7

E5_SMALL_ZH_EN is the folder of the bi-encoder that the training began with. Its word embeddings, which no model changed, are stored once
for all three models, in 4 bits, as they were, without loss; what was trained in 8 bits. `--share` of the bi-encoder's weights are
the trained ones, the rest the base's.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from bicross.models.weights import read_weights
from bicross.starter import HERE, WORDS
from bicross.starter.packing import PACKED, pack, restored

Half = NDArray[np.float16]
MODULE = "sentence_transformers.models."
EMBEDDINGS = "embeddings.word_embeddings.weight"
RERANKER = {
    "config_sentence_transformers.json": {
        "model_type": "CrossEncoder",
        "activation_fn": "torch.nn.modules.activation.Sigmoid",
        "prompts": {},
    },
}
LAYOUT: dict[str, dict[str, Any]] = {
    "encoder": {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": MODULE + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": MODULE + "Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": MODULE + "Normalize"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
        "2_Normalize/config.json": {},
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "model_type": "SentenceTransformer",
            "prompts": {"query": "query: ", "document": "passage: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    },
    "reranker": RERANKER,
    "reranker-fast": RERANKER,
}
TRAINED = {"encoder": "encoder", "reranker": "full", "reranker-fast": "fast"}


def trained(folder: Path, name: str) -> dict[str, Half]:
    """The weights of a model out of its one or two files."""
    parts: dict[str, NDArray[np.generic]] = {}
    for path in sorted(folder.glob(f"{name}-*.safetensors")):
        parts |= load_file(path)
    return restored(parts)


def mixed(some: dict[str, Half], base: dict[str, Half], share: float) -> dict[str, Half]:
    """The weighted mean of two models' weights (Wortsman et al. 2022, "Model soups")."""
    return {
        name: (share * value.astype(np.float32) + (1 - share) * base[name].astype(np.float32)).astype(np.float16)
        for name, value in some.items()
    }


def config(base: Path, weights: dict[str, Half], reranks: bool) -> dict[str, Any]:
    """The base's configuration with the number of layers that there are; computed in fp32 unless asked otherwise."""
    found: dict[str, Any] = json.loads((base / "config.json").read_text())
    layers = {name.partition(".layer.")[2].partition(".")[0] for name in weights if ".layer." in name}
    found |= {"dtype": "float32", "num_hidden_layers": len(layers)}
    if reranks:
        found |= {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.7)
    options = parser.parse_args()
    base = {name: array.astype(np.float16) for name, array in read_weights(options.base).items()}
    save_file(pack({EMBEDDINGS: base[EMBEDDINGS]}), HERE / WORDS)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(options.base / file, HERE / file)
    for kind, layout in LAYOUT.items():
        into, weights = HERE / kind, trained(options.trained, TRAINED[kind])
        if kind == "encoder":
            weights = mixed(weights, base, options.share)
        into.mkdir(exist_ok=True)
        packed = pack(weights)
        save_file(packed, into / PACKED)
        for file, content in {"config.json": config(options.base, weights, kind != "encoder"), **layout}.items():
            (into / file).parent.mkdir(exist_ok=True)
            (into / file).write_text(json.dumps(content, indent=1) + "\n")
        back = restored(packed)
        drift = {name: float(np.abs(value.astype(np.float32) - back[name].astype(np.float32)).max()) for name, value in weights.items()}
        worst = max(drift, key=lambda name: drift[name])
        print(f"{kind}: {(into / PACKED).stat().st_size / 1e6:.1f} MB; largest difference of a weight {drift[worst]:.2g} ({worst})")
    print(f"{sum(path.stat().st_size for path in HERE.rglob('*') if path.is_file()) / 1e6:.1f} MB in all")


if __name__ == "__main__":
    main()
