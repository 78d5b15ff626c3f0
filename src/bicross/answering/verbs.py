"""The verbs: `faq` and `classify` are one thing but for what a label is; `similarity` is what both models say of two texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bicross.answering.kept import Learned, is_kept, keep, load
from bicross.answering.results import Agreement, Choice, Chosen, Measured, Similarity
from bicross.answering.rows import ANSWERS, LABELS, read_known
from bicross.answering.scored import Examples, learn
from bicross.data.examples import read_training
from bicross.errors import InputError
from bicross.evaluation.calibration import Pair
from bicross.evaluation.reliability import Share, brought
from bicross.models import registry
from bicross.models.scores import relevance
from bicross.protocols import Progress, silent
from bicross.records import LabelledPair, Skip
from bicross.settings import STARTER_ENCODER, STARTER_RERANKER, KnownSettings
from bicross.vectors import Vectors, unit

CHUNK = 2_048  # texts encoded between two signs of progress
RESAMPLES = 1_000
FEW = 30
FAQ, CLASSIFY = KnownSettings(second_opinion=5), KnownSettings()
GENERAL = (
    "No answer has several questions, so nothing of this FAQ says when to say nothing; the probabilities are those of general questions. "
    "Add other wordings of its questions, each with the same answer."
)


def faq(
    source: Path,
    questions: Sequence[str],
    asked: Path | None = None,
    settings: KnownSettings = FAQ,
    into: Path | None = None,
    progress: Progress = silent,
) -> Chosen:
    """The best answer to each question, or none where it is not probable enough that it is right.

    `source`: a file of questions and answers, several questions may share an answer; or a folder that `into` once named, where all that was
    learned is kept. `asked`: a file of more questions; with known answers, it is measured how many are right.

    Raises:
        InputError: a file is not what it should be, or there are no questions.
    """
    return _chosen(source, questions, asked, settings, into, True, progress)


def classify(
    source: Path,
    texts: Sequence[str],
    asked: Path | None = None,
    settings: KnownSettings = CLASSIFY,
    into: Path | None = None,
    progress: Progress = silent,
) -> Chosen:
    """The label of the nearest labelled texts for each text, or none where it is not probable enough that it is right; as `faq`.

    Raises:
        InputError: a file is not what it should be, too few labels have several texts, or there are no texts.
    """
    return _chosen(source, texts, asked, settings, into, False, progress)


def _chosen(
    source: Path, texts: Sequence[str], asked: Path | None, settings: KnownSettings, into: Path | None, answers: bool, progress: Progress
) -> Chosen:
    start = time.perf_counter()
    if not texts and asked is None and into is None:
        raise InputError("Nothing is asked; give a text, a file of texts, or a folder to keep what is learned in.")
    given, labels, skipped = _asked(texts, asked, settings, answers)
    learned, more = _learned(source, settings, answers, progress)
    if into is not None:
        keep(learned, into)
    prepared = time.perf_counter()
    choices, pairs, chances = _choices(learned, given, labels, progress)
    examples = learned.examples
    return Chosen(
        known=len(examples.known),
        labels=len(examples.names),
        choices=tuple(choices),
        fit=learned.fit,
        measured=_measured(pairs, chances, learned.fit.cut) if pairs else None,
        kept=str(into) if into else None,
        remarks=_remarks(learned),
        skipped=(*more, *skipped),
        seconds={"learn": prepared - start, "answer": time.perf_counter() - prepared},
    )


def _asked(
    texts: Sequence[str], asked: Path | None, settings: KnownSettings, answers: bool
) -> tuple[list[str], list[str | None], list[Skip]]:
    """The texts, their labels where a file gives them, and the rows of the file that are none."""
    if empty := [text for text in texts if not text.strip()]:
        raise InputError(f"A text is empty ({empty[0]!r}); expected some words.")
    if asked is None:
        return list(texts), [None] * len(texts), []
    rows, skipped = read_known(asked, settings.text, settings.label, ANSWERS if answers else LABELS)
    return [*texts, *(row.text for row in rows)], [*[None] * len(texts), *(row.label for row in rows)], skipped


def _learned(source: Path, settings: KnownSettings, answers: bool, progress: Progress) -> tuple[Learned, list[Skip]]:
    if is_kept(source):
        return load(source), []
    known, skipped = read_known(source, settings.text, settings.label, ANSWERS if answers else LABELS)
    known = list({(one.text, one.label): one for one in known}.values())
    if len({one.label for one in known}) < 2:
        raise InputError(f"{source} has {len(known)} texts of fewer than two labels; expected two or more, or there is nothing to choose.")
    encoder = registry.load_encoder(settings.encoder)
    scorer = registry.load_reranker(settings.reranker) if settings.second_opinion else None
    vectors = _encoded(encoder.encode_queries, [one.text for one in known], progress)
    examples = Examples(known, vectors, encoder, scorer, settings.second_opinion, answers)
    calibration, fit = learn(examples, settings.precision, settings.seed, progress)
    return Learned(examples, calibration, fit, settings.encoder, settings.reranker), skipped


def _encoded(encode: Callable[[Sequence[str]], Vectors], texts: Sequence[str], progress: Progress) -> Vectors:
    """Rows of length 1, (texts, dim). Questions on both sides: the same words shall give the same vector."""
    parts = []
    for start in range(0, len(texts), CHUNK):
        parts.append(unit(encode(texts[start : start + CHUNK])))
        progress("texts encoded", min(start + CHUNK, len(texts)), len(texts))
    return np.concatenate(parts)


def _choices(
    learned: Learned, texts: Sequence[str], labels: Sequence[str | None], progress: Progress
) -> tuple[list[Choice], list[Pair], NDArray[np.float64]]:
    """The most probable candidate of each text; and, of texts with a known label, whether it is right, with its probability."""
    examples, found, pairs, chances = learned.examples, list[Choice](), list[Pair](), list[float]()
    if not texts:
        return [], [], np.zeros(0)
    vectors = _encoded(examples.encoder.encode_queries, texts, progress)
    for number, (text, label, near) in enumerate(zip(texts, labels, examples.scored(texts, vectors, progress), strict=True)):
        told = [learned.calibration.probability(scores) or 0.0 for _, scores in near]
        best = int(np.argmax(told))  # of equals the one with more votes
        (one, scores), chance = near[best], told[best]
        name = examples.names[one.label]
        nearest = examples.known[one.row].text
        found.append(Choice(text, name, chance, chance >= learned.fit.cut, nearest, one.cosine, scores.get("rerank"), label))
        if label is not None:
            pairs.append(Pair(str(number), 0, {}, name == label, True))
            chances.append(chance)
    return found, pairs, np.array(chances)


def _measured(pairs: Sequence[Pair], chances: NDArray[np.float64], cut: float) -> Measured:
    precision, _, answered = brought(pairs, chances, cut)
    accuracy, _, _ = brought(pairs, np.ones(len(pairs)), 0.0)
    assert accuracy is not None
    assert answered is not None
    return Measured(len(pairs), accuracy, precision, answered)


def _remarks(learned: Learned) -> tuple[str, ...]:
    fit, found = learned.fit, []
    if fit.fitted_to == "general questions":
        found.append(GENERAL)
    if fit.threshold.probability is None:
        found.append(f"{fit.threshold.verdict} So what is less probable than {fit.cut:g} is not answered.")
    if fit.asked < FEW:
        found.append(f"It was learned from {fit.asked} texts, which are few; the probabilities are rough.")
    return tuple(found)


def similarity(a: str, b: str, encoder: str = STARTER_ENCODER, reranker: str = STARTER_RERANKER) -> Similarity:
    """What both models say of two texts: how near their vectors are, and how relevant the second is to the first, and the other way round.

    Raises:
        InputError: a text is empty.
    """
    for text in (a, b):
        if not text.strip():
            raise InputError("A text is empty; expected some words.")
    left, right = unit(registry.load_encoder(encoder).encode_queries([a, b]))  # each (dim,)
    score, back = registry.load_reranker(reranker).score([(a, b), (b, a)]).tolist()
    return Similarity(a, b, float(left @ right), score, back, relevance((score + back) / 2), encoder, reranker)


def agreement(path: Path, encoder: str = STARTER_ENCODER, reranker: str = STARTER_RERANKER) -> Agreement:
    """How both models' opinions of pairs of texts go with their labels (semantic textual similarity): Spearman's rank correlation.

    `both` is of the sum of the two opinions, each standardised; the cross-encoder's is the mean of both directions.

    Raises:
        InputError: the file is not one of labelled pairs, or has fewer than three.
    """
    from scipy.stats import rankdata  # slow to import, and needed only here

    rows = read_training(path)
    pairs = [row for row in rows if isinstance(row, LabelledPair)]
    if len(pairs) < 3:
        raise InputError(f"{path} has {len(pairs)} labelled pairs; expected three or more, of two texts and a score.")
    model, scorer = registry.load_encoder(encoder), registry.load_reranker(reranker)
    left, right = (unit(model.encode_queries([getattr(pair, side) for pair in pairs])) for side in ("first", "second"))
    cosines = (left * right).sum(axis=1).astype(np.float64)  # (pairs,)
    read = [(pair.first, pair.second) for pair in pairs]
    scores = scorer.score([*read, *((b, a) for a, b in read)]).reshape(2, -1).mean(axis=0).astype(np.float64)  # (pairs,)
    labels = np.array([pair.label for pair in pairs])

    def correlated(values: NDArray[np.float64]) -> Share:
        def of(rows: NDArray[np.intp]) -> float:
            return float(np.corrcoef(rankdata(values[rows]), rankdata(labels[rows]))[0, 1])

        rng, every = np.random.default_rng(0), np.arange(len(pairs))
        with np.errstate(invalid="ignore", divide="ignore"):  # of one pair drawn again and again
            drawn = [of(rng.integers(0, len(pairs), len(pairs))) for _ in range(RESAMPLES)]
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        return Share(of(every), (float(low), float(high)))

    both = sum((one - one.mean()) / max(one.std(), 1e-9) for one in (cosines, scores))
    return Agreement(len(pairs), correlated(cosines), correlated(scores), correlated(np.asarray(both)), encoder, reranker)
