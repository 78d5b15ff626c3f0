"""Triplets: a question, its answer, and a text that only looks like the answer. What hard negatives teach that random ones do not.

The hard negative tells of the same thing and of the opposite: how to switch it off, where the question is how to switch it on. Two models
are trained on the same questions, one with random negatives and one with hard ones; both are asked about things that neither was trained
on. Needs the extra `train`. (Triplet loss: Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015.)
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import bicross
from bicross import pipeline
from bicross.settings import STARTER_ENCODER, BiEncoderSettings
from bicross.vectors import unit

THINGS = ["heating", "radio", "alarm", "camera", "printer", "fan", "lamp", "router", "oven", "pump", "screen", "siren", "boiler", "engine"]
HELD_OUT = ["microphone", "washing machine", "air conditioner", "projector", "loudspeaker", "dishwasher", "garden light", "web server"]
ASKED = (("How do I get the {} working?", True), ("How do I stop the {} from working?", False))
ON, OFF = "Push in the plug of the {}.", "Pull the plug of the {}."
SETTINGS = BiEncoderSettings(loss="triplet", learning_rate=1e-4, epochs=4, batch=16, max_tokens=32, frozen_layers=6)
Triplet = tuple[str, str, str]


def triplets(things: list[str], hard: bool) -> list[Triplet]:
    """Question, answer, negative; a random negative is the answer to a question about another thing."""
    rows = []
    for place, thing in enumerate(things):
        other = things[(place + 3) % len(things)]
        for question, is_on in ASKED:
            right, opposite = (ON, OFF) if is_on else (OFF, ON)
            rows.append((question.format(thing), right.format(thing), opposite.format(thing) if hard else right.format(other)))
    return rows


def trained(rows: list[Triplet], into: Path) -> str:
    source = into.with_suffix(".jsonl")
    names = ("query", "positive", "negative")
    source.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows), "utf-8")
    pipeline.train("bi-encoder", source, None, into, SETTINGS)
    return str(into)


def margins(name: str, rows: list[Triplet]) -> tuple[float, float]:
    """The share of the questions that are nearer to their answer than to the hard negative, and by how much they are, on average."""
    encoder = bicross.load_encoder(name)
    questions = unit(encoder.encode_queries([row[0] for row in rows]))  # (rows, dim)
    right, wrong = (unit(encoder.encode_documents([row[side] for row in rows])) for side in (1, 2))
    found = (questions * (right - wrong)).sum(axis=1)  # (rows,)
    return float((found > 0).mean()), float(found.mean())


def main() -> None:
    asked = triplets(HELD_OUT, hard=True)
    print(f"{len(asked)} questions about things that were not trained on\n{'':<24}nearer to its answer   by")
    with TemporaryDirectory() as folder:
        models = {"before": STARTER_ENCODER}
        for name, hard in (("random negatives", False), ("hard negatives", True)):
            models[name] = trained(triplets(THINGS, hard), Path(folder) / name.split()[0])
        for name, model in models.items():
            share, margin = margins(model, asked)
            print(f"{name:<24}{share:>20.2f}   {margin:+.3f}")


if __name__ == "__main__":
    main()
