"""The numbers of transformers and sentence-transformers on the same folders: the starter pair, and tiny models with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from bicross.data.questions import read_queries
from bicross.data.sources import read_documents
from bicross.errors import InputError
from bicross.models import graph
from bicross.models.bi_encoder import BiEncoder
from bicross.models.cross_encoder import CrossEncoder
from bicross.models.folder import read_folder
from bicross.models.registry import find, load_encoder, load_reranker
from bicross.models.weights import read_weights
from bicross.records import Document
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER
from bicross.vectors import Vectors, unit

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # on a busy machine threads that wait for each other take ten times as long
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # theirs

DATA = Path(__file__).parents[2] / "examples" / "data"
SENTENCES = "the red button resets a printer when it is held for ten seconds rain falls on hills 打 印 机 红 色 按 钮"
WORDS = SENTENCES.split()
TEXTS = [
    "the red button resets the printer",
    "rain falls on hills when it rains for ten seconds",
    "红色按钮重置打印机",
    "",
    "a",
    "button " * 100,
    "resettable printers, (re)set! 打印机 printer's",
]
PAIRS = [(left, right) for left in TEXTS[:4] for right in TEXTS]


def real_texts() -> list[str]:
    """24 paragraphs and questions of both languages, an empty text, and one of several times the model's length."""
    texts: list[str] = []
    for language in ("en", "zh"):
        rows = read_documents([DATA / f"xquad_{language}"])
        documents = [row for row, _ in zip(rows, range(6), strict=False) if isinstance(row, Document)]
        texts += [document.text[: 40 + 80 * number] for number, document in enumerate(documents)]
        texts += [query.text for query in read_queries(DATA / f"xquad_{language}")[0][:6]]
    return [*texts, "", " ".join(texts) * 3]


def cosines(left: Vectors, right: Vectors) -> Vectors:
    return np.asarray((unit(left) * unit(right)).sum(axis=1))


class TestStarterEncoder:
    """On real text, short to over-long, at both precisions."""

    @pytest.fixture(scope="class")
    @classmethod
    def texts(cls) -> list[str]:
        return real_texts()

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, texts: list[str]) -> dict[str, Vectors]:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(find(STARTER_ENCODER).path), device="cpu", model_kwargs={"dtype": torch.float32})
        return {"query": model.encode_query(texts, batch_size=2), "document": model.encode_document(texts, batch_size=2)}

    @pytest.mark.parametrize(("precision", "least"), [("f32", 0.99999), ("bf16", 0.999)])
    def test_vectors_are_those_of_sentence_transformers(
        self, texts: list[str], reference: dict[str, Vectors], precision: str, least: float
    ) -> None:
        encoder = load_encoder(STARTER_ENCODER, precision)
        assert cosines(encoder.encode_queries(texts), reference["query"]).min() >= least
        assert cosines(encoder.encode_documents(texts), reference["document"]).min() >= least
        assert len(encoder.cut) == 2  # the last text, once a side


def test_scores_of_the_starter_reranker_are_those_of_sentence_transformers() -> None:
    from sentence_transformers import CrossEncoder as Reference

    texts = real_texts()
    pairs = [(query, document) for query in (texts[6], texts[18]) for document in (*texts[:24:6], texts[-2], texts[-1])]
    model = Reference(
        str(find(STARTER_RERANKER).path), device="cpu", model_kwargs={"dtype": torch.float32}, activation_fn=torch.nn.Identity()
    )
    assert load_reranker(STARTER_RERANKER, "f32").score(pairs) == pytest.approx(model.predict(pairs, batch_size=2), abs=1e-4)


# --- tiny models with random weights ---------------------------------------------------------------------------------


def word_pieces() -> Tokenizer:
    """BERT's: words and characters, the second text of a pair is of type 1."""
    characters = sorted({character for word in WORDS for character in word})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *characters, *(f"##{character}" for character in characters), *",.!()'"]
    tokenizer = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def unigrams() -> Tokenizer:
    """XLM-RoBERTa's: pieces with probabilities, two separators between the texts of a pair, all of type 0."""
    specials = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    characters = sorted({character for word in WORDS for character in word} | {"▁"})
    pieces = [*specials, *((f"▁{word}", -2.0) for word in WORDS), *((character, -6.0) for character in characters)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


FAMILIES: dict[str, dict[str, Any]] = {
    "Bert": {"tokenizer": word_pieces, "names": ("[PAD]", "[UNK]", "[CLS]", "[SEP]"), "types": 2, "positions": 48},
    "XLMRoberta": {"tokenizer": unigrams, "names": ("<pad>", "<unk>", "<s>", "</s>"), "types": 1, "positions": 50},
}
LENGTH = 48  # tokens


def checkpoint(folder: Path, family: str, head: str, inputs: tuple[str, ...] = (), **config: Any) -> Path:
    """A model of 2 layers and 32 dimensions with random weights, as transformers saves it."""
    import transformers

    facts = FAMILIES[family]
    tokenizer, (pad, unknown, first, last) = facts["tokenizer"](), facts["names"]
    vocabulary = tokenizer.get_vocab()
    settings = getattr(transformers, f"{family}Config")(
        vocab_size=len(vocabulary),
        hidden_size=config.pop("hidden_size", 32),
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=facts["positions"],
        type_vocab_size=facts["types"],
        pad_token_id=vocabulary[pad],
        bos_token_id=vocabulary[first],
        eos_token_id=vocabulary[last],
        **config,
    )
    torch.manual_seed(7)
    model = getattr(transformers, f"{family}{head}")(settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # larger than a fresh model's, so that attention is not flat and biases count
            parameter.normal_(0, 0.5)
    model.save_pretrained(folder)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, cls_token=first, sep_token=last, model_max_length=LENGTH
    )
    wrapped.save_pretrained(folder)
    if inputs:
        stated = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps({**stated, "model_input_names": inputs}))
    return folder


def pooled(folder: Path, how: str, similarity: str = "cosine") -> Path:
    """The folder as a bi-encoder, with prompts and without a Normalize module."""
    (folder / "1_Pooling").mkdir()
    names = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    flags = {f"pooling_mode_{name}": how == key for key, name in names.items()}
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    files: dict[str, Any] = {
        "1_Pooling/config.json": {"word_embedding_dimension": 32, **flags},
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}
            for number, (path, name) in enumerate(modules)
        ],
        "config_sentence_transformers.json": {
            "model_type": "SentenceTransformer",
            "prompts": {"query": "rain ", "document": "打 "},
            "similarity_fn_name": similarity,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("how", "similarity"), [("mean", "cosine"), ("cls", "cosine"), ("max", "cosine"), ("mean", "dot")])
def test_vectors_of_tiny_models(tmp_path: Path, family: str, how: str, similarity: str) -> None:
    from sentence_transformers import SentenceTransformer

    folder = pooled(checkpoint(tmp_path, family, "Model"), how, similarity)
    reference = SentenceTransformer(str(folder), device="cpu")
    encoder = BiEncoder(read_folder(folder), "f32")
    assert (encoder.space.similarity, encoder.space.dim, encoder.folder.max_tokens) == (similarity, 32, LENGTH)
    for ours, theirs in ((encoder.encode_queries, reference.encode_query), (encoder.encode_documents, reference.encode_document)):
        assert ours(TEXTS) == pytest.approx(theirs(TEXTS, normalize_embeddings=similarity == "cosine"), abs=1e-5)


def towers(folder: Path, query: Path, document: Path, outer: bool, similarity: Any = "cosine") -> Path:
    """Two checkpoints as one model with separate encoders, as sentence-transformers saves it; scaled in or after the Router."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Router, Transformer

    inner = [] if outer else [Normalize()]
    modules: list[list[Any]] = []
    for path, how in ((query, "cls"), (document, "mean")):
        transformer = Transformer(str(path))
        modules.append([transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode=how), *inner])
    router = Router.for_query_document(query_modules=modules[0], document_modules=modules[1])
    prompts = {"query": "rain ", "document": "red "}
    top: list[Any] = [router, *([Normalize()] if outer and similarity == "cosine" else [])]
    SentenceTransformer(modules=top, device="cpu", prompts=prompts, similarity_fn_name=similarity).save(str(folder))
    return folder


@pytest.mark.parametrize(("outer", "similarity"), [(True, "cosine"), (False, "cosine"), (True, "dot")])
def test_separate_encoders_for_query_and_document(tmp_path: Path, outer: bool, similarity: str) -> None:
    from sentence_transformers import SentenceTransformer

    query, document = checkpoint(tmp_path / "q", "XLMRoberta", "Model"), checkpoint(tmp_path / "d", "Bert", "Model")
    folder = towers(tmp_path / "m", query, document, outer, similarity)
    reference = SentenceTransformer(str(folder), device="cpu")
    encoder = BiEncoder(read_folder(folder), "f32")
    assert (encoder.space.similarity, encoder.space.dim) == (similarity, 32)
    for ours, theirs in ((encoder.encode_queries, reference.encode_query), (encoder.encode_documents, reference.encode_document)):
        assert cosines(ours(TEXTS), theirs(TEXTS)).min() >= 0.99999
        assert ours(TEXTS) == pytest.approx(theirs(TEXTS), abs=1e-4)
    assert cosines(encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS)).max() < 0.9, "the towers differ"
    assert encoder.tokenizer.to_str() == Tokenizer.from_file(str(document / "tokenizer.json")).to_str()
    assert [len(rows) for _, rows in encoder.query_tokens(["a red button"])] == [len(unigrams().encode("rain a red button").ids)]
    assert [len(rows) for _, rows in encoder.document_tokens(["a red button"])] == [len(word_pieces().encode("red a red button").ids)]


def test_separate_encoders_of_different_widths_are_refused(tmp_path: Path) -> None:
    query, document = checkpoint(tmp_path / "q", "Bert", "Model"), checkpoint(tmp_path / "d", "Bert", "Model")
    folder = towers(tmp_path / "m", query, document, outer=True)
    narrow = checkpoint(tmp_path / "n", "Bert", "Model", hidden_size=16)
    for file in ("config.json", "model.safetensors"):
        (folder / "query_0_Transformer" / file).write_bytes((narrow / file).read_bytes())
    with pytest.raises(InputError, match="gives queries 16 dimensions and documents 32"):
        BiEncoder(read_folder(folder), "f32")


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
def test_other_activations(tmp_path: Path, activation: str) -> None:
    from sentence_transformers import SentenceTransformer

    folder = pooled(checkpoint(tmp_path, "Bert", "Model", hidden_act=activation), "mean")
    reference = SentenceTransformer(str(folder), device="cpu").encode_document(TEXTS, normalize_embeddings=True)
    assert BiEncoder(read_folder(folder), "f32").encode_documents(TEXTS) == pytest.approx(reference, abs=1e-5)


@pytest.mark.parametrize(
    ("family", "inputs"),
    [
        ("Bert", ("input_ids", "token_type_ids", "attention_mask")),
        ("Bert", ("input_ids", "attention_mask")),
        ("Bert", ()),  # the generic class of tokenizers gives no types
        ("XLMRoberta", ()),
    ],
)
def test_scores_of_tiny_models(tmp_path: Path, family: str, inputs: tuple[str, ...]) -> None:
    from sentence_transformers import CrossEncoder as Reference

    folder = checkpoint(tmp_path, family, "ForSequenceClassification", inputs, num_labels=1)
    expected = Reference(str(folder), device="cpu", activation_fn=torch.nn.Identity()).predict(PAIRS)
    scorer = CrossEncoder(read_folder(folder), "f32")
    assert np.ptp(expected) > 0.1, "the pairs must differ, or agreement says little"
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=1e-4)
    assert len(scorer.cut) == sum("button button" in right for _, right in PAIRS)


def test_a_bert_tokenizer_by_its_class_gives_types(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder as Reference

    folder = checkpoint(tmp_path, "Bert", "ForSequenceClassification", num_labels=1)
    stated = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**stated, "tokenizer_class": "BertTokenizer"}))
    expected = Reference(str(folder), device="cpu", activation_fn=torch.nn.Identity()).predict(PAIRS)
    assert CrossEncoder(read_folder(folder), "f32").score(PAIRS) == pytest.approx(expected, abs=1e-4)


def test_a_tokenizer_that_numbers_the_second_text_for_a_model_of_one_type(tmp_path: Path) -> None:
    inputs = ("input_ids", "token_type_ids", "attention_mask")
    folder = checkpoint(tmp_path, "XLMRoberta", "ForSequenceClassification", inputs, num_labels=1)
    expected = CrossEncoder(read_folder(folder), "f32").score(PAIRS)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s>:1 $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    assert CrossEncoder(read_folder(folder), "f32").score(PAIRS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("family", ["Bert", "XLMRoberta"])
def test_in_bf16_scores_keep_their_order(tmp_path: Path, family: str) -> None:
    folder = read_folder(checkpoint(tmp_path, family, "ForSequenceClassification", num_labels=1))
    exact, rounded = (CrossEncoder(folder, precision).score(PAIRS) for precision in ("f32", "bf16"))
    assert rounded == pytest.approx(exact, abs=0.02 * max(1.0, float(np.abs(exact).max())))


def test_in_bf16_products_are_rounded_and_sums_and_norms_are_not(tmp_path: Path) -> None:
    folder = read_folder(checkpoint(tmp_path, "Bert", "Model"))
    inputs, hidden = graph.bert(folder.config, read_weights(folder.path), None, "bf16")
    kinds: dict[str, set[str]] = {}
    for node in ov.Model([hidden], inputs).get_ops():
        kinds.setdefault(node.get_type_name(), set()).add(node.get_output_element_type(0).get_type_name())
    assert kinds["MatMul"] == kinds["Softmax"] == {"bf16"}
    assert kinds["MVN"] == {"f32"} and hidden.get_element_type().get_type_name() == "f32"


def test_the_last_layer_for_the_first_token_alone_is_the_first_row_of_the_whole(tmp_path: Path) -> None:
    folder = read_folder(checkpoint(tmp_path, "Bert", "Model"))
    weights, given = read_weights(folder.path), [np.array([[3, 4, 5, 6], [3, 7, 0, 0]]), np.array([[1, 1, 1, 1], [1, 1, 0, 0]])]
    rows = []
    for first_token in (False, True):
        inputs, hidden = graph.bert(folder.config, weights, first_token=first_token)
        compiled = ov.Core().compile_model(ov.Model([hidden], inputs), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows.append(compiled([*given, np.zeros_like(given[0])])[0])
    assert rows[1].shape == (2, 1, rows[0].shape[2])
    assert rows[1][:, 0] == pytest.approx(rows[0][:, 0], abs=1e-5)


def test_several_classes_are_no_reranker(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "Bert", "ForSequenceClassification", num_labels=3)
    with pytest.raises(InputError, match="gives 3 scores a pair; expected 1"):
        CrossEncoder(read_folder(folder), "f32")


def test_what_config_and_weights_lack_is_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "Bert", "Model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(InputError, match=r"no weight 'encoder\.layer\.2\."):
        BiEncoder(read_folder(folder), "f32")
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if key != "hidden_size"}))
    with pytest.raises(InputError, match="no hidden_size"):
        BiEncoder(read_folder(folder), "f32")


@pytest.fixture
def as_graph_file(tmp_path: Path) -> Path:
    """A tiny encoder of which only an OpenVINO file is left, and the vectors that its weights gave."""
    folder = pooled(checkpoint(tmp_path, "Bert", "Model"), "mean")
    described = read_folder(folder)
    np.save(tmp_path / "expected.npy", BiEncoder(described, "f32").encode_documents(TEXTS))
    inputs, hidden = graph.bert(described.config, read_weights(folder))
    for node in inputs:
        node.output(0).set_names({node.friendly_name})
    hidden.output(0).set_names({"last_hidden_state"})
    ov.save_model(ov.Model([hidden], inputs), folder / "openvino_model.xml", compress_to_fp16=False)
    (folder / "model.safetensors").unlink()
    return folder


def test_a_graph_file_gives_the_numbers_of_the_weights(as_graph_file: Path) -> None:
    encoder = BiEncoder(read_folder(as_graph_file), "f32")
    assert encoder.encode_documents(TEXTS) == pytest.approx(np.load(as_graph_file / "expected.npy"), abs=1e-6)


def test_a_graph_file_that_is_damaged_is_refused(as_graph_file: Path) -> None:
    path = as_graph_file / "openvino_model.xml"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a graph that OpenVINO reads"):
        BiEncoder(read_folder(as_graph_file), "f32")


def test_a_graph_of_other_inputs_is_refused(as_graph_file: Path) -> None:
    path = as_graph_file / "openvino_model.xml"
    path.write_text(path.read_text().replace("token_type_ids", "pixels"))
    with pytest.raises(InputError, match=r"has inputs.*expected input_ids, attention_mask"):
        BiEncoder(read_folder(as_graph_file), "f32")
