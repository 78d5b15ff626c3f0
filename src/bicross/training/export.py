"""Any transformer to a folder that the runtime reads: its graph traced once into OpenVINO's format or ONNX, its other files copied."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from bicross import durable
from bicross.errors import InputError, MissingExtra
from bicross.models.folder import read_folder
from bicross.training.drift import Drift, drift

try:
    import openvino as ov
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from transformers import AutoModel, AutoModelForSequenceClassification
except ImportError as error:
    raise MissingExtra(f"Exporting a model needs {error.name}, which is not installed: pip install 'bicross[train]'") from error

ModelFormat = Literal["openvino", "onnx"]
GRAPHS: dict[ModelFormat, str] = {"openvino": "openvino_model.xml", "onnx": "onnx/model.onnx"}
OPSET = 17  # of ONNX; read by every runtime of today
KEPT = ("*.json", "*/config.json", "*.md", "*.txt")


class Exported(NamedTuple):
    """The largest difference of a value of the graph from torch's, and the drift on so many texts or pairs."""

    largest_difference: float
    texts: int
    drift: Drift


def export(source: Path, into: Path, form: ModelFormat = "openvino") -> Exported:
    """Trace the model in `source`, put the folder at `into`, and measure how far its numbers are from torch's (`drift`).

    "onnx" writes onnx/model.onnx, as sentence-transformers names it. The card of the source says what was measured.

    Raises:
        InputError: `into` exists, or the model cannot be loaded or traced. MissingExtra: for ONNX, onnx is not installed.
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
    with torch.no_grad(), warnings.catch_warnings(), TemporaryDirectory() as staging:
        warnings.simplefilter("ignore")  # tracing warns of every shape it takes as fixed; the differences below are the check
        file = Path(staging) / GRAPHS[form]
        file.parent.mkdir(exist_ok=True)
        (_write_onnx if form == "onnx" else _write_openvino)(_Positional(model, tuple(example), output).eval(), example, output, file)
        difference = _difference(model(**example)[output], file, example)
        for name in {str(path.relative_to(source)) for pattern in KEPT for path in source.glob(pattern)}:
            (Path(staging) / name).parent.mkdir(exist_ok=True)
            copyfile(source / name, Path(staging) / name)
        texts, drifted = drift(source, Path(staging), folder.is_reranker)
        done = Exported(difference, texts, drifted)
        _write_card(Path(staging) / "README.md", form, done)
        files = {str(path.relative_to(staging)): path.read_bytes() for path in Path(staging).rglob("*") if path.is_file()}
    into.parent.mkdir(parents=True, exist_ok=True)
    durable.write_folder(into, files, {"exported from": source.name, "largest_difference": difference, "drift": drifted})
    return done


def _difference(expected: torch.Tensor, file: Path, example: dict[str, torch.Tensor]) -> float:
    """The largest difference of a value that the graph gives in f32 from torch's, (2, 12, hidden) or (2, labels)."""
    compiled = ov.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = torch.from_numpy(compiled({name: value.numpy() for name, value in example.items()})[0].copy())
    visible = example["attention_mask"].bool() if found.ndim == 3 else torch.ones(len(found), dtype=torch.bool)
    return float((found - expected)[visible].abs().max())


def _write_card(card: Path, form: ModelFormat, done: Exported) -> None:
    """The drift, behind what the card of the source says."""
    rows = [f"| {kind} | {name} | {value:.6f} |" for kind, values in done.drift.items() for name, value in values.items()]
    said = f"Exported to {form}; beside sentence-transformers on {done.texts} texts or pairs in English and Chinese:"
    before = card.read_text("utf-8").rstrip() + "\n\n" if card.is_file() else ""
    card.write_text(
        "\n".join([f"{before}## Exported", "", said, "", "| precision | measure | value |", "|---|---|---|", *rows, ""]), "utf-8"
    )


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


def _write_openvino(module: _Positional, example: dict[str, torch.Tensor], output: str, file: Path) -> None:
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
    graph.outputs[0].get_tensor().set_names({output})
    ov.save_model(graph, file, compress_to_fp16=False)


def _write_onnx(module: _Positional, example: dict[str, torch.Tensor], output: str, file: Path) -> None:
    """As above, in ONNX. Raises MissingExtra."""
    if find_spec("onnx") is None:
        raise MissingExtra("Exporting to ONNX needs onnx, which is not installed: pip install 'bicross[onnx]'")
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        module,
        tuple(example.values()),
        str(file),
        input_names=list(example),
        output_names=[output],
        dynamic_axes={**dict.fromkeys(example, axes), output: {0: "batch"} if output == "logits" else axes},
        opset_version=OPSET,
        dynamo=False,
    )
