"""Pack a model folder into src/bicross/starter/, as small as its quality allows, and prove what that costs.

    python tools/pack_starter.py encoder E5_SMALL_ZH_EN
    python tools/pack_starter.py reranker reranker/

Prints the bytes and the largest difference of any weight. The tokenizer, the encoder's, is stored once for both.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from bicross.models.weights import read_weights
from bicross.starter import HERE
from bicross.starter.packing import PACKED, pack, unpack

MODULE = "sentence_transformers.models."
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
    "reranker": {
        "config_sentence_transformers.json": {
            "model_type": "CrossEncoder",
            "activation_fn": "torch.nn.modules.activation.Sigmoid",
            "prompts": {},
        },
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(LAYOUT))
    parser.add_argument("source", type=Path)
    options = parser.parse_args()
    into = HERE / options.kind
    into.mkdir(exist_ok=True)
    weights = {name: array.astype(np.float16) for name, array in read_weights(options.source).items() if "position_ids" not in name}
    save_file(pack(weights), into / PACKED)
    config = json.loads((options.source / "config.json").read_text())
    config["dtype"] = "float32"  # computed in fp32 unless asked otherwise: half precision is slow on processors
    for file, content in {"config.json": config, **LAYOUT[options.kind]}.items():
        (into / file).parent.mkdir(exist_ok=True)
        (into / file).write_text(json.dumps(content, indent=1) + "\n")
    for file in ("tokenizer.json", "tokenizer_config.json") if options.kind == "encoder" else ():
        shutil.copyfile(options.source / file, HERE / file)
    with TemporaryDirectory() as folder:
        restored = Path(folder) / "restored.safetensors"
        restored.write_bytes(unpack(into / PACKED))
        drift = {
            name: float(np.abs(array.astype(np.float32) - weights[name].astype(np.float32)).max())
            for name, array in load_file(restored).items()
        }
    worst = max(drift, key=lambda name: drift[name])
    print(
        f"{(into / PACKED).stat().st_size / 1e6:.1f} MB; largest difference of a weight {drift[worst]:.2g} ({worst}); {len(drift)} tensors"
    )


if __name__ == "__main__":
    main()
