"""Questions that a language model writes: for passages drawn by seed, a question that a user would ask and the passage answers.

(Bonifacio et al., "InPars", SIGIR 2022; Wang et al., "GPL", NAACL 2022.) Whether a question really leads back to its passage is for the
denoising of `tune` to judge.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bicross import durable
from bicross.data.chat import Chat, Unanswered
from bicross.data.languages import language_of
from bicross.data.pairs import Pairs, draw, name_of, same, units
from bicross.data.sentences import sentences
from bicross.data.sources import read_documents
from bicross.errors import InputError
from bicross.protocols import Progress
from bicross.records import Document, Query, Skip, reading
from bicross.settings import QuestionSettings

PASSAGES = 500  # asked about where no limit is given
CHARACTERS = 1200  # of a passage, unless one sentence is longer; then its beginning
LEAST = 12  # words, or ideographs, below which a passage answers nothing
LONGEST = 300  # characters of a question
MALFORMED = 3  # answers to one passage that are not as asked, before it is left out
IN_A_ROW = 5  # passages without an answer, before the run stops: the endpoint is down, or misunderstands
ANSWER_TOKENS = 40  # of `{"question": "..."}`, about

_ASK = {
    "en": "Write one question that a user of a search engine would ask and that this passage answers. Write it in the language of the "
    'passage, in your own words, so that it can be understood without the passage: no "this passage", no "the text". '
    'Answer with one JSON object and nothing else: {"question": "..."}. If the passage answers no question, answer {"question": null}.',
    "zh": "请写出一个用户在搜索引擎中会提出、并且能由下面这段文字回答的问题。请用中文、用自己的话来写，离开这段文字也要能看懂，"
    "不要出现“本文”“上文”之类的字眼。"
    '只回答一个 JSON 对象，不要有其他内容：{"question": "……"}。如果这段文字不能回答任何问题，请回答 {"question": null}。',
}
_KEPT = "What was answered is kept; mend the endpoint and run the same command again to go on."
_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked about one passage. `key` names model, instruction, document and passage: an answer is kept under it."""

    key: str
    doc_id: str
    passage: str
    messages: tuple[dict[str, str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests, in an order that the seed decides, and what could not be read."""

    askings: tuple[Asking, ...]
    skipped: tuple[Skip, ...]

    def cost(self, answers: Path) -> dict[str, int]:
        """Requests that are left, and about how many tokens they cost: a token has four letters, or one character of other scripts."""
        left = [asking for asking in self.askings if not (answers / f"{asking.key}.json").exists()]
        text = "".join(message["content"] for asking in left for message in asking.messages)
        wide = sum(character > "\u2e7f" for character in text)
        return {"requests": len(left), "input_tokens": wide + (len(text) - wide + 3) // 4, "output_tokens": ANSWER_TOKENS * len(left)}


def plan(sources: Sequence[Path], settings: QuestionSettings, progress: Progress) -> Plan:
    """Up to `limit` passages, at most `per_document` of a document; both are drawn by the seed and the documents' ids.

    Memory holds one document and the passages drawn.

    Raises:
        InputError: as `read_documents`, or no passage is long enough.
    """
    skipped: list[Skip] = []

    def drawn() -> Iterator[tuple[bytes, str, str]]:
        for number, row in enumerate(read_documents(sources, settings.columns), start=1):
            if isinstance(row, Skip):
                skipped.append(row)
            else:
                several = ((draw(settings.seed, row.id, str(place)), row.id, text) for place, text in enumerate(_passages(row)))
                yield from heapq.nsmallest(settings.per_document, several)
            if number % 100 == 0:
                progress("documents", number, 0)

    chosen = heapq.nsmallest(settings.limit or PASSAGES, drawn())
    if not chosen:
        raise InputError(f"No passage of the sources has {LEAST} words or more to ask about. Name other sources.")
    return Plan(tuple(_asking(doc_id, text, settings.model) for _, doc_id, text in chosen), tuple(skipped))


def from_endpoint(found: Plan, chat: Chat, answers: Path, in_flight: int, progress: Progress) -> Pairs:
    """Questions with the documents of their passages, grade 1.

    Every answer is kept in the folder `answers` when it comes, and what is kept there is not asked again: an interrupted run goes on.
    At most `in_flight` requests are under way at once.

    Raises:
        InputError: the endpoint accepts nothing, or `IN_A_ROW` passages one after the other had no answer.
        Locked: another process asks the same. StoreError: an answer cannot be kept.
    """
    answers.mkdir(parents=True, exist_ok=True)
    with durable.lock(answers / "lock"):
        questions, unanswered = _asked(found.askings, chat, answers, in_flight, progress)
    return _pairs(found, questions, unanswered)


def _passages(document: Document) -> list[str]:
    """Whole sentences up to `CHARACTERS`, each stretch with the title; those that say next to nothing are left out."""
    stretches: list[tuple[int, int]] = []
    for span in sentences(document.text):
        if stretches and span.end - stretches[-1][0] <= CHARACTERS:
            stretches[-1] = (stretches[-1][0], span.end)
        else:
            stretches.append((span.start, span.end))
    texts = (document.text[start : min(end, start + CHARACTERS)] for start, end in stretches)
    return [reading(document.title[:LONGEST], text) for text in texts if len(units(text)) >= LEAST]


def _asking(doc_id: str, passage: str, model: str) -> Asking:
    messages = ({"role": "system", "content": _ASK[language_of(passage)]}, {"role": "user", "content": passage})
    key = hashlib.sha256(json.dumps([model, doc_id, messages]).encode()).hexdigest()[:32]
    return Asking(key, doc_id, passage, messages)


def _asked(
    askings: Sequence[Asking], chat: Chat, answers: Path, in_flight: int, progress: Progress
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Key -> question, or None where the model found none; key -> why there is no answer."""
    questions = {asking.key: _kept(answers, asking.key) for asking in askings if (answers / f"{asking.key}.json").exists()}
    left = iter([asking for asking in askings if asking.key not in questions])
    unanswered: dict[str, str] = {}
    under_way: dict[Future[str | None], str] = {}
    in_a_row = 0
    with ThreadPoolExecutor(in_flight) as threads:
        try:
            while True:
                for asking in islice(left, in_flight - len(under_way)):
                    under_way[threads.submit(_ask, chat, asking, answers)] = asking.key
                if not under_way:
                    return questions, unanswered
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    key = under_way.pop(future)
                    try:
                        questions[key] = future.result()
                        in_a_row = 0
                    except Unanswered as error:
                        unanswered[key], in_a_row = str(error), in_a_row + 1
                        if in_a_row == min(IN_A_ROW, len(askings)):
                            raise InputError(f"{in_a_row} passages in a row have no answer: {error}. {_KEPT}") from error
                    progress("questions", len(questions) + len(unanswered), len(askings))
        finally:
            chat.stop.set()  # so that no thread goes on waiting for its next try


def _ask(chat: Chat, asking: Asking, answers: Path) -> str | None:
    """Ask, and keep the answer at once: what was paid for is not lost when the run ends before it is looked at."""
    reason = ""
    for _ in range(MALFORMED):
        content = chat.ask(asking.messages)
        try:
            question = parsed(content)
        except ValueError as error:
            reason = str(error)
            continue
        kept = json.dumps({"doc_id": asking.doc_id, "question": question}, ensure_ascii=False)
        durable.write_file(answers / f"{asking.key}.json", kept.encode())
        return question
    raise Unanswered(f"{reason}, {MALFORMED} times")


def parsed(content: str) -> str | None:
    """The question of an answer, or None where the model says that there is none. A fence of Markdown around the JSON is taken off.

    Raises:
        ValueError: the answer is anything but an object with the one field `question`, a text of bounded length or null.
    """
    fenced = _FENCED.match(content)
    try:
        found: Any = json.loads(fenced[1] if fenced else content)
    except (ValueError, RecursionError) as error:
        raise ValueError("the answer is not JSON") from error
    if not isinstance(found, dict) or set(found) != {"question"}:
        raise ValueError("the answer is not an object with the one field question")
    question = found["question"]
    if question is None:
        return None
    if not isinstance(question, str) or not units(question) or len(question) > LONGEST or any(map(_unfit, question)):
        raise ValueError(f"the question is no text of at most {LONGEST} characters")
    return " ".join(question.split())


def _unfit(character: str) -> bool:
    return character == "\0" or "\ud800" <= character <= "\udfff"


def _kept(answers: Path, key: str) -> str | None:
    path = answers / f"{key}.json"
    try:
        return parsed(json.dumps({"question": json.loads(path.read_bytes())["question"]}))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is not an answer that was kept. Remove it and run again: the passage is asked about anew.") from error


def _pairs(found: Plan, questions: Mapping[str, str | None], unanswered: Mapping[str, str]) -> Pairs:
    left_out: Counter[str] = Counter()
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, int]] = {}
    for asking in found.askings:
        question = questions.get(asking.key)
        if asking.key in unanswered:
            left_out["passages without an answer"] += 1
        elif question is None:
            left_out["passages in which the model found no question"] += 1
        elif language_of(question) != language_of(asking.passage):
            left_out["questions in another language than their passage"] += 1
        elif same(question) in same(asking.passage):
            left_out["questions copied from their passage"] += 1
        else:
            name = name_of("asked", question)
            queries.setdefault(name, Query(name, question, {"made_of": "endpoint"}))
            qrels.setdefault(name, {})[asking.doc_id] = 1
    skips = (
        Skip(asking.doc_id, f"a passage has no answer: {unanswered[asking.key]}") for asking in found.askings if asking.key in unanswered
    )
    remark = "No person has checked that these questions are answered by their documents."
    return Pairs(tuple(queries.values()), {"train": qrels}, dict(left_out), (*found.skipped, *skips), (remark,))
