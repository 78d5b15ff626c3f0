"""The report as a page: whole, harmless, linked, and saying what was planted."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from html import escape
from html.parser import HTMLParser

from bicross.evaluation.page import in_words, page
from bicross.evaluation.two_stage import KINDS, UNREAD
from tests.evaluation.report_world import NASTY, evaluated

VOID = {"meta"}


class Read(HTMLParser):
    """Elements, attributes and text; `open` are those that were not closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.data = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:])
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.data += data

    def of(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def test_the_page_stands_alone_and_escapes_every_text() -> None:
    seen = Read(text := page(evaluated()))
    assert seen.open == [] and not {"script", "img", "link", "iframe", "i1", "u"} & set(seen.tags)
    assert seen.of("src") == seen.of("style") == [] and not re.search(r"url\(|@import|https?:(?!//x)", text)
    assert all(address.startswith("#") for address in seen.of("href"))
    assert seen.data.count(NASTY) > 10, "as text, in questions, titles, passages, tags, remarks and settings"
    assert "default-src 'none'" in text and "NaN" not in text and "None" not in seen.data
    assert page(evaluated()) == text


def test_every_link_leads_somewhere_and_the_three_worst_stand_before_everything_else() -> None:
    found = evaluated()
    seen = Read(text := page(found))
    assert len(set(seen.of("id"))) == len(seen.of("id"))
    assert {address[1:] for address in seen.of("href")} <= set(seen.of("id"))
    assert {"#worst-1", "#worst-2", "#worst-3"} <= set(seen.of("href"))
    assert text.index("The 3 worst questions") < text.index("<nav>") < text.index("<section")


def test_chinese_text_says_that_it_is_chinese() -> None:
    text = page(evaluated())
    assert re.search(r'<h4 lang="zh">怎么重置第\d+台打印机？</h4>', text) and '<h4 lang="en">How do I reset' in text
    assert re.search(r'<span lang="zh">(<b>[^<]*</b> )?盗窃罪', text)


def test_all_parts_are_there() -> None:
    found = evaluated()
    seen = Read(page(found))
    for part in ("measures", "stages", "baseline", "depth", "time", "slices", "probabilities", "worst", "questions", "made", "reading"):
        assert part in seen.of("id")
    assert found.two_stage is not None and found.two_stage.verdict in seen.data
    assert found.depths is not None and found.depths.sentence in seen.data
    assert found.failed and "Regression gate failed: nDCG@10 fell by" in seen.data
    for kind in KINDS[:-1]:
        count = sum(one.outcome.kind == kind for one in found.worst)
        assert f"{kind.capitalize()} ({count} of {found.two_stage.kinds[kind]})" in seen.data or not count
    assert "✓ relevant, grade 2" in seen.data and "judged not relevant, grade 0" in seen.data and "not judged" in seen.data
    assert "not in the collection" in seen.data and "(too few)" not in seen.data


def test_a_search_without_reranking_and_one_that_lacks_nothing_have_pages_too() -> None:
    fused = evaluated(depth=0)
    text = Read(page(fused)).data
    assert "Nothing was reranked" in text and "no reranking" in text and "Reranked" not in text and "at depth" not in text
    assert "found, not reranked (a reranker could get it)" in text and "and nothing was reranked: a reranker could bring" in text
    assert "a greater depth could" not in text, "there is none in a search that reranks nothing"
    bare = replace(
        fused,
        two_stage=None,
        depths=None,
        worst=(),
        slices=(),
        probabilities=None,
        against=None,
        checks=(),
        latency={},
        stage_latency={},
        remarks=(),
    )
    seen = Read(page(bare))
    assert "No question lacks anything" in seen.data and "baseline" not in seen.of("id")


def test_the_same_facts_are_json() -> None:
    found = json.loads(json.dumps(asdict(evaluated()), allow_nan=False))
    assert found["two_stage"]["outcomes"][0]["query_id"] == "q0<i>" and found["worst"][0]["recalled"][0]["text"]
    assert found["depths"]["points"][0]["depth"] == 0 and found["checks"][0]["state"] == "failed"


def test_the_words_count_questions() -> None:
    lines = in_words(evaluated())
    assert re.fullmatch(
        r"\d+ of 53 questions have a relevant document among the first 10 hits; \d+ are answered as well as can be\.", lines[0]
    )
    found = re.fullmatch(
        r"Recall found (\d+) of \d+ relevant documents in its first 100 hits, (\d+) of them among the 20 that were read again; for \d+ "
        r"questions what it missed costs something\.",
        lines[1],
    )
    assert found and found[1] == found[2]
    assert lines[2] == "7 more questions have no document that is judged relevant."
    assert lines[3].startswith("Reranking harms: ") and any(line.startswith("Against old<i>.json, on 60 questions") for line in lines)


def test_every_question_has_a_row_with_its_kind_and_values() -> None:
    found = evaluated()
    text = page(found)
    part = text[text.index('id="questions"') : text.index('id="made"')]
    assert found.two_stage is not None and part.count("<tr>") == 61 and part.count("<details>") == 1
    one = found.two_stage.outcomes[7]
    cells = "".join(f'<td class="n">{value:.2f}</td>' for value in (one.recalled, one.final, one.best))
    assert f"<small>{escape(one.query_id)}</small></td><td>{escape(one.kind)}</td>{cells}</tr>" in part


def test_what_was_found_and_not_read_is_told_apart() -> None:
    found = evaluated(depth=3)
    assert found.two_stage is not None and found.two_stage.kinds[UNREAD] > 5
    seen = Read(page(found)).data
    assert "found, not read (a greater depth could get it): 0." in seen and "best possible at depth 3" in seen
    assert f"Found, not read ({min(5, found.two_stage.kinds[UNREAD])} of {found.two_stage.kinds[UNREAD]})" in seen
    assert "found, not read (" not in Read(page(evaluated())).data, "what is nothing is not listed"


def test_long_questions_are_clipped_above_and_whole_below() -> None:
    found = evaluated()
    long = tuple(replace(one, text="weary " * 500 + str(one.place)) for one in found.worst)
    text = page(replace(found, worst=long))
    assert "weary " * 30 not in text[: text.index("<nav>")] and "weary " * 499 in text


def test_probabilities_have_their_section() -> None:
    found = evaluated()
    assert found.probabilities is not None
    seen = Read(page(found))
    assert f"Expected calibration error {found.probabilities.reliability.error:.4f} (95% interval " in seen.data
    assert "Of 600 hits, the first 10 of each of 60 questions" in seen.data and "reliability diagram" in seen.of("aria-label")
    assert "It is not known to which questions the calibration was fitted." in seen.data and "hits were not judged" in seen.data
    known = Read(page(replace(found, probabilities=replace(found.probabilities, fitted=12)))).data
    assert "12 questions are left out, because the calibration was fitted to them." in known and "is not known" not in known


def test_questions_that_were_timed_twice_are_told() -> None:
    assert "2 of the searches timed, over all depths, asked one again" in Read(page(evaluated())).data
    assert "asked one again" not in Read(page(replace(evaluated(), timed_again=0))).data
