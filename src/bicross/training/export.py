"""Any transformer to a folder that the runtime reads: its graph traced once into OpenVINO's format, its other files copied."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bicross import durable
from bicross.errors import InputError, MissingExtra
from bicross.models.folder import read_folder

try:
    import openvino as ov
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification
except ImportError as error:
    raise MissingExtra(f"Exporting a model needs {error.name}, which is not installed: pip install 'bicross[train]'") from error

KEPT = ("*.json", "*/config.json", "*.md", "*.txt")


def export(source: Path, into: Path) -> float:
    """Trace the model in `source` and put the folder at `into`; returns the largest difference of an output value from torch's.

    Raises:
        InputError: `into` exists, or the model cannot be loaded or traced.
    """
    if into.exists():
        raise InputError(f"{into} exists already; name a folder that does not.")
    folder = read_folder(source)
    kind = AutoModelForSequenceClassification if folder.is_reranker else AutoModel
    try:
        model = kind.from_pretrained(
            source, dtype=torch.float32, attn_implementation="eager", trust_remote_code=False, use_safetensors=True
        ).eval()
    except (OSError, ValueError) as error:
        raise InputError(f"transformers cannot load {source}: {error}") from error
    traced = _Traced(model, "logits" if folder.is_reranker else "last_hidden_state")
    ids = (torch.arange(24) * 37 % min(1000, model.config.vocab_size)).reshape(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every shape it takes as fixed; the difference below is the check
        expected = traced(ids, mask)  # (2, 12, hidden) or (2, labels)
        graph = ov.convert_model(traced, example_input=(ids, mask))
    for port, name in zip(graph.inputs, ("input_ids", "attention_mask"), strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
    graph.outputs[0].get_tensor().set_names({traced.output})
    graph.validate_nodes_and_infer_types()
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = torch.from_numpy(compiled([ids.numpy(), mask.numpy()])[0].copy())
    visible = mask.bool() if found.ndim == 3 else torch.ones(len(found), dtype=torch.bool)
    _write(graph, source, into)
    return float((found - expected)[visible].abs().max())


class _Traced(torch.nn.Module):
    """Ids and mask in, one tensor out."""

    def __init__(self, model: Any, output: str) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask)[self.output]
        return found


def _write(graph: ov.Model, source: Path, into: Path) -> None:
    """The whole folder or nothing."""
    files = {str(path.relative_to(source)): path.read_bytes() for pattern in KEPT for path in source.glob(pattern)}
    with TemporaryDirectory() as folder:
        ov.save_model(graph, Path(folder) / "openvino_model.xml", compress_to_fp16=False)
        files |= {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    into.parent.mkdir(parents=True, exist_ok=True)
    durable.write_folder(into, files, {"exported from": source.name})
