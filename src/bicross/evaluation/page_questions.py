"""The section of all questions, one line each."""

from __future__ import annotations

from html import escape

from bicross.evaluation.evaluated import Evaluated
from bicross.evaluation.two_stage import Outcome


def questions(found: Evaluated) -> str:
    """A table, closed until it is asked for, of every question in the order of the judgements."""
    two = found.two_stage
    if two is None:
        return ""
    numbers = ("recalled", "final", "best") if two.depth else ("final", "best")
    names = {"recalled": "order of recall", "final": "reranked" if two.depth else "reached", "best": "best possible"}
    head = "<th>question</th><th>kind</th>" + "".join(f'<th class="n">{names[number]}</th>' for number in numbers)
    rows = "".join(_row(one, found.texts.get(one.query_id, ""), numbers) for one in two.outcomes)
    said = f"{two.measure} of each of {len(two.outcomes)} questions"
    return f'<details><summary>{escape(said)}</summary><table class="wide"><tr>{head}</tr>{rows}</table></details>'


def _row(one: Outcome, text: str, numbers: tuple[str, ...]) -> str:
    cells = "".join(f'<td class="n">{getattr(one, number):.2f}</td>' for number in numbers)
    return f'<tr><td class="text">{escape(text)}<small>{escape(one.query_id)}</small></td><td>{escape(one.kind)}</td>{cells}</tr>'
