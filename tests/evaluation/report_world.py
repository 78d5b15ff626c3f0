"""An Evaluated with something in every part of it, and with texts that try to break out."""

from __future__ import annotations

import random

from bicross.evaluation.baseline import Baseline, against
from bicross.evaluation.by_slice import by_slice
from bicross.evaluation.compare import differences
from bicross.evaluation.depths import depth_curve
from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.probabilities import probabilities
from bicross.evaluation.regression import judge, parse_rule
from bicross.evaluation.report import report
from bicross.evaluation.two_stage import two_stage
from bicross.evaluation.worst import Library, clipped, worst_of, worst_question
from bicross.records import Hit, Passage, Query, Run, Skip
from bicross.settings import EvaluateSettings

NASTY = '<script>alert("1")</script><img src=http://x onerror=y> & "quoted"'
SETTINGS = EvaluateSettings(measures=("nDCG@10", "R@100"), resamples=200)


def language(text: str) -> str:
    return "zh" if any(ord(character) > 0x3000 for character in text) else "en"


def hit(doc: str, place: int) -> Hit:
    text = "盗窃罪的量刑标准是什么，应当如何理解？" * 12 if place % 2 else f"{NASTY} and plain words about {doc} " * 6
    return Hit(doc, float(-place), Passage(doc, doc, 0, len(text), text), probability=1 / (place + 1))


def evaluated(questions: int = 60, depth: int = 20) -> Evaluated:
    """Recall in ten documents, of which a reranker lost some answers and missed others; a baseline that was better."""
    rng = random.Random(0)
    queries = [Query(f"q{n}<i>", f"怎么重置第{n}台打印机？" if n % 2 else f"How do I reset printer {n}? {NASTY}") for n in range(questions)]
    recalled, final, qrels = {}, {}, {}
    for number, query in enumerate(queries):
        hits = [hit(f"d{place}<b>", place) for place in range(12)]
        relevant = hits[min(11, int(rng.expovariate(0.5)))].doc_id if number % 5 else "missed<u>"
        recalled[query.id], qrels[query.id] = tuple(hits), {relevant: 1 + number % 3, "d1<b>": number % 2}
        final[query.id] = tuple(rng.sample(hits, len(hits)) if number % 4 == 0 else hits)
    two = two_stage(Run("recalled", recalled), Run("both", final), qrels, depth, 100, SETTINGS)
    measured = report(Run("both", final), qrels, SETTINGS, two.ceiling, [0.1, 0.2, 0.4])
    before = {name: {query: min(1.0, value + 0.1) for query, value in by_query.items()} for name, by_query in measured.per_query.items()}
    rules, library = [parse_rule("nDCG@10 drops 0.01")], Library({"d1<b>": NASTY, "d2<b>": "标题"}, {}, language)
    changed = against(Baseline("old<i>.json", before, {}), measured.per_query, {}, SETTINGS)
    values = {
        step: {one.query_id: one.final * (0.8 + 0.2 * step / depth if depth else 1) for one in two.outcomes}
        for step in (0, depth // 2, depth)
    }
    timed = {depth: [0.1, 0.2, 0.4], 0: [0.01, 0.02]}
    return Evaluated(
        stage="both",
        depth=depth,
        queries=questions,
        measures=measured.means,
        confidence=measured.confidence,
        ceiling=measured.ceiling,
        per_query=measured.per_query,
        latency=measured.latency,
        seconds={"encode": 1.0, "recall": 1.0, "rerank": 2.0},
        unknown=("missed<u>",),
        skipped=(Skip("silent<i>", NASTY),),
        two_stage=two,
        depths=depth_curve("nDCG@10", values, timed, SETTINGS),
        stage_latency=dict.fromkeys(("encode", "recall", "rerank"), measured.latency),
        timed=3,
        timed_again=2,
        probabilities=probabilities(final, qrels, 10, None),
        texts={query.id: clipped(query.text, language(query.text), 100) for query in queries},
        slices=by_slice(two.outcomes, {f"tag {NASTY}": [query.id for query in queries[:30]], "few": [queries[0].id]}, SETTINGS),
        worst=tuple(
            worst_question(
                place, one, queries[int(one.query_id[1:-3])], recalled[one.query_id], final[one.query_id], qrels[one.query_id], library
            )
            for place, one in worst_of(two.outcomes)
        ),
        against=changed,
        checks=judge(rules, changed.changes, {"nDCG@10": differences(before["nDCG@10"], measured.per_query["nDCG@10"])}, SETTINGS),
        remarks=(f"A remark {NASTY}",),
        made_by={"collection": f"manual {NASTY}", "date": "2026-01-01", "models": {"encoder": NASTY, "layers": [1, 2]}},
    )
