"""Results of the training verbs for people."""

from __future__ import annotations

from collections.abc import Iterable

from bicross.cli.show import skips, time_of
from bicross.results import MinedFile, MixedModel, SplitFiles, TrainedModel, Tuned, Weighed


def mined(found: MinedFile) -> Iterable[str]:
    """What was mined, and what to think of it."""
    audit = found.audit
    yield f"{found.questions} questions in {found.path}, {time_of(found.seconds)}"
    yield from (f"  {kind:<10} {count}" for kind, count in audit["kinds"].items() if count)
    hard = audit["hard"]
    yield f"hard negatives a question: {hard['mean']:.1f} (mean), {hard['median']:g} (median); {audit['without_hard']} questions have none"
    if audit["leak"]:
        yield f"answers that nobody marked among them: about {100 * audit['leak']['share']:.1f} % (an estimate; see the audit)"
    yield from (f"note: {remark}" for remark in audit["remarks"])
    if found.page:
        yield f"audit: {found.page}"
    yield from skips(found.skipped)


def parted(found: SplitFiles) -> Iterable[str]:
    """The two parts."""
    yield f"{found.questions['train']} questions in {found.train}, {found.questions['dev']} in {found.dev}"
    yield from skips(found.skipped)


def weighed(found: Weighed) -> Iterable[str]:
    """What joins the stages now, and what was tried."""
    yield f"nDCG@10 over {found.questions} questions: {found.before:.4f} before, {found.after:.4f} with weights fitted now (cross-fitted)"
    yield from (f"  {value:.4f}  {used}" for used, value in found.quality.items())
    joined = ", ".join(f"{name} {value:.3f}" for name, value in found.weights["combination"].items())
    joined += f"; lexical in the fusion {found.weights['fusion']['lexical']:g}"
    yield f"{'kept now' if found.adopted else 'not better, kept as it was'}: {joined}"
    yield from skips(found.skipped)


def trained(found: TrainedModel) -> Iterable[str]:
    """The model, and how its loss fell."""
    yield f"{found.kind} in {found.path}: {found.rows} rows, {found.steps} steps, {time_of(found.seconds)}"
    yield "loss: " + ", ".join(f"{loss:.3f}" for _, loss in found.losses[:: max(1, len(found.losses) // 8)])
    yield f"fingerprint {found.fingerprint[:12]}"


def mixed(found: MixedModel) -> Iterable[str]:
    """The model, and how much of it was trained."""
    yield f"{found.share:g} of the trained weights and {1 - found.share:g} of the base's: {found.path}"
    yield f"fingerprint {found.fingerprint[:12]}"


def tuned(found: Tuned) -> Iterable[str]:
    """The plan, and after a run what it brought and what was decided."""
    yield f"{found.questions['train']} questions to train on, {found.questions['dev']} to measure with"
    yield "plan: " + ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in found.plan.items())
    if not found.dev:
        yield from (f"  {step:<14} {time_of(seconds)}" for step, seconds in found.stages.items())
        yield f"in all about {time_of(found.estimated_seconds or 0)}; {found.reason}"
        return
    kinds = found.audit["kinds"]
    yield "mined: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count and kind != "unsorted")
    yield from (f"  note: {remark}" for remark in found.audit["remarks"])
    yield f"{'nDCG@10':<8} {'before':>8} {'after':>8} {'difference':>11}  interval"
    for stage, measures in found.dev["before"].items():
        paired = found.dev["difference"][stage]
        low, high = paired["confidence"]
        after = found.dev["after"][stage]["nDCG@10"]
        yield f"{stage:<8} {measures['nDCG@10']:>8.4f} {after:>8.4f} {paired['difference']:>+11.4f}  [{low:+.4f}, {high:+.4f}]"
    yield "weights: " + ", ".join(f"{name} {value:.3f}" for name, value in found.weights["weights"]["combination"].items())
    yield f"{'promoted' if found.promoted else 'not promoted'}: {found.reason}"
    for guard in found.guards:
        yield f"  {'passed' if guard['passed'] else 'FAILED'}: {guard['name']} {guard['before']:.4f} -> {guard['after']:.4f}"
    yield from (f"  warning: {warning}" for warning in found.warnings)
    yield from (f"{kind.replace('_', '-')}: {name}" for kind, name in found.models.items())
    if found.models and "rerank" not in found.weights["weights"]["combination"]:
        yield "the tuned cross-encoder adds nothing to the order, so the one of before stays"
    yield f"{time_of(found.seconds)}; everything that was measured is in {found.run}"
    yield from skips(found.skipped)
