"""A small world whose answers can be seen by eye, and models small enough to be trained in a second.

A document is about two subjects, each named by a word of its own, among filler words. A question asks for the two subjects of one
document by other words, "q7" for "d7", and has filler words, too. Words alone find nothing but fillers. The bi-encoder begins with
"q7" near "d7", drowned in fillers: it gets better by learning which words do not matter.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from bicross import pipeline
from bicross.settings import CrossEncoderSettings, GateSettings, IndexSettings, MineSettings, TunedBiEncoderSettings, TuneSettings

SUBJECTS, FILLERS, WIDTH, LENGTH = 12, 20, 32, 32
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [f"{side}{number}" for side in "dq" for number in range(SUBJECTS)] + [f"w{number}" for number in range(FILLERS)]


def make_models(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """A bi-encoder and a cross-encoder of two layers with random weights."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS) + 26,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=LENGTH,
        num_labels=1,
    )
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=LENGTH,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    paths = folder / "encoder", folder / "reranker"
    for path, kind in zip(paths, (BertModel, BertForSequenceClassification), strict=True):
        model = kind(config)
        _bring_together(model.get_input_embeddings().weight.data, vocabulary)
        model.save_pretrained(path)
        fast.save_pretrained(path)
    return paths


def _bring_together(words: torch.Tensor, vocabulary: dict[str, int]) -> None:
    """The question's word for a subject lies near the document's."""
    words *= 50  # the words, not the positions, decide what a model begins with
    for number in range(SUBJECTS):
        words[vocabulary[f"q{number}"]] = words[vocabulary[f"d{number}"]] + 0.3 * words[vocabulary[f"q{number}"]]


def make_files(folder: Path, questions: int, seed: int = 0, shuffled: bool = False) -> tuple[Path, Path]:
    """corpus.jsonl, queries.jsonl and qrels/train.tsv; `shuffled` answers belong to other questions. The folder and the qrels."""
    rng = random.Random(seed)
    pairs = [(left, right) for left in range(SUBJECTS) for right in range(left)]
    rows = []
    for number, subjects in enumerate(pairs):
        words = [f"d{subject}" for subject in subjects] + rng.choices([word for word in WORDS if word[0] == "w"], k=6)
        rng.shuffle(words)
        rows.append({"_id": f"doc{number}", "title": "", "text": " ".join(words)})
    asked = [rng.randrange(len(pairs)) for _ in range(questions)]
    queries = []
    for number, place in enumerate(asked):
        words = [f"q{subject}" for subject in pairs[place]] + rng.choices([word for word in WORDS if word[0] == "w"], k=3)
        rng.shuffle(words)
        queries.append({"_id": f"question{number}", "text": " ".join(words)})
    answers = rng.sample(asked, len(asked)) if shuffled else asked
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries), "utf-8")
    lines = [f"question{number}\tdoc{place}\t1\n" for number, place in enumerate(answers)]
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8")
    return folder, folder / "qrels" / "train.tsv"


def make_collection(folder: Path, questions: int = 120, seed: int = 0, shuffled: bool = False) -> tuple[Path, Path, Path]:
    """A collection of the world with tiny models; its questions and its answers."""
    encoder, reranker = make_models(folder / "models", seed)
    data, qrels = make_files(folder / "data", questions, seed, shuffled)
    into = folder / "collection"
    pipeline.index([data / "corpus.jsonl"], into, IndexSettings(encoder=str(encoder), reranker=str(reranker), passage_tokens=16))
    return into, data / "queries.jsonl", qrels


def quick(**updates: object) -> TuneSettings:
    """Settings for models of this size."""
    settings = TuneSettings(
        dev_share=0.4,
        mine=MineSettings(depth=20, hard_depth=10),
        bi_encoder=TunedBiEncoderSettings(learning_rate=3e-3, batch=16, max_tokens=32),
        cross_encoder=CrossEncoderSettings(learning_rate=3e-3, batch=8, max_tokens=32),
        gate=GateSettings(general_limit=1.0, latency=100.0),
    )
    return settings.model_copy(update=updates)
