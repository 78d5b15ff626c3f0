"""Questions from an endpoint: what is asked, what is kept, what is left out."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from bicross.data.chat import Chat
from bicross.data.endpoint import CHARACTERS, Plan, from_endpoint, parsed, plan
from bicross.data.pairs import Pairs
from bicross.errors import InputError
from bicross.settings import QuestionSettings
from tests.data.served import Answer, Served, question, said, serve

SETTINGS = QuestionSettings(source="endpoint", model="small", limit=20)
ENGLISH = "To reset the printer number {}, press the red button on its left side for ten seconds."
CHINESE = "要重置第{}号打印机，请按住左侧的红色按钮十秒钟，直到指示灯开始闪烁为止。"


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    rows = [{"_id": f"d{n}", "title": "Manual", "text": (CHINESE if n % 3 == 0 else ENGLISH).format(n)} for n in range(12)]
    path = tmp_path / "documents.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def number_in(body: dict[str, Any]) -> int:
    return int(re.findall(r"\d+", body["messages"][1]["content"])[0])


def good(body: dict[str, Any], number: int = 0) -> Answer:
    asked = number_in(body)
    return question(f"怎样让{asked}号恢复？" if asked % 3 == 0 else f"How is device {asked} brought back?")


def make(served: Served, found: Plan, answers: Path, in_flight: int = 3) -> Pairs:
    return from_endpoint(found, Chat(served.url, "small", patience=0.001), answers, in_flight, silent)


def test_each_passage_is_asked_about_in_its_language_and_few_at_once(documents: Path, tmp_path: Path) -> None:
    def slow(body: dict[str, Any], number: int) -> Answer:
        time.sleep(0.02)
        return good(body)

    found = plan([documents], SETTINGS, silent)
    with serve(slow) as served:
        pairs = make(served, found, tmp_path / "answers")
    assert len(pairs.queries) == 12 and not any(pairs.left_out.values())
    by_text = {query.text: list(pairs.qrels["train"][query.id].items()) for query in pairs.queries}
    assert by_text["How is device 4 brought back?"] == [("d4", 1)] and by_text["怎样让3号恢复？"] == [("d3", 1)]
    assert 1 < served.most <= 3
    for _, _, body in served.asked:
        instruction, passage = (message["content"] for message in body["messages"])
        assert passage.startswith("Manual\n")
        assert instruction.startswith("请写出" if "打印机" in passage else "Write one question")


def test_a_seed_draws_the_same_passages_whatever_the_order_of_the_documents(documents: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(reversed(documents.read_text("utf-8").splitlines(keepends=True))), "utf-8")
    few = SETTINGS.model_copy(update={"limit": 4})
    drawn = [asking.doc_id for asking in plan([documents], few, silent).askings]
    assert len(drawn) == 4 and drawn == [asking.doc_id for asking in plan([turned], few, silent).askings]
    assert drawn != [asking.doc_id for asking in plan([documents], few.model_copy(update={"seed": 1}), silent).askings]


def test_long_documents_are_cut_at_sentences_and_capped(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("".join(ENGLISH.format(n) + "\n" for n in range(200)))
    (tmp_path / "one.txt").write_text("word " * 2000)
    (tmp_path / "tiny.txt").write_text("Too short to ask about.")
    found = plan([tmp_path], SETTINGS.model_copy(update={"per_document": 2}), silent)
    assert sorted(asking.doc_id for asking in found.askings) == ["long.txt", "long.txt", "one.txt"]
    for asking in found.askings:
        assert len(asking.passage) <= CHARACTERS
        assert asking.doc_id == "one.txt" or (asking.passage.startswith("To reset") and asking.passage.endswith("seconds."))


def test_an_interrupted_run_goes_on_and_asks_nothing_twice(documents: Path, tmp_path: Path) -> None:
    found, answers = plan([documents], SETTINGS, silent), tmp_path / "answers"
    with serve(lambda body, number: good(body) if number < 5 else (401, {}, b"quota gone")) as served:
        with pytest.raises(InputError, match=r"401.*quota gone"):
            make(served, found, answers)
        kept = len(list(answers.glob("*.json")))
        assert kept == 5 and found.cost(answers)["requests"] == 7
    with serve(good) as served:
        whole = make(served, found, answers)
    assert len(served.asked) == 7 and len(whole.queries) == 12
    assert found.cost(answers) == {"requests": 0, "input_tokens": 0, "output_tokens": 0}
    with serve(good) as served:
        assert make(served, found, answers) == whole
        assert served.asked == []
        other = plan([documents], SETTINGS.model_copy(update={"model": "large"}), silent)
        assert other.cost(answers)["requests"] == 12  # another model's answers are not this one's


def test_the_cost_counts_a_chinese_character_as_a_token_and_four_letters_as_one(documents: Path, tmp_path: Path) -> None:
    found = plan([documents], SETTINGS, silent)
    text = "".join(message["content"] for asking in found.askings for message in asking.messages)
    wide = sum(ord(character) > 0x2E7F for character in text)
    cost = found.cost(tmp_path)
    assert cost["requests"] == 12 and cost["output_tokens"] == 480
    assert abs(cost["input_tokens"] - (wide + (len(text) - wide) / 4)) < 1


def test_what_is_not_as_asked_is_asked_again_and_then_left_out_by_name(documents: Path, tmp_path: Path) -> None:
    def some(body: dict[str, Any], number: int) -> Answer:
        match number_in(body):
            case 1:
                return said("Sure! Here is a question.")
            case 2:
                return question(None)
            case 4:
                return question("打印机怎样恢复？")
            case 5:
                return question("press the red button on its left side")
            case 7:
                return said("Sure!") if number_in(body) not in {number_in(one) for _, _, one in served.asked[:number]} else good(body)
        return good(body)

    with serve(some) as served:
        pairs = make(served, plan([documents], SETTINGS, silent), tmp_path / "answers")
    assert dict(pairs.left_out) == {
        "passages without an answer": 1,
        "passages in which the model found no question": 1,
        "questions in another language than their passage": 1,
        "questions copied from their passage": 1,
    }
    assert [(skip.id, skip.reason) for skip in pairs.skipped] == [("d1", "a passage has no answer: the answer is not JSON, 3 times")]
    assert len(pairs.queries) == 8 and {"d7": 1} in pairs.qrels["train"].values()
    assert sum(number_in(body) == 1 for _, _, body in served.asked) == 3


def test_a_server_that_answers_nothing_ends_the_run(documents: Path, tmp_path: Path) -> None:
    with (
        serve(lambda body, number: said("no")) as served,
        pytest.raises(InputError, match=r"5 passages in a row.*run the same command again"),
    ):
        make(served, plan([documents], SETTINGS, silent), tmp_path / "answers")
    assert len(served.asked) < 3 * 12


def test_two_runs_do_not_ask_the_same_at_once(documents: Path, tmp_path: Path) -> None:
    from bicross.durable import lock
    from bicross.errors import Locked

    (tmp_path / "answers").mkdir()
    with lock(tmp_path / "answers" / "lock"), serve(good) as served, pytest.raises(Locked):
        make(served, plan([documents], SETTINGS, silent), tmp_path / "answers")


def test_a_kept_answer_that_was_changed_is_refused(documents: Path, tmp_path: Path) -> None:
    found, answers = plan([documents], SETTINGS, silent), tmp_path / "answers"
    answers.mkdir()
    (answers / f"{found.askings[0].key}.json").write_text("{}")
    with serve(good) as served, pytest.raises(InputError, match="Remove it and run again"):
        make(served, found, answers)


@pytest.mark.parametrize(
    ("content", "question"),
    [
        ('{"question": "How  so?"}', "How so?"),
        ('```json\n{"question": "How so?"}\n```', "How so?"),
        ('{"question": null}', None),
    ],
)
def test_an_answer_is_one_object(content: str, question: str | None) -> None:
    assert parsed(content) == question


@pytest.mark.parametrize(
    "content",
    [
        "",
        "How so?",
        '{"question": "How so?"} ok',
        '["How so?"]',
        "{}",
        '{"question": "x y", "answer": "z"}',
        '{"question": 1}',
        '{"question": "?"}',
        pytest.param('{"question": "' + "a " * 200 + '"}', id="long"),
        '{"question": "a\\u0000b"}',
        '{"question": "a\\ud800b"}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_anything_else_is_no_answer(content: str) -> None:
    with pytest.raises(ValueError, match=r"answer|question"):
        parsed(content)
