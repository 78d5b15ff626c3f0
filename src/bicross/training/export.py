"""Any transformer to a folder that the runtime reads: its graph traced once into OpenVINO's format, its other files copied."""

from __future__ import annotations

import warnings
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bicross import durable
from bicross.errors import InputError, MissingExtra
from bicross.models.folder import read_folder

try:
    import openvino as ov
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
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
    output = "logits" if folder.is_reranker else "last_hidden_state"
    example = _example(model, min(1000, model.config.vocab_size))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every shape it takes as fixed; the difference below is the check
        expected = model(**example)[output]  # (2, 12, hidden) or (2, labels)
        graph = _traced(_Positional(model, tuple(example), output), example)
    graph.outputs[0].get_tensor().set_names({output})
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = torch.from_numpy(compiled([value.numpy() for value in example.values()])[0].copy())
    visible = example["attention_mask"].bool() if found.ndim == 3 else torch.ones(len(found), dtype=torch.bool)
    _write(graph, source, into)
    return float((found - expected)[visible].abs().max())


def _example(model: Any, words: int) -> dict[str, torch.Tensor]:
    """Two texts of 12 and 7 tokens, (2, 12) each: ids, mask, and token types of a pair where the model reads them."""
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[1, 7:] = 0
    example = {"input_ids": (torch.arange(24) * 37 % words).reshape(2, 12), "attention_mask": mask}
    if "token_type_ids" in signature(model.forward).parameters and getattr(model.config, "type_vocab_size", 0) > 1:
        example["token_type_ids"] = (torch.arange(12) >= 4).long().repeat(2, 1)
    return example


class _Positional(torch.nn.Module):
    """The named tensors in, in their order; one tensor out."""

    def __init__(self, model: Any, names: tuple[str, ...], output: str) -> None:
        super().__init__()
        self.model, self.names, self.output = model, names, output

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.model(**dict(zip(self.names, values, strict=True)))[self.output]
        return found


def _traced(module: _Positional, example: dict[str, torch.Tensor]) -> ov.Model:
    """The module as a graph of any batch and length. By the frontend itself: `openvino.convert_model` would send telemetry."""
    frontend = FrontEndManager().load_by_framework("pytorch")
    script = torch.jit.trace(module, tuple(example.values()), strict=False)  # type: ignore[no-untyped-call]  # torch's own
    decoder = TorchScriptPythonDecoder(script, shared_memory=False)
    graph: ov.Model = frontend.convert(frontend.load(decoder))
    for port, name in zip(graph.inputs, example, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_element_type(ov.Type.i64)
        port.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
    graph.validate_nodes_and_infer_types()
    return graph


def _write(graph: ov.Model, source: Path, into: Path) -> None:
    """The whole folder or nothing."""
    files = {str(path.relative_to(source)): path.read_bytes() for pattern in KEPT for path in source.glob(pattern)}
    with TemporaryDirectory() as folder:
        ov.save_model(graph, Path(folder) / "openvino_model.xml", compress_to_fp16=False)
        files |= {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    into.parent.mkdir(parents=True, exist_ok=True)
    durable.write_folder(into, files, {"exported from": source.name})
