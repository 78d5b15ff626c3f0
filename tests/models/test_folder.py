"""What a model folder says about itself, in the layouts that sentence-transformers has written over the years."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bicross import durable
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


@pytest.mark.parametrize(("named", "sizes"), [([256, 64], (64, 256)), ([], ()), (None, ()), ("64", ()), (["64"], ())])
def test_shorter_dimensions_are_those_of_the_configuration_or_of_the_training(tmp_path: Path, named: Any, sizes: tuple[int, ...]) -> None:
    assert read_folder(write(tmp_path / "published", config={**BERT, "matryoshka_dimensions": named})).matryoshka == sizes
    durable.write_folder(
        tmp_path / "trained", {"config.json": json.dumps(BERT).encode(), "tokenizer.json": b"{}"}, {"settings": {"matryoshka": named}}
    )
    assert read_folder(tmp_path / "trained").matryoshka == sizes
    with (tmp_path / "trained" / durable.MANIFEST).open("ab") as manifest:
        manifest.write(b" ")
    assert read_folder(tmp_path / "trained").matryoshka == ()


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


# --- separate encoders for query and document -------------------------------------------------------------------------

ROUTER = "sentence_transformers.base.modules.router.Router"
SIDES = {"query": ["Transformer", "Pooling", "Normalize"], "document": ["Transformer", "Pooling", "Normalize"]}


def routed(folder: Path, sides: dict[str, list[str]] = SIDES, outer: tuple[str, ...] = (), **parameters: Any) -> Path:
    """A folder as Router.for_query_document saves it, whose sides pool by cls and mean."""
    structure = {side: [f"{side}_{number}_{name}" for number, name in enumerate(names)] for side, names in sides.items()}
    types = {key: NEW + key.rpartition("_")[2] for keys in structure.values() for key in keys}
    top = [{"path": "", "type": ROUTER}, *({"path": f"{number}_{name}", "type": NEW + name} for number, name in enumerate(outer, 1))]
    router = {"types": types, "structure": structure, "parameters": {"default_route": "document", "route_mappings": {}, **parameters}}
    extra = {"prompts": {"query": "q: ", "document": "d: "}, "similarity_fn_name": "dot"}
    for name, content in (("modules", top), ("router_config", router), ("config_sentence_transformers", extra)):
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content))
    for number, side in enumerate(("query", "document")):
        weighed_tower(folder / f"{side}_0_Transformer", number)
        (folder / f"{side}_1_Pooling").mkdir()
        (folder / f"{side}_1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": ("cls", "mean")[number]}))
    return folder


def weighed_tower(folder: Path, value: float) -> None:
    write(folder, sentence_bert_config={"max_seq_length": 64 + value})
    save_file({"w": np.full(3, value, dtype=np.float32)}, folder / "model.safetensors")


def test_a_router_has_a_tower_for_queries_and_one_for_documents(tmp_path: Path) -> None:
    folder = read_folder(routed(tmp_path / "m"))
    query = folder.query_tower
    assert query is not None and query.query_tower is None
    assert (query.path.name, query.pooling, query.max_tokens) == ("query_0_Transformer", "cls", 64)
    assert (folder.path.name, folder.pooling, folder.max_tokens) == ("document_0_Transformer", "mean", 65)
    assert folder.root == query.root == tmp_path / "m"
    for tower in (folder, query):
        assert (tower.query_prompt, tower.document_prompt, tower.similarity, tower.normalise) == ("q: ", "d: ", "cosine", True)


@pytest.mark.parametrize(
    ("query", "document", "outer", "similarity", "normalise"),
    [
        (2, 2, (), "dot", (False, False)),
        (3, 2, (), "dot", (True, False)),
        (2, 3, (), "dot", (False, True)),
        (2, 2, ("Normalize",), "cosine", (True, True)),
    ],
)
def test_each_side_is_scaled_as_its_modules_say(
    tmp_path: Path, query: int, document: int, outer: tuple[str, ...], similarity: str, normalise: tuple[bool, bool]
) -> None:
    folder = read_folder(routed(tmp_path / "m", {"query": SIDES["query"][:query], "document": SIDES["document"][:document]}, outer))
    assert folder.query_tower is not None
    assert (folder.similarity, folder.query_tower.normalise, folder.normalise) == (similarity, *normalise)


def test_a_router_whose_sides_share_their_modules_is_one_network(tmp_path: Path) -> None:
    routed(tmp_path / "m")
    router = json.loads((tmp_path / "m" / "router_config.json").read_text())
    router["structure"]["document"] = router["structure"]["query"]
    (tmp_path / "m" / "router_config.json").write_text(json.dumps(router))
    folder = read_folder(tmp_path / "m")
    assert (folder.query_tower, folder.path.name, folder.root) == (None, "query_0_Transformer", tmp_path / "m")


@pytest.mark.parametrize("side", ["query", "document"])
@pytest.mark.parametrize("name", ["0_Transformer/model.safetensors", "0_Transformer/tokenizer.json", "1_Pooling/config.json"])
def test_both_towers_decide_the_fingerprint(tmp_path: Path, side: str, name: str) -> None:
    before = read_folder(routed(tmp_path / "a")).fingerprint()
    assert read_folder(routed(tmp_path / "b")).fingerprint() == before
    changed = tmp_path / "b" / f"{side}_{name}"
    changed.write_bytes(b'{"pooling_mode": "max"}' if "Pooling" in name else b'{"version": "2"}')
    assert read_folder(tmp_path / "b").fingerprint() != before


@pytest.mark.parametrize(
    ("sides", "outer", "parameters", "words"),
    [
        ({**SIDES, "query": ["SparseStaticEmbedding", "Pooling"]}, (), {}, "module SparseStaticEmbedding"),
        ({**SIDES, "document": ["Transformer", "Pooling", "Dense"]}, (), {}, "module Dense"),
        (SIDES, ("Dense",), {}, "module Dense"),
        (SIDES, ("Router",), {}, "module Router"),
        ({**SIDES, "query": ["Pooling", "Transformer"]}, (), {}, "the query side is Pooling, Transformer; expected Transformer, Pooling"),
        ({**SIDES, "document": []}, (), {}, "the document side is ; expected"),
        ({"query": SIDES["query"]}, (), {}, "has routes query; expected query and document"),
        ({**SIDES, "image": SIDES["query"]}, (), {}, "has routes document, image, query; expected"),
        (SIDES, (), {"route_mappings": {"('query', None)": "document"}}, "and mappings"),
    ],
)
def test_a_router_that_is_not_built_is_refused(tmp_path: Path, sides: Any, outer: Any, parameters: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_folder(routed(tmp_path / "m", sides, outer, **parameters))


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"structure": {"query": ["a"]}, "types": {}}', b'{"structure": 3, "types": {}}'])
def test_a_routers_configuration_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    (routed(tmp_path / "m") / "router_config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"router_config\.json"):
        read_folder(tmp_path / "m")


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    file = routed(tmp_path / "m") / "router_config.json"
    file.write_text(file.read_text().replace("query_0_Transformer", "../query_0_Transformer"))
    (tmp_path / "m" / "query_0_Transformer").rename(tmp_path / "query_0_Transformer")
    with pytest.raises(ModelNotFound, match=f"{tmp_path}/m/query_0_Transformer has no config"):
        read_folder(tmp_path / "m")


def test_a_reranker_behind_a_router_is_refused(tmp_path: Path) -> None:
    routed(tmp_path / "m")
    (tmp_path / "m" / "document_0_Transformer" / "config.json").write_text(
        json.dumps({**BERT, "architectures": ["BertForSequenceClassification"]})
    )
    with pytest.raises(InputError, match="reranker behind a Router"):
        read_folder(tmp_path / "m")
