"""Train the starter reranker: the starter bi-encoder's weights as a cross-encoder, on mined negatives in both languages.

    python tools/train_starter_reranker.py --data DATA --encoder E5_SMALL_ZH_EN --into reranker/

DATA holds BEIR folders drcd, cmrc_trial and squad_sentences (Wikipedia questions, CC BY-SA; their train splits only).
For each question: its passage, three candidates out of the lexical and dense top 30 of its own corpus, and one passage at
random; a listwise softmax over the five (ListNet, Cao et al. 2007) through sentence-transformers' trainer. Embeddings and the
lower layers are frozen, so that they stay on the 4-bit grid that the package stores. Then `tools/pack_starter.py` makes it small.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import ListNetLoss
from transformers import set_seed

from bicross import durable
from bicross.data.passages import Splitter
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.indexes.bm25 import BM25Index
from bicross.indexes.words import Words
from bicross.models.registry import load_encoder
from bicross.records import Document

QUESTIONS = {"squad_sentences": 4000, "drcd": 2000, "cmrc_trial": 900}  # of each set's train split, at random
CANDIDATES, HARD, PASSAGE_TOKENS = 30, 3, 112
FROZEN = 6  # lower layers kept as they are, with the embeddings: a third less to compute, and less to forget
CERTAIN = 10.0  # the label of the right passage: ListNet takes a softmax of the labels, e^10 against e^0


def mine(folder: Path, questions: int, encoder: Any, seed: int) -> list[dict[str, Any]]:
    """Rows {query, docs, labels} of passages, the right one first: of the right document the passage nearest to the question."""
    rng = random.Random(seed)
    splitter = Splitter(encoder.tokenizer, PASSAGE_TOKENS)
    passages = [passage for row in read_documents([folder]) if isinstance(row, Document) for passage in splitter.split(row)]
    texts = [passage.text for passage in passages]
    queries = {query.id: query.text for query in read_queries(folder)[0]}
    qrels = read_qrels(folder / "qrels" / "train.tsv")
    known = sorted(set(qrels) & set(queries))
    chosen = sorted(rng.sample(known, min(questions, len(known))))
    asked = [queries[query] for query in chosen]
    dense = encoder.encode_queries(asked) @ encoder.encode_documents(texts).T  # (questions, passages)
    nearest = np.argsort(-dense, axis=1)[:, :CANDIDATES]
    lexical, _ = BM25Index.build(np.arange(len(texts)), texts, Words()).search(asked, CANDIDATES)
    rows = []
    for row, query in enumerate(chosen):
        right = [place for place, passage in enumerate(passages) if passage.doc_id in qrels[query]]
        answer = max(right, key=lambda place: dense[row, place])
        barred = {*right, *(place for place, text in enumerate(texts) if text == texts[answer])}
        found = [place for place in dict.fromkeys([*nearest[row].tolist(), *lexical[row].tolist()]) if place >= 0 and place not in barred]
        negatives = [*rng.sample(found, min(HARD, len(found))), rng.choice([place for place in range(len(texts)) if place not in barred])]
        rows.append(
            {"query": asked[row], "docs": [texts[place] for place in (answer, *negatives)], "labels": [CERTAIN] + [0.0] * len(negatives)}
        )
    rng.shuffle(rows)
    return rows


def train(rows: dict[str, list[dict[str, Any]]], base: Path, into: Path, seed: int) -> None:
    """One epoch, bf16 where the processor has it."""
    set_seed(seed)
    model = CrossEncoder(str(base), num_labels=1, max_length=192, model_kwargs={"dtype": torch.float32})
    body = model.model.base_model
    for part in (body.embeddings, *body.encoder.layer[:FROZEN]):
        part.requires_grad_(False)
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(into / "checkpoints"),
        num_train_epochs=1,
        per_device_train_batch_size=8,
        learning_rate=1e-4,
        warmup_steps=0.08,
        weight_decay=0.01,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        logging_steps=20,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    sets = {name: Dataset.from_list(found) for name, found in rows.items()}
    trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=sets, loss=ListNetLoss(model, mini_batch_size=-1))
    trainer.train()
    model.max_length = 512
    model.save_pretrained(str(into))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    encoder = load_encoder(str(options.encoder))
    rows = {name: mine(options.data / name, count, encoder, options.seed) for name, count in QUESTIONS.items()}
    print({name: len(found) for name, found in rows.items()}, flush=True)
    durable.write_file(options.into.with_suffix(".mined.json"), json.dumps(rows, ensure_ascii=False).encode())
    train(rows, options.encoder, options.into, options.seed)


if __name__ == "__main__":
    main()
