"""What each verb gives back. Field for field this is the JSON that the command line prints: times are seconds, lengths tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bicross.records import Hit, Ranking, Skip, Space

if TYPE_CHECKING:  # a search needs none of them, and they are slow to import
    from bicross.data.inspection import Lengths
    from bicross.data.pairs import Pairs
    from bicross.searchers.explained import Parts

SAMPLE = 5  # questions that `questions` shows


@dataclass(frozen=True, slots=True)
class Indexed:
    """`index`: what is in the collection now, and what this run did. `truncated` names passages longer than the model."""

    documents: int
    passages: int
    changed: int
    unchanged: int
    embedded: int
    truncated: tuple[Skip, ...]
    skipped: tuple[Skip, ...]
    space: Space
    seconds: float
    documents_per_second: float


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`reembed --dry-run`: what would be embedded, in what time and how many bytes, as measured on a sample."""

    texts: int
    estimated_seconds: float
    estimated_bytes: int
    space: Space


@dataclass(frozen=True, slots=True)
class Estimated:
    """`--dry-run` of `mine`, `distill`, `weigh`, `train` and `evaluate`: how much there would be to do, and in about what time here.

    `counts`: what is counted -> how many, such as pairs that the cross-encoder reads; of some of it `rates`, how many a second, as measured
    on a sample. `remarks` are what to know before it is begun.
    """

    counts: Mapping[str, int]
    rates: Mapping[str, float]
    estimated_seconds: float
    remarks: tuple[str, ...]
    skipped: tuple[Skip, ...]

    @classmethod
    def of(
        cls, counts: Mapping[str, int], rates: Mapping[str, float], remarks: Sequence[str] = (), skipped: Sequence[Skip] = ()
    ) -> Estimated:
        """The seconds are the sum of all that has a rate."""
        return cls(counts, rates, sum(counts[what] / rate for what, rate in rates.items()), tuple(remarks), tuple(skipped))


@dataclass(frozen=True, slots=True)
class Round:
    """`index --watch`, one round: which files changed (new ones too) and which went, what that did to the documents, and how many there are
    now. `waiting` says why nothing could be written; what changed stays to be done."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]
    written: int
    deleted: int
    embedded: int
    documents: int
    truncated: tuple[Skip, ...]
    skipped: tuple[Skip, ...]
    seconds: float
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """`index --watch`, when it was ended: what its rounds did together."""

    rounds: int
    written: int
    deleted: int
    embedded: int
    documents: int
    seconds: float

    @classmethod
    def of(cls, rounds: Sequence[Round], seconds: float) -> Watched:
        """The sums; documents are those of the last round."""
        written, deleted, embedded = (sum(getattr(one, name) for one in rounds) for name in ("written", "deleted", "embedded"))
        return cls(len(rounds), written, deleted, embedded, rounds[-1].documents if rounds else 0, seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """`search`, one question: its hits, best first, how many candidates were read again, whether it was longer than a model, whether it
    was answered before all was read that was to be (`degraded`, for a deadline), the highest
    probability of any hit found, shown or not, and `least`, the probability that hits had to have. `parts` explain the scores, where that
    was asked for.
    """

    text: str
    hits: Ranking
    titles: Mapping[str, str]
    reranked: int
    truncated: bool = False
    degraded: bool = False
    probability: float | None = None
    least: float | None = None
    parts: Parts | None = None

    @property
    def answerable(self) -> bool | None:
        """Whether a hit is probable enough; None where no probability was asked for."""
        return None if self.least is None else bool(self.hits)

    def as_json(self) -> dict[str, Any]:
        """The question with its hits, as `search --json` prints it."""
        facts = {"text": self.text, "answerable": self.answerable, "probability": self.probability, "reranked": self.reranked}
        return {**facts, "truncated": self.truncated, "degraded": self.degraded, "hits": [self._hit(hit) for hit in self.hits]}

    def _hit(self, hit: Hit) -> dict[str, Any]:
        names = ("text", "start", "end", "page", "heading")
        passage = hit.passage and {name: getattr(hit.passage, name) for name in names}
        stages = {name: {"rank": stage.rank, "score": stage.score} for name, stage in hit.stages.items()}
        found = {"id": hit.doc_id, "score": hit.score, "probability": hit.probability}
        told = {**found, "title": self.titles.get(hit.doc_id, ""), "passage": passage, "stages": stages}
        if self.parts is not None:
            told["parts"] = {name: asdict(part) for name, part in self.parts.get(hit.doc_id, {}).items()}
        return told


@dataclass(frozen=True, slots=True)
class Answers:
    """`search`: an Answer a question, and the wall time of each stage (encode, recall, rerank) over all of them."""

    queries: tuple[Answer, ...]
    seconds: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """As `search --json` prints it; questions asked together share the time evenly."""
        share = {stage: seconds / max(1, len(self.queries)) for stage, seconds in self.seconds.items()}
        return {"queries": [{**answer.as_json(), "seconds": share} for answer in self.queries], "seconds": dict(self.seconds)}


@dataclass(frozen=True, slots=True)
class Inspected:
    """`inspect`: what a source holds and what `index` would cost. `split` counts documents of more than one passage,
    `truncated` names passages whose title does not fit beside them; `duplicate_ids` names (id, first id) of equal texts.
    """

    documents: int
    passages: int
    split: int
    tokens: Lengths
    languages: Mapping[str, int]
    duplicates: int
    duplicate_ids: tuple[tuple[str, str], ...]
    skipped: tuple[Skip, ...]
    truncated: tuple[Skip, ...]
    estimated_seconds: float
    estimated_bytes: int


@dataclass(frozen=True, slots=True)
class Questions:
    """`questions`: how many questions and answers by part (train, dev), a few of them, and what was left out, by reason.

    `cost` is what an endpoint was asked, or in a dry run would be: requests and about how many tokens. `written` is false in a dry run.
    """

    source: str
    questions: Mapping[str, int]
    answers: Mapping[str, int]
    samples: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, int]
    skipped: tuple[Skip, ...]
    remarks: tuple[str, ...]
    cost: Mapping[str, int]
    written: bool
    seconds: float

    @classmethod
    def of(cls, source: str, pairs: Pairs | None, cost: Mapping[str, int], written: bool, seconds: float) -> Questions:
        """The counts of the pairs; None are those that an endpoint was not asked for."""
        if pairs is None:
            return cls(source, {}, {}, (), {}, (), (), cost, written, seconds)
        counts = {part: len(qrels) for part, qrels in pairs.qrels.items()}
        answers = {part: sum(map(len, qrels.values())) for part, qrels in pairs.qrels.items()}
        graded = {query: grades for qrels in pairs.qrels.values() for query, grades in qrels.items()}
        shown = pairs.queries[:: max(1, len(pairs.queries) // SAMPLE)][:SAMPLE]
        samples = tuple({"text": query.text, "answers": dict(graded[query.id])} for query in shown)
        return cls(source, counts, answers, samples, pairs.left_out, pairs.skipped, pairs.remarks, cost, written, seconds)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """`rollback`: the models that answer now, the space, and how many texts of since had to be embedded in it. `changed` names what is
    another than before the rollback: "encoder", "reranker", "weights", "calibration".
    """

    encoder: str
    reranker: str
    changed: tuple[str, ...]
    embedded: int
    space: Space
    seconds: float


@dataclass(frozen=True, slots=True)
class Deleted:
    """`delete`: how many documents went and are left; ids that were not there."""

    deleted: int
    documents: int
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """`export` of a model: the new folder, how far values of its graph are from torch's, and `drift`: precision -> what became of vectors
    (lowest and mean cosine with torch's) or of scores (largest and mean difference, and the share of pairs that change order)."""

    path: str
    format: str
    largest_difference: float
    texts: int
    drift: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class PushedModel:
    """`push`: the model's folder, its name on the hub and its address there (none in a dry run), and the files sent with their sizes."""

    path: str
    name: str
    address: str | None
    files: Mapping[str, int]
    bytes: int


@dataclass(frozen=True, slots=True)
class ExportedVectors:
    """`export` of a collection: the new folder, how many documents and passages are in it, and whose vectors they are."""

    path: str
    format: str
    documents: int
    passages: int
    encoder: str
    space: Space
    bytes: int


@dataclass(frozen=True, slots=True)
class MinedFile:
    """`mine` and `distill`: the file that was written, how many questions it has, and their audit; `page` is the audit to read."""

    path: str
    questions: int
    audit: Mapping[str, Any]
    page: str | None
    skipped: tuple[Skip, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """`train`: the model's folder, how many rows an epoch had, and the mean loss up to each of some steps."""

    kind: str
    path: str
    fingerprint: str
    rows: int
    steps: int
    losses: tuple[tuple[int, float], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class MixedModel:
    """`mix`: the new model's folder, and the share of its weights that are the tuned model's."""

    path: str
    fingerprint: str
    share: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """`weigh`: nDCG@10 of two-stage search with the weights of before and, cross-fitted, with those fitted now; kept if better.

    `quality` is by the stages that were used; `weights` are those that the collection has now.
    """

    questions: int
    before: float
    after: float
    adopted: bool
    weights: Mapping[str, Any]
    quality: Mapping[str, float]
    skipped: tuple[Skip, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """`split`: the two tables of judgements, and how many questions are in each."""

    train: str
    dev: str
    questions: Mapping[str, int]
    skipped: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class Tuned:
    """`tune`: what was planned and done, what it brought on questions that no model saw, and whether it was promoted.

    `stages`: step -> seconds. `dev`: "before" and "after", each stage -> measure -> mean, and the paired "difference" of each stage;
    `difference` and `confidence` are of two-stage search, which decides. `models` are names in the collection; none where
    nothing was promoted. `run` is the run's folder.
    """

    questions: Mapping[str, int]
    plan: Mapping[str, Any]
    estimated_seconds: float | None
    stages: Mapping[str, float]
    audit: Mapping[str, Any]
    weights: Mapping[str, Any]
    dev: Mapping[str, Any]
    difference: float | None
    confidence: tuple[float, float] | None
    promoted: bool
    reason: str
    guards: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]
    models: Mapping[str, str]
    run: str
    seconds: float
    skipped: tuple[Skip, ...] = field(default=())
