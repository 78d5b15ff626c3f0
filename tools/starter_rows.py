"""Turn sets of questions and passages into the tokens that `tools/train_starter.py` trains on: one file, for a machine with a GPU.

    python tools/starter_rows.py --pairs PAIRS --data DATA --into rows.npz.xz

PAIRS is what `tools/starter_pairs.py` made. DATA holds the BEIR folders drcd, cmrc_trial and squad_sentences, of which the training
questions, and the documents that no other question is about, are used. To these come, out of the same passages:

- of the traditional sets a copy in simplified characters;
- of a dictionary's headwords half as a question ("What is X?");
- a sentence as the question for the passage that it was taken out of (the inverse cloze task, Lee et al. 2019), or a question about
  a number or a name in it (cloze questions, Lewis et al. 2019).

Questions that train nothing, for watching the training: one in twenty-five documents' of each set, and those of whole sources (`HELD_OUT`).
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from opencc import OpenCC
from tokenizers import Tokenizer

from bicross.data.passages import Splitter
from bicross.data.sentences import sentences
from bicross.records import Document
from bicross.starter import HERE

QUESTION_TOKENS, PASSAGE_TOKENS = 64, 192
WATCHED = 25  # the questions of one document in so many are only watched
HELD_OUT = ("debian_en", "perl_en", "gnome_zh_cn", "debian_zh_cn")
ASKED = ("drcd", "cmrc_trial", "squad_sentences")  # people's questions
DICTIONARIES = ("foldoc_en", "jargon_en", "wordnet_en", "webster_en")
SIMPLIFIED = ("drcd", "libreoffice_zh_tw", "manuals_zh_tw", "debian_zh_tw", "software_zh_tw", "appstream_zh_tw")
WHAT_IS = ("what is {}?", "What does {} mean?", "meaning of {}", "define {}", "what is a {}", "{} definition")
CLOZES = 12_000  # of one set at most
_NUMBER = re.compile(r"\d[\d.,]*")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'-]+(?: [A-Z][\w'-]+)*|《[^《》]{2,20}》|「[^「」]{2,20}」|“[^“”]{2,20}”")
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass
class Set:
    """A set's texts. `answers` are rows of `passages` by question; those of one question are passages of one document."""

    name: str
    passages: list[str] = field(default_factory=list)
    documents: list[int] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    answers: list[list[list[int]]] = field(default_factory=list)
    watched: list[bool] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    """Passages without the sentence that is asked; `clozes` are (question, row of `passages`, row of `cut` or -1)."""
    clozes: list[tuple[str, int, int]] = field(default_factory=list)


def read(folder: Path, splitter: Splitter) -> Set:
    """A BEIR folder's training questions and passages, without documents that only other questions are about."""
    name, found = folder.name, Set(folder.name)
    qrels, others = defaultdict(list), set()
    for path in sorted((folder / "qrels").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            question, document, grade = line.split("\t")
            if path.stem != "train":
                others.add(document)
            elif int(grade) > 0:
                qrels[question].append(document)
    mine = {document for documents in qrels.values() for document in documents}
    rows: dict[str, list[int]] = {}
    for number, row in enumerate(_lines(folder / "corpus.jsonl")):
        if row["_id"] in mine or row["_id"] not in others:
            text = f"{row['title']}\n{row['text']}" if row.get("title") else row["text"]
            parts = splitter.split(Document(row["_id"], text))
            rows[row["_id"]] = list(range(len(found.passages), len(found.passages) + len(parts)))
            found.passages += [part.text for part in parts]
            found.documents += [number] * len(parts)
    rng = Random(name)
    chosen = {document for document in sorted(mine) if rng.random() < 1 / WATCHED}
    for row in _lines(folder / "queries.jsonl"):
        answers = [rows[document] for document in qrels.get(row["_id"], ()) if rows.get(document)]
        if answers:
            found.questions.append(row["text"])
            found.answers.append(answers)
            found.watched.append(name in HELD_OUT or any(document in chosen for document in qrels[row["_id"]]))
    if name in DICTIONARIES:
        found.questions = [rng.choice(WHAT_IS).format(text) if rng.random() < 0.5 else text for text in found.questions]
    return found


def simplified(of: Set, convert: OpenCC) -> Set:
    """The same in simplified characters."""
    return Set(
        of.name + "_simplified",
        [convert.convert(text) for text in of.passages],
        of.documents,
        [convert.convert(text) for text in of.questions],
        of.answers,
        of.watched,
    )


def add_clozes(to: Set) -> None:
    """Questions out of the passages themselves, of passages that no watched question is about."""
    rng = Random(to.name)
    watched = {row for rows, yes in zip(to.answers, to.watched, strict=True) if yes for answer in rows for row in answer}
    places = [row for row in range(len(to.passages)) if row not in watched]
    rng.shuffle(places)
    for place in places:
        if len(to.clozes) >= CLOZES:
            return
        text = to.passages[place]
        spans = [text[span.start : span.end].strip() for span in sentences(text)]
        spans = [span for span in spans if 12 <= _weight(span) <= 160]
        if len(spans) < 3:
            continue
        sentence = rng.choice(spans)
        if rng.random() < 0.5 and (question := _asked(sentence, rng)):
            to.clozes.append((question, place, -1))
        else:
            to.cut.append(" ".join(text.replace(sentence, "", 1).split()))
            to.clozes.append((sentence, place, len(to.cut) - 1))


def _asked(sentence: str, rng: Random) -> str | None:
    """The sentence as a question for a number or a name in it, shortened; None if it has none."""
    found = [(match, "number") for match in _NUMBER.finditer(sentence)] + [(match, "name") for match in _NAME.finditer(sentence)]
    if not found:
        return None
    match, kind = rng.choice(found)
    chinese = len(_HAN.findall(sentence)) > len(sentence) / 4
    if chinese:
        words = ("多少", "几", "哪一年") if kind == "number" else ("什么", "谁", "哪个")
        clauses = re.split(r"[，,；;]", sentence[: match.start()])[-1], re.split(r"[，,；;。]", sentence[match.end() :])[0]
        return f"{clauses[0]}{rng.choice(words)}{clauses[1]}？"
    words = ("how many", "when", "what year") if kind == "number" else ("who", "what", "which")
    return f"{sentence[: match.start()]}{rng.choice(words)}{sentence[match.end() :]}".strip(" .") + "?"


def _weight(text: str) -> int:
    """Characters, of which a Chinese one counts as three."""
    return len(text) + 2 * len(_HAN.findall(text))


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tokens(tokenizer: Tokenizer, texts: list[str], limit: int) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """The texts' ids without special ones, one text after the other, (tokens,), and where each begins and the last ends, (texts + 1,)."""
    ids = [found.ids[:limit] for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    starts = np.cumsum([0, *map(len, ids)], dtype=np.uint32)
    return np.array([token for row in ids for token in row], np.uint16), starts


def packed(sets: list[Set], tokenizer: Tokenizer) -> dict[str, NDArray[np.generic]]:
    """All sets as arrays, `NAME/PART`."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for one in sets:
        rows = [(number, group, row) for number, answer in enumerate(one.answers) for group, part in enumerate(answer) for row in part]
        parts = {
            "passages": tokens(tokenizer, one.passages + one.cut, PASSAGE_TOKENS),
            "questions": tokens(tokenizer, one.questions + [question for question, _, _ in one.clozes], QUESTION_TOKENS),
        }
        for kind, (ids, starts) in parts.items():
            arrays[f"{one.name}/{kind}"], arrays[f"{one.name}/{kind}_at"] = ids, starts
        arrays[f"{one.name}/documents"] = np.array(one.documents, np.uint32)
        arrays[f"{one.name}/answers"] = np.array(rows, np.uint32).reshape(-1, 3)
        arrays[f"{one.name}/watched"] = np.array(one.watched, bool)
        cuts = [(row, len(one.passages) + cut if cut >= 0 else row) for _, row, cut in one.clozes]
        arrays[f"{one.name}/clozes"] = np.array(cuts, np.uint32).reshape(-1, 2)
    for text in ("query: ", "passage: "):
        arrays[f"prefix/{text[:-2]}"] = np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.uint16)
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    splitter, convert = Splitter(tokenizer, PASSAGE_TOKENS), OpenCC("t2s")
    folders = [options.data / name for name in ASKED] + sorted(path.parent for path in options.pairs.glob("*/corpus.jsonl"))
    sets: list[Set] = []
    for folder in folders:
        found = read(folder, splitter)
        sets += [found, simplified(found, convert)] if found.name in SIMPLIFIED else [found]
        for one in sets[-2:] if found.name in SIMPLIFIED else sets[-1:]:
            if one.name not in HELD_OUT + DICTIONARIES:
                add_clozes(one)
            print(
                f"{one.name}: {len(one.questions):,} questions, {sum(one.watched):,} of them watched, "
                f"{len(one.passages):,} passages, {len(one.clozes):,} clozes",
                flush=True,
            )
    buffer = io.BytesIO()
    np.savez(buffer, **packed(sets, tokenizer))
    data = lzma.compress(buffer.getvalue(), preset=6, filters=None)
    options.into.write_bytes(data)
    print(f"{len(data) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
