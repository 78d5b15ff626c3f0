"""Models of two layers and 32 dimensions with random weights, of each family that differs in how it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
WORDS = [f"w{number}" for number in range(60)]
LENGTH = 40  # tokens that the tokenizer leaves
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_DISTIL_SIZES = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
FAMILIES: dict[str, dict[str, Any]] = {
    "Bert": {**_SIZES, "max_position_embeddings": LENGTH},
    "Roberta": {**_SIZES, "max_position_embeddings": LENGTH + 2, "type_vocab_size": 1},
    "XLMRoberta": {**_SIZES, "max_position_embeddings": LENGTH + 2, "type_vocab_size": 1},
    "DistilBert": {**_DISTIL_SIZES, "max_position_embeddings": LENGTH},
    "ModernBert": {**_SIZES, "max_position_embeddings": LENGTH, "local_attention": 8, "global_attn_every_n_layers": 2},
}


def make(folder: Path, family: str = "Bert", head: str = "Model", **changes: Any) -> Path:
    """A model folder as transformers saves it; `head` is Model or ForSequenceClassification."""
    names = {name: number for number, name in enumerate((*SPECIAL, *WORDS))}
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    config = getattr(transformers, f"{family}Config")(**{"vocab_size": len(names), **special, **FAMILIES[family], **changes})
    torch.manual_seed(7)
    model = getattr(transformers, f"{family}{head}")(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # larger than a fresh model's, so that attention is not flat and biases count
            parameter.normal_(1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0, 0.2)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    second = 1 if family == "Bert" else 0
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=f"<s> $A </s> $B:{second} </s>:{second}", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if family == "Bert" else ["input_ids", "attention_mask"]
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"},
        model_max_length=LENGTH,
        model_input_names=inputs,
    ).save_pretrained(folder)
    return folder


def words(*numbers: int) -> str:
    """A text of these words."""
    return " ".join(f"w{number % len(WORDS)}" for number in numbers)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a folder, by file and name."""
    from safetensors.torch import load_file

    found = {path.relative_to(folder).as_posix(): load_file(path) for path in sorted(folder.rglob("*.safetensors"))}
    return {f"{file}:{name}": value for file, tensors in found.items() for name, value in tensors.items()}
