"""Questions out of documents: which phrases become one, and what is left out."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data.pairs import Pairs
from bicross.data.pseudo import SHARED, cleaned, from_titles
from bicross.settings import QuestionSettings

SETTINGS = QuestionSettings()


def made(source: Path, settings: QuestionSettings = SETTINGS) -> tuple[dict[str, set[str]], Pairs]:
    """Question -> documents, and the pairs."""
    pairs = from_titles([source], settings, lambda what, done, total: None)
    return {query.text: set(pairs.qrels["train"][query.id]) for query in pairs.queries}, pairs


def rows(path: Path, documents: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in documents), "utf-8")
    return path


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Chapter 3", ""),
        ("第一条", ""),
        ("三、", ""),
        ("2.1.", ""),
        ("Chapter IV: The Return", "The Return"),
        ("3.2 Reset the printer", "Reset the printer"),
        ("1) Reset the printer", "Reset the printer"),
        ("第三章 合同的订立", "合同的订立"),
        ("（二）合同的订立", "合同的订立"),
        ("合同法第十二条", "合同法"),
        ("Q2: How do I reset it?", "How do I reset it?"),
        ("**How** to use [`tune`](docs/tune.md)", "How to use tune"),
        ("I love my printer", "I love my printer"),
        ("A printer for you", "A printer for you"),
        ("3D printing at home", "3D printing at home"),
        ("my_file_name and __init__", "my_file_name and init"),
        ("十全十美的打印机", "十全十美的打印机"),
        ("— * —", ""),
    ],
)
def test_numbering_and_marks_are_taken_off(raw: str, text: str) -> None:
    assert cleaned(raw) == text


@given(st.text(max_size=60))
def test_cleaning_leaves_no_white_space_at_the_ends(raw: str) -> None:
    assert cleaned(raw) == cleaned(raw).strip()


def test_headings_and_written_questions_lead_to_their_document(tmp_path: Path) -> None:
    (tmp_path / "x100.md").write_text(
        "# Printer X100\n## 2. Reset the printer\nPress it.\n## References\n## 保养\nQ: How long does it last?\nA: Ten years.\n"
    )
    found, pairs = made(tmp_path)
    assert found == {"Reset the printer": {"x100.md"}, "Printer X100 保养": {"x100.md"}, "How long does it last?": {"x100.md"}}
    assert {query.text: query.meta["made_of"] for query in pairs.queries}["How long does it last?"] == "asked"
    assert pairs.left_out == {
        "titles that are read with their document anyway: copies": 1,
        "name a part that any document has": 1,
        "all their words stand in the title that models read": 1,
    }
    assert "3 of 3 questions are made of words of their document alone" in pairs.remarks[0]


def test_a_common_heading_is_said_with_its_title_and_a_common_phrase_is_left_out(tmp_path: Path) -> None:
    for number, name in enumerate(["Glaucoma", "Asthma", "Measles", "Gout"]):
        (tmp_path / f"{number}.md").write_text(f"# {name}\n## What are the symptoms\nText.\n## {'x' * number}y\n")
    found, _ = made(tmp_path)
    assert found["Glaucoma What are the symptoms"] == {"0.md"}
    untitled = [{"id": str(number), "text": "## What are the symptoms\nText."} for number in range(SHARED + 1)]
    source = rows(tmp_path / "common.jsonl", [*untitled, {"id": "rare", "text": "## What is the cause of it\nText."}])
    found, pairs = made(source)
    assert found == {"What is the cause of it": {"rare"}}
    assert pairs.left_out == {f"stand in more than {SHARED} documents": SHARED + 1}
    found, _ = made(rows(tmp_path / "fewer.jsonl", untitled[1:]))
    assert found == {"What are the symptoms": {"1", "2", "3"}}


def test_a_title_is_a_question_only_where_models_do_not_read_it(tmp_path: Path) -> None:
    documents = [
        {"id": "a", "title": "How do I reset the printer?", "text": "Press the red button."},
        {"id": "b", "title": "Red buttons explained", "text": "Red buttons explained. They are red."},
        {"id": "c", "title": "Help", "text": "Call us."},
        {"id": "d", "title": "A title alone", "text": ""},
        {"id": "e", "title": "十二岁的孩子可以工作吗", "text": "不可以。"},
    ]
    source = rows(tmp_path / "titled.jsonl", documents)
    assert made(source)[0] == {}
    found, pairs = made(source, QuestionSettings(titled=False))
    assert found == {"How do I reset the printer?": {"a"}, "十二岁的孩子可以工作吗": {"e"}}
    assert pairs.left_out == {
        "titles that are read with their document anyway: copies": 2,
        "too short: expected two words, or four Chinese characters": 1,
    }
    assert "0 of 2 questions are made of words of their document alone" in pairs.remarks[0]


def test_headings_of_a_page_but_not_of_its_navigation(tmp_path: Path) -> None:
    body = "".join(
        f"<h2>{name}</h2><p>{'Press the button on the left side, and wait for a while. ' * 4}</p>"
        for name in ("Reset the printer", "如何更换墨盒")
    )
    page = "<html><head><title>X100</title></head><body><nav><h3>All our other products</h3></nav>"
    page += f"<main><article>{body}</article></main></body></html>"
    (tmp_path / "x.html").write_text(page, "utf-8")
    assert set(made(tmp_path)[0]) == {"Reset the printer", "如何更换墨盒"}
    assert set(made(tmp_path / "x.html")[0]) == {"Reset the printer", "如何更换墨盒"}


def test_caps_are_drawn_by_the_seed_whatever_the_order(tmp_path: Path) -> None:
    texts = {
        name: "\n".join(f"## Section {name} about {topic}\nText." for topic in ("paper", "ink", "power", "noise", "heat"))
        for name in ("one", "two", "three")
    }
    documents = [{"id": name, "text": text} for name, text in texts.items()]
    settings = QuestionSettings(per_document=2, limit=5)
    found, pairs = made(rows(tmp_path / "a.jsonl", documents), settings)
    assert len(found) == 5 and pairs.left_out == {"over 2 a document": 9, "over the limit": 1}
    assert made(rows(tmp_path / "b.jsonl", documents[::-1]), settings)[1] == pairs
    assert made(tmp_path / "a.jsonl", settings.model_copy(update={"seed": 1}))[0] != found
    asked = {"id": "q", "text": texts["one"] + "\nQ: Is this one taken first?\nA: Yes."}
    assert set(made(rows(tmp_path / "c.jsonl", [asked]), QuestionSettings(per_document=1))[0]) == {"Is this one taken first?"}


def test_texts_that_are_too_long_are_left_out_and_bad_rows_are_named(tmp_path: Path) -> None:
    source = rows(tmp_path / "a.jsonl", [{"id": "a", "text": f"# {'long ' * 50}\n## A good heading here\n"}, {"id": "b"}])
    found, pairs = made(source)
    assert set(found) == {"A good heading here"}
    assert pairs.left_out["longer than 200 characters"] == 1 and [skip.id for skip in pairs.skipped] == [f"{source}:2"]
