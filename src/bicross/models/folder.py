"""What a model folder says about itself: architecture, pooling, prompts, length; in any layout that sentence-transformers writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.errors import Damaged, InputError, ModelNotFound
from bicross.models.weights import weight_files

_POOLING_FLAGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max"}
_PROMPT_NAMES = {"query": ("query", "search_query", "question"), "document": ("document", "passage", "search_document", "corpus")}
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")  # what `graph` builds from weights
CALIBRATION = "int8.safetensors"  # what `int8` calibrated the model with
UNLIMITED = 512  # what a model without any stated length is cut at
Modules = list[tuple[str, Path]]
"""Class name and folder of each."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk. `max_tokens` counts special tokens too; `pair_types`: the second text of a pair is of type 1.

    `path` holds weights, configuration and tokenizer, `root` the whole model: they differ only behind a Router. Where queries have
    an encoder of their own it is `query_tower`, and all else is of the documents'. `notes` is the model's own bicross.json
    (calibration, fitted weights).
    """

    path: Path
    root: Path
    config: Mapping[str, Any]
    pooling: str
    normalise: bool
    query_prompt: str
    document_prompt: str
    max_tokens: int
    similarity: str
    is_reranker: bool
    pair_types: bool
    notes: Mapping[str, Any] = field(default_factory=dict)
    query_tower: ModelFolder | None = None

    def graph_file(self) -> Path | None:
        """An ONNX or OpenVINO file that holds the graph, or None where it is built from the weights, which are the source of both."""
        if self.config.get("model_type") in FAMILIES and any(self.path.glob("model.safetensors*")):
            return None
        for name in ("openvino/openvino_model.xml", "openvino_model.xml", "onnx/model.onnx", "model.onnx"):
            if (self.path / name).is_file():
                return self.path / name
        return None

    @property
    def is_calibrated(self) -> bool:
        """Whether the model was calibrated for int8."""
        return (self.path / CALIBRATION).is_file()

    @property
    def matryoshka(self) -> tuple[int, ...]:
        """Shorter dimensions that the model was trained for (Kusupati et al. 2022), as far as its folder tells: `matryoshka_dimensions` of
        the configuration, where some publish them, or the manifest that `train` writes.
        """
        named = self.config.get("matryoshka_dimensions")
        if named is None and (self.root / durable.MANIFEST).is_file():
            try:
                settings = durable.read_manifest(self.root).get("settings")
            except Damaged:  # what is not known is not promised
                settings = None
            named = settings.get("matryoshka") if isinstance(settings, dict) else None
        return tuple(sorted(size for size in named if isinstance(size, int))) if isinstance(named, list) else ()

    def fingerprint(self) -> str:
        """sha256 over all that decides a number: weights or graph, tokenizer, configuration, pooling, prompts, normalisation, length.

        Of both towers where there are two.
        """
        graph = self.graph_file()
        files = (
            weight_files(self.path)
            if graph is None
            else [graph, *graph.parent.glob(graph.stem + ".bin"), *graph.parent.glob(graph.name + "_data")]
        )
        digest = hashlib.sha256()
        calibration = [self.path / CALIBRATION] if self.is_calibrated else []  # it decides numbers, too
        for path in [*files, *calibration, self.path / "tokenizer.json"]:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        reading: list[object] = [
            self.pooling,
            self.normalise,
            self.query_prompt,
            self.document_prompt,
            self.max_tokens,
            self.similarity,
            self.config,
        ]
        reading += [self.pair_types] if self.is_reranker else []
        digest.update(json.dumps(reading, sort_keys=True).encode())
        if self.query_tower is not None:
            digest.update(self.query_tower.fingerprint().encode())
        return digest.hexdigest()


def read_folder(path: Path) -> ModelFolder:
    """Describe the model in `path`: one network, or two where queries have an encoder of their own (see `ModelFolder`).

    Raises:
        ModelNotFound: `path` is no model folder.
        InputError: a file of it is not what it should be, or it needs a module that this runtime does not have.
    """
    routes = _routes(path, _modules(path))
    extra = _json(path / "config_sentence_transformers.json")
    scaled = all(_pooling(home, modules)[1] for home, modules in routes)
    similarity = "dot" if extra.get("similarity_fn_name") in ("dot", "dot_score") and not scaled else "cosine"
    towers = [_tower(path, home, modules, extra, similarity) for home, modules in routes]
    query, document = towers[0], towers[-1]
    if len(towers) > 1 and document.is_reranker:
        raise InputError(f"{path} is a reranker behind a Router; expected one network, as a reranker has. Save its Transformer alone.")
    return document if query == document else replace(document, query_tower=query)


def _tower(root: Path, path: Path, modules: Modules, extra: Mapping[str, Any], similarity: str) -> ModelFolder:
    """One network with its tokenizer, which lie in `path`."""
    for needed in ("config.json", "tokenizer.json"):
        if not (path / needed).is_file():
            raise ModelNotFound(
                f"{path} has no {needed}. Expected a model folder: config.json, tokenizer.json, and model.safetensors or onnx/model.onnx."
            )
    config = _json(path / "config.json")
    pooling, scaled = _pooling(path, modules)
    prompts = extra.get("prompts") or {}
    architecture = " ".join(config.get("architectures") or [])
    return ModelFolder(
        path=path,
        root=root,
        config=config,
        pooling=pooling,
        normalise=similarity == "cosine" or scaled,
        query_prompt=_prompt(prompts, "query", extra.get("default_prompt_name")),
        document_prompt=_prompt(prompts, "document", extra.get("default_prompt_name")),
        max_tokens=_max_tokens(path, config),
        similarity=similarity,
        is_reranker="SequenceClassification" in architecture or extra.get("model_type") == "CrossEncoder",
        pair_types=_pair_types(path, config),
        notes=_json(root / "bicross.json"),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}). Copy or download the model again.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a {type(value).__name__}; expected a JSON object.")
    return value


def _modules(path: Path) -> Modules:
    """The modules of the folder; a plain transformer has none. Only names are read: no code is ever loaded."""
    if not (path / "modules.json").is_file():
        return []
    try:
        rows = json.loads((path / "modules.json").read_text("utf-8"))
        return [(str(row["type"]).rsplit(".", 1)[-1], path / str(row["path"])) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path / 'modules.json'} is not a list of modules ({error}). Copy or download the model again.") from error


def _routes(path: Path, modules: Modules) -> list[tuple[Path, Modules]]:
    """Where the weights lie, and the modules: of one network for both sides, or behind a Router of that of queries and that of documents.

    A Router (sentence-transformers 6.2, `base/modules/router.py`) keeps the modules of each side in folders of its own.
    """
    if not modules or modules[0][0] != "Router":
        _check_known(path, modules)
        return [(path, modules)]
    file = modules[0][1] / "router_config.json"
    router = _json(file)
    try:
        routes = {side: [(str(router["types"][key]), str(key)) for key in keys] for side, keys in router["structure"].items()}
        mapped = router.get("parameters", {}).get("route_mappings")
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{file} is not a Router's configuration ({error!r}). Copy or download the model again.") from error
    if set(routes) != {"query", "document"} or mapped:
        found = ", ".join(sorted(routes)) + (f" and mappings {mapped}" if mapped else "")
        raise InputError(f"{file} has routes {found}; expected query and document alone, as Router.for_query_document makes them.")
    sides = []
    for side in ("query", "document"):
        inner = [(kind.rsplit(".", 1)[-1], file.parent / Path(key).name) for kind, key in routes[side]]  # never outside the folder
        _check_known(path, inner + modules[1:])
        names = [name for name, _ in inner + modules[1:]]
        if names[:2] != ["Transformer", "Pooling"] or set(names[2:]) - {"Normalize"}:
            raise InputError(f"{file}: the {side} side is {', '.join(names)}; expected Transformer, Pooling and perhaps Normalize.")
        sides.append((inner[0][1], inner + modules[1:]))
    return sides


def _check_known(path: Path, modules: Modules) -> None:
    for name, _ in modules:
        if name not in ("Transformer", "Pooling", "Normalize"):
            raise InputError(
                f"{path} has a module {name}, which this runtime does not have; expected Transformer, Pooling and Normalize only. "
                "Use another model, or one saved without it."
            )


def _pooling(path: Path, modules: Modules) -> tuple[str, bool]:
    """How token vectors become one; a plain transformer is averaged and scaled to length 1."""
    if not modules:
        return "mean", True
    normalise = any(name == "Normalize" for name, _ in modules)
    for name, folder in modules:
        if name == "Pooling":
            config = _json(folder / "config.json")
            modes = (
                [config["pooling_mode"]]
                if "pooling_mode" in config
                else [mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag)]
            )
            others = [flag for flag, on in config.items() if flag.startswith("pooling_mode_") and on and flag not in _POOLING_FLAGS]
            others += ["leaving the prompt out"] if config.get("include_prompt") is False else []
            if len(modes) != 1 or others or modes[0] not in _POOLING_FLAGS.values():
                raise InputError(
                    f"{path} pools by {modes + others}; expected exactly one of mean, cls, max. Use another model, or one saved so."
                )
            return modes[0], normalise
    return "mean", normalise


def _prompt(prompts: Mapping[str, str], side: str, default: str | None) -> str:
    """The side's own prompt, an empty one too; the default stands only where the side has none, as in sentence-transformers."""
    stated = [prompts[name] or "" for name in _PROMPT_NAMES[side] if name in prompts]
    return next(filter(None, stated), "" if stated else prompts.get(default or "", ""))


def _pair_types(path: Path, config: Mapping[str, Any]) -> bool:
    """As transformers decides it: the folder says which inputs the tokenizer gives, or else its class does."""
    tokenizer = _json(path / "tokenizer_config.json")
    given = tokenizer.get("model_input_names")
    kind = tokenizer.get("tokenizer_class") or config.get("tokenizer_class") or config.get("model_type") or ""
    return "token_type_ids" in given if given else kind.lower().startswith(("bert", "deberta", "electra"))


def _max_tokens(path: Path, config: Mapping[str, Any]) -> int:
    """The smallest stated limit, special tokens counted; RoBERTa's table has pad + 1 rows that are no positions."""
    stated = [
        _json(path / "sentence_bert_config.json").get("max_seq_length"),
        _json(path / "tokenizer_config.json").get("model_max_length"),
    ]
    positions = config.get("max_position_embeddings")
    if positions and config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
        positions -= config.get("pad_token_id", 1) + 1
    limits = [int(limit) for limit in [*stated, positions] if limit and limit < 1_000_000]
    return min(limits, default=UNLIMITED)
