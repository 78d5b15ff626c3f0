"""What a model folder says about itself, in the layouts that sentence-transformers has written over the years."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bicross.errors import InputError, ModelNotFound
from bicross.models.folder import ModelFolder, read_folder

BERT = {"model_type": "bert", "architectures": ["BertModel"], "max_position_embeddings": 512, "hidden_size": 8}
OLD = "sentence_transformers.models."
NEW = "sentence_transformers.sentence_transformer.modules."


def write(folder: Path, **files: Any) -> Path:
    """A model folder; the keywords are file names, with __ for / and without .json."""
    contents = {"config": BERT, "tokenizer": {}, **files}
    for name, content in contents.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(json.dumps(content))
    return folder


def modules(*names: str, prefix: str = OLD) -> list[dict[str, Any]]:
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize", "Dense": "2_Dense"}
    return [{"idx": i, "name": str(i), "path": paths[name], "type": prefix + name} for i, name in enumerate(names)]


@pytest.mark.parametrize(("flag", "how"), [("mean_tokens", "mean"), ("cls_token", "cls"), ("max_tokens", "max")])
def test_pooling_by_flags_of_the_old_layout(tmp_path: Path, flag: str, how: str) -> None:
    flags = {f"pooling_mode_{name}": name == flag for name in ("mean_tokens", "cls_token", "max_tokens", "weightedmean_tokens")}
    folder = read_folder(write(tmp_path, modules=modules("Transformer", "Pooling", "Normalize"), **{"1_Pooling__config": flags}))
    assert (folder.pooling, folder.normalise, folder.similarity) == (how, True, "cosine")


@pytest.mark.parametrize("how", ["mean", "cls", "max"])
def test_pooling_by_name_of_the_new_layout(tmp_path: Path, how: str) -> None:
    config = {"embedding_dimension": 8, "pooling_mode": how, "include_prompt": True}
    folder = read_folder(write(tmp_path, modules=modules("Transformer", "Pooling", prefix=NEW), **{"1_Pooling__config": config}))
    assert folder.pooling == how


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"pooling_mode": "lasttoken"},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode_lasttoken": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_mean_sqrt_len_tokens": True},
        {"pooling_mode": "mean", "include_prompt": False},
    ],
)
def test_pooling_that_is_not_built_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    write(tmp_path, modules=modules("Transformer", "Pooling"), **{"1_Pooling__config": config})
    with pytest.raises(InputError, match="exactly one of mean, cls, max"):
        read_folder(tmp_path)


def test_a_plain_transformer_is_averaged(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path))
    assert (folder.pooling, folder.normalise, folder.query_prompt, folder.document_prompt) == ("mean", True, "", "")


@pytest.mark.parametrize(
    ("named", "scaled", "similarity", "normalise"),
    [("cosine", True, "cosine", True), ("cosine", False, "cosine", True), ("dot", True, "cosine", True), ("dot", False, "dot", False)],
)
def test_vectors_compared_by_cosine_have_length_one(tmp_path: Path, named: str, scaled: bool, similarity: str, normalise: bool) -> None:
    names = ("Transformer", "Pooling", "Normalize")[: 2 + scaled]
    pooling = {"pooling_mode_mean_tokens": True}
    extra = {"similarity_fn_name": named}
    write(tmp_path, modules=modules(*names), config_sentence_transformers=extra, **{"1_Pooling__config": pooling})
    folder = read_folder(tmp_path)
    assert (folder.similarity, folder.normalise) == (similarity, normalise)


@pytest.mark.parametrize(
    ("prompts", "default", "query", "document"),
    [
        ({"query": "query: ", "document": "passage: "}, None, "query: ", "passage: "),
        ({"query": "q: ", "passage": "p: "}, None, "q: ", "p: "),
        ({"search_query": "s: ", "search_document": "d: "}, None, "s: ", "d: "),
        ({"query": "q: ", "document": ""}, "query", "q: ", ""),
        ({"task": "t: "}, "task", "t: ", "t: "),
        ({"task": "t: "}, None, "", ""),
        ({}, None, "", ""),
    ],
)
def test_prompts(tmp_path: Path, prompts: dict[str, str], default: str | None, query: str, document: str) -> None:
    extra = {"prompts": prompts, "default_prompt_name": default}
    folder = read_folder(write(tmp_path, config_sentence_transformers=extra))
    assert (folder.query_prompt, folder.document_prompt) == (query, document)


@pytest.mark.parametrize(
    ("config", "sentence", "tokenizer", "expected"),
    [
        (BERT, {"max_seq_length": 128}, {"model_max_length": 512}, 128),
        (BERT, {"max_seq_length": None}, {"model_max_length": 256}, 256),
        (BERT, {}, {"model_max_length": int(1e30)}, 512),
        (BERT, {"max_seq_length": 4096}, {"model_max_length": 4096}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, {}, {}, 512),
        ({"model_type": "bert"}, {}, {}, 512),
    ],
)
def test_the_smallest_stated_length_holds(tmp_path: Path, config: Any, sentence: Any, tokenizer: Any, expected: int) -> None:
    write(tmp_path, config=config, sentence_bert_config=sentence, tokenizer_config=tokenizer)
    assert read_folder(tmp_path).max_tokens == expected


def test_a_module_that_is_not_built_is_named(tmp_path: Path) -> None:
    write(tmp_path, modules=modules("Transformer", "Pooling", "Dense"), **{"1_Pooling__config": {"pooling_mode_mean_tokens": True}})
    with pytest.raises(InputError, match=r"module Dense.*expected Transformer, Pooling and Normalize"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("config", "extra", "reranker"),
    [
        (BERT, {}, False),
        ({**BERT, "architectures": ["BertForSequenceClassification"]}, {}, True),
        (BERT, {"model_type": "CrossEncoder"}, True),
        (BERT, {"model_type": "SentenceTransformer"}, False),
        ({**BERT, "architectures": None}, {}, False),
    ],
)
def test_a_reranker_is_known_by_its_head(tmp_path: Path, config: Any, extra: Any, reranker: bool) -> None:
    assert read_folder(write(tmp_path, config=config, config_sentence_transformers=extra)).is_reranker is reranker


@pytest.mark.parametrize(
    ("tokenizer", "config", "types"),
    [
        ({"tokenizer_class": "BertTokenizer"}, BERT, True),
        ({"tokenizer_class": "BertTokenizerFast"}, BERT, True),
        ({"tokenizer_class": "XLMRobertaTokenizer"}, BERT, False),
        ({"tokenizer_class": "TokenizersBackend"}, BERT, False),
        ({"tokenizer_class": "TokenizersBackend", "model_input_names": ["input_ids", "token_type_ids"]}, BERT, True),
        ({"tokenizer_class": "BertTokenizer", "model_input_names": ["input_ids", "attention_mask"]}, BERT, False),
        ({}, BERT, True),
        ({}, {**BERT, "model_type": "xlm-roberta"}, False),
    ],
)
def test_pairs_have_types_where_the_tokenizer_gives_them(tmp_path: Path, tokenizer: Any, config: Any, types: bool) -> None:
    assert read_folder(write(tmp_path, config=config, tokenizer_config=tokenizer)).pair_types is types


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    with pytest.raises(ModelNotFound, match=f"has no {name}"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "name", ["config", "config_sentence_transformers", "sentence_bert_config", "tokenizer_config", "modules", "bicross"]
)
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{}", b"3"])
def test_what_is_not_json_of_the_right_kind_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (write(tmp_path) / f"{name}.json").write_bytes(content)
    with pytest.raises(InputError, match=f"{name}.json"):
        read_folder(tmp_path)


def test_a_graph_file_comes_before_weights(tmp_path: Path) -> None:
    folder = read_folder(write(tmp_path))
    assert folder.graph_file() is None
    for name in ("model.onnx", "onnx/model.onnx", "openvino_model.xml", "openvino/openvino_model.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        assert folder.graph_file() == tmp_path / name


def test_all_that_decides_a_number_decides_the_fingerprint(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"config": {**BERT, "hidden_act": "relu"}},
        {"tokenizer": {"version": "2"}},
        {"config_sentence_transformers": {"prompts": {"query": "q: "}}},
        {"config_sentence_transformers": {"prompts": {"document": "q: "}}},
        {"sentence_bert_config": {"max_seq_length": 128}},
        {"modules": modules("Transformer", "Pooling"), "1_Pooling__config": {"pooling_mode": "cls"}},
    ]
    fingerprints = [weighed(tmp_path / str(number), 0, **change).fingerprint() for number, change in enumerate(changes)]
    fingerprints.append(weighed(tmp_path / "other weights", 1).fingerprint())
    assert len(set(fingerprints)) == len(fingerprints)
    assert weighed(tmp_path / "a copy", 0).fingerprint() == fingerprints[0]


def weighed(folder: Path, value: float, **files: Any) -> ModelFolder:
    write(folder, **files)
    save_file({"w": np.full(3, value, dtype=np.float32)}, folder / "model.safetensors")
    return read_folder(folder)
