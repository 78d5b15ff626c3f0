"""Models by name: a folder, the starter pair that ships with the package, or a hub's name. Nothing is loaded with remote code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tokenizers import Tokenizer

from bicross.errors import InputError, ModelNotFound
from bicross.models.devices import resolved
from bicross.models.folder import FAMILIES, ModelFolder, read_folder
from bicross.models.hashed import HashedEncoder, HashedScorer
from bicross.models.names import is_folder
from bicross.models.weights import weight_files
from bicross.protocols import Encoder, Scorer, Side
from bicross.settings import STARTER_ENCODER, STARTER_FAST, STARTER_RERANKER
from bicross.starter import unpacked

if TYPE_CHECKING:
    from bicross.vectors import Scores, Vectors

HASHED = "bicross/hashed"
SHIPPED = {
    STARTER_ENCODER: "bi-encoder, Chinese and English, 384 dimensions",
    STARTER_RERANKER: "cross-encoder, Chinese and English, 12 layers",
    STARTER_FAST: "the same with 6 layers, in half the time",
    HASHED: "no weights: hashed words, for tests that need no quality",
}
_PATTERNS = [
    "*.json",
    "*.safetensors",
    "onnx/model.onnx*",
    "model.onnx*",
    "openvino/*",
    "openvino_model.*",
    "1_Pooling/*",
    "2_Normalize/*",
    "*.md",
]


class TokenEncoder(Encoder, Protocol):
    """An Encoder that lets passages be cut by its own tokens, and tells how many it read of each text and whether that was cut."""

    @property
    def tokenizer(self) -> Tokenizer: ...
    @property
    def content_tokens(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def matryoshka(self) -> tuple[int, ...]: ...
    @property
    def cut(self) -> list[str]: ...
    def encode_counted(self, side: Side, texts: Sequence[str], /) -> tuple[Vectors, list[int], list[bool]]: ...


class CountingScorer(Scorer, Protocol):
    """A Scorer that also tells how many tokens it read of each pair, and whether the pair was cut."""

    def score_counted(self, pairs: Sequence[tuple[str, str]]) -> tuple[Scores, list[int], list[bool]]: ...


def load_encoder(name: str = STARTER_ENCODER, precision: str | None = None, device: str | None = None) -> TokenEncoder:
    """A bi-encoder by folder or name. `precision` is f32 or bf16; by default what the device does best. `device` is auto, cpu, cuda or mps;
    by default what BICROSS_DEVICE says, else auto: a GPU where torch finds one.

    Raises:
        ModelNotFound: there is no such model, and no hub that has it can be reached.
        InputError: it is a reranker, or of a family that this runtime does not build.
    """
    if name == HASHED:
        return HashedEncoder()
    from bicross.models.bi_encoder import BiEncoder  # slow to import, and needed only where a real model is

    folder = _supported(find(name))
    if folder.is_reranker:
        raise InputError(f"{name} is a reranker (cross-encoder); expected a bi-encoder. Did you mean --reranker {name}?")
    return BiEncoder(folder, precision, resolved(device))


def load_reranker(name: str = STARTER_RERANKER, precision: str | None = None, device: str | None = None) -> CountingScorer:
    """A cross-encoder by folder or name; precision and device as of `load_encoder`.

    Raises:
        ModelNotFound: there is no such model, and no hub that has it can be reached.
        InputError: it is a bi-encoder, or of a family that this runtime does not build.
    """
    if name == HASHED:
        return HashedScorer()
    from bicross.models.cross_encoder import CrossEncoder  # slow to import, and needed only where a real model is

    return CrossEncoder(_reranker(name), precision, resolved(device))


def load_late_interaction(encoder: Encoder) -> Scorer | None:
    """Late interaction over an encoder's token vectors; None where it gives none."""
    if isinstance(encoder, HashedEncoder):
        return None
    from bicross.models.bi_encoder import BiEncoder
    from bicross.models.late_interaction import LateInteraction

    return LateInteraction(encoder) if isinstance(encoder, BiEncoder) else None


def notes(name: str) -> Mapping[str, Any]:
    """What a reranker's folder says for Bicross (bicross.json): fitted weights and calibration; nothing for models without.

    Raises:
        ModelNotFound, InputError: as `load_reranker` does of the name.
    """
    return {} if name == HASHED else _reranker(name).notes


def describe(name: str) -> dict[str, Any]:
    """Facts about a model, `path` of its folder among them.

    Raises:
        ModelNotFound: there is no such model, or it has no folder.
    """
    if name == HASHED:
        raise ModelNotFound(f"{HASHED} has no weights and no folder. Expected a model folder, {STARTER_ENCODER} or {STARTER_RERANKER}.")
    folder = find(name)
    card = folder.root / "README.md"
    return {
        "name": name,
        "path": str(folder.root),
        "kind": "reranker" if folder.is_reranker else "encoder",
        "family": folder.config.get("model_type"),
        "layers": folder.config.get("num_hidden_layers"),
        "dimensions": folder.config.get("hidden_size"),
        "max_tokens": folder.max_tokens,
        "pooling": None if folder.is_reranker else folder.pooling,
        "query_tower": _tower(folder.query_tower) if folder.query_tower else None,
        "query_prompt": folder.query_prompt,
        "document_prompt": folder.document_prompt,
        "fingerprint": folder.fingerprint(),
        "card": str(card) if card.is_file() else None,
        "notes": dict(folder.notes),
    }


def _tower(folder: ModelFolder) -> dict[str, Any]:
    """What is its own in the encoder of queries."""
    layers = folder.config.get("num_hidden_layers")
    return {"family": folder.config.get("model_type"), "layers": layers, "max_tokens": folder.max_tokens, "pooling": folder.pooling}


def find(name: str) -> ModelFolder:
    """The folder of the model that `name` means, fetched from the hub if it must be."""
    if name in (STARTER_ENCODER, STARTER_RERANKER, STARTER_FAST):
        return read_folder(unpacked(name))
    if is_folder(Path(name)):
        return read_folder(Path(name))
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelNotFound(f"There is no model folder {name!r}. Expected a folder, a hub name like owner/model, or {STARTER_ENCODER}.")
    return read_folder(_fetch(name))


def _reranker(name: str) -> ModelFolder:
    folder = _supported(find(name))
    if not folder.is_reranker:
        raise InputError(f"{name} is a bi-encoder; expected a reranker (cross-encoder). Did you mean --encoder {name}?")
    return folder


def _fetch(name: str) -> Path:
    from huggingface_hub import snapshot_download  # slow to import, and needed only here
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS, etag_timeout=10))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise ModelNotFound(
            f"Model {name!r} is not in the local cache, and the hub could not give it ({type(error).__name__}). Copy its folder here "
            f"from a machine that has it and give the path, or use the pair that ships with Bicross: {STARTER_ENCODER}, {STARTER_RERANKER}."
        ) from error


def _supported(folder: ModelFolder) -> ModelFolder:
    if folder.query_tower is not None:
        _supported(folder.query_tower)
    family = folder.config.get("model_type")
    if folder.graph_file() is None and family not in FAMILIES:
        raise InputError(
            f"{folder.path} is a {family!r} model; this runtime builds {', '.join(FAMILIES)}, and reads ONNX and OpenVINO files. "
            f"Convert it once: pip install 'bicross[train]' && bicross export {folder.path} --into {folder.path.name}-openvino"
        )
    if folder.graph_file() is None:
        weight_files(folder.path)  # raises where there are none
    return folder
