"""A BERT by its bare weights, in bf16: nothing between the arithmetic and the GPU."""

from __future__ import annotations

import torch
from torch.nn import functional

VOCABULARY, HIDDEN, HEADS, LAYERS = 48663, 384, 12, 12
Weights = dict[str, torch.Tensor]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Bert:
    """A BERT by its weights, fp32, under transformers' names for them; computed in bf16. `head` is what those names begin with."""

    def __init__(self, weights: Weights, layers: int, head: str = "") -> None:
        self.weights = {name: value.detach().clone().to(DEVICE) for name, value in weights.items()}
        self.layers, self.head = layers, head

    def cast(self) -> Weights:
        """The weights in bf16, through which gradients flow back."""
        return {name: value.to(torch.bfloat16) for name, value in self.weights.items()}

    def copy(self) -> Bert:
        return Bert(self.weights, self.layers, self.head)

    def states(self, cast: Weights, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        """Of the embeddings and of each layer, each (B, T, HIDDEN)."""
        rows, length = ids.shape

        def norm(states: torch.Tensor, name: str) -> torch.Tensor:
            return functional.layer_norm(states, (HIDDEN,), cast[name + ".LayerNorm.weight"], cast[name + ".LayerNorm.bias"], 1e-12)

        def linear(states: torch.Tensor, name: str) -> torch.Tensor:
            return functional.linear(states, cast[name + ".weight"], cast[name + ".bias"])

        at = self.head + "embeddings"
        place = cast[at + ".position_embeddings.weight"][:length] + cast[at + ".token_type_embeddings.weight"][0]
        found = [norm(functional.embedding(ids, cast[at + ".word_embeddings.weight"]) + place, at)]
        seen = mask[:, None, None, :].expand(rows, HEADS, length, length)
        for layer in range(self.layers):
            at, states = f"{self.head}encoder.layer.{layer}", found[-1]
            parts = [
                linear(states, f"{at}.attention.self.{name}").view(rows, length, HEADS, -1).transpose(1, 2)
                for name in ("query", "key", "value")
            ]
            read_ = functional.scaled_dot_product_attention(*parts, attn_mask=seen).transpose(1, 2).reshape(rows, length, HIDDEN)
            states = norm(linear(read_, at + ".attention.output.dense") + states, at + ".attention.output")
            wide = functional.gelu(linear(states, at + ".intermediate.dense"))
            found.append(norm(linear(wide, at + ".output.dense") + states, at + ".output"))
        return found

    def logits(self, cast: Weights, states: torch.Tensor) -> torch.Tensor:
        """(B,), fp32, of the last states."""
        pooled = torch.tanh(functional.linear(states[:, 0], cast[self.head + "pooler.dense.weight"], cast[self.head + "pooler.dense.bias"]))
        return functional.linear(pooled, cast["classifier.weight"], cast["classifier.bias"])[:, 0].float()


def reranker(base: Weights) -> Bert:
    """A cross-encoder of the base's weights with a new head."""
    weights = {"bert." + name: value for name, value in base.items()}
    weights["bert.pooler.dense.weight"] = torch.randn(HIDDEN, HIDDEN) * 0.02
    weights["classifier.weight"] = torch.randn(1, HIDDEN) * 0.02
    weights["bert.pooler.dense.bias"], weights["classifier.bias"] = torch.zeros(HIDDEN), torch.zeros(1)
    return Bert(weights, LAYERS, "bert.")


def fewer(of: Bert, layers: int) -> tuple[Bert, list[int]]:
    """A model of some of the layers, evenly spread, the last one among them; and which."""
    kept = [round((place + 1) * of.layers / layers) - 1 for place in range(layers)]
    weights = {name: value for name, value in of.weights.items() if ".layer." not in name}
    for place, layer in enumerate(kept):
        old, new = (f"{of.head}encoder.layer.{number}." for number in (layer, place))
        weights |= {new + name.removeprefix(old): value for name, value in of.weights.items() if name.startswith(old)}
    return Bert(weights, layers, of.head), kept


def mixed(model: Bert, base: Weights, share: float) -> Bert:
    """`share` of the model's weights and the rest of the base's."""
    return Bert(
        {name: share * value.detach().cpu() + (1 - share) * base[name].cpu() for name, value in model.weights.items()}, model.layers
    )
