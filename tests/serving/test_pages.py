"""The pages as a browser without script gets them, from a real server over a real model process."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from bicross import durable, pipeline
from bicross.serving import feedback
from bicross.serving.web.assets import assets, percent_share, size
from bicross.serving.web.marks import Piece, pieces, split_title
from bicross.serving.web.slope import HEAD, ROW, slope
from bicross.serving.web.state import reports, tunings
from bicross.serving.web.view import beside, clipped, percent, view_of
from bicross.serving.web.ways import Way
from bicross.serving.web.words import WORDS, Words, chosen
from bicross.settings import IndexSettings
from bicross.tuning.run import Run
from tests.serving.doors import Door, door

HOSTILE = "<script>alert('x')</script>"
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"id": 'a"><img src=x onerror=alert(1)>', "title": HOSTILE, "text": "Hold the power button & reset <b>the device</b>. \"'{{ 7*7 }}"},
    {"id": "battery", "title": "Battery", "text": "The battery lasts about nine hours and charges in two."},
    {"id": "untitled", "title": "", "text": "The warranty covers two years of normal use."},
    {"id": "重置", "title": "重置", "text": "按住电源键十秒即可重置设备。"},
    {"id": "电池", "title": "电池", "text": "电池续航约九小时，两小时充满。"},
)
ZH = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with hostile documents."""
    place = tmp_path_factory.mktemp("pages")
    source = place / "documents.jsonl"
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in DOCUMENTS), "utf-8")
    pipeline.index([source], place / "manual", IndexSettings(encoder="bicross/hashed", reranker="bicross/hashed"))
    return place / "manual"


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server of two collections that asks for keys."""
    other = Path(shutil.copytree(folder, tmp_path_factory.mktemp("other") / "theirs"))
    with door({"manual": folder, "theirs": other}, tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.fixture
def browser(served: Door) -> Iterator[httpx.Client]:
    """One who signed in with a key that may write."""
    with httpx.Client(base_url=served.base, headers={"Accept-Language": "en"}, timeout=60) as client:
        entered = client.post("/login", data={"key": served.keys["write"]}, headers={"Origin": served.base})
        assert entered.status_code == 303
        yield client


class Tags(HTMLParser):
    """The elements of a page with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_a_question_in_the_address_is_answered_without_script(browser: httpx.Client) -> None:
    page = browser.get("/", params={"q": "How long does the battery last?"}).text
    assert "The battery lasts about nine hours" in page and "<title>How long does the battery last? · manual · Bicross</title>" in page
    shown = Tags(page)
    form = next(one for one in shown.all("form") if one.get("id") == "ask")
    assert (form["action"], form["method"]) == ("/", "get")
    assert len(shown.all("article")) == len(DOCUMENTS)
    assert next(one for one in shown.all("svg") if one.get("class") == "slope")["role"] == "img"
    assert "Hit 1: lexical" in page and "not calibrated" in page


def test_titles_passages_ids_and_questions_are_text_and_never_markup(browser: httpx.Client) -> None:
    question = f'reset the device {HOSTILE}" onfocus=alert(1) x="'
    for address in ("/", "/ui/answer"):
        page = browser.get(address, params={"q": question}).text
        shown = Tags(page)
        assert HOSTILE not in page and "<b>the device</b>" not in page
        assert HOSTILE in unescape(page) and "{{ 7*7 }}" in unescape(page)
        assert not shown.all("img") and not [name for _, attributes in shown.found for name in attributes if name.startswith("on")]
        assert all(one.get("src", "").startswith("/static/") for one in shown.all("script"))  # type: ignore[union-attr]
    page = browser.get("/ui/explain", params={"q": question, "id": DOCUMENTS[0]["id"], "start": 0, "end": 60}).text
    assert "<b>the" not in page and escape("<b>") in page and HOSTILE not in page


def test_nothing_is_inline_and_every_page_holds_browsers_to_that(browser: httpx.Client) -> None:
    for address in ("/", "/?q=battery", "/?q=battery&b=1&w2=dense", "/collection", "/login", "/ui/state", "/?c=nowhere"):
        answer = browser.get(address)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy and "script-src 'self'" in policy
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        shown = Tags(answer.text)
        assert not shown.all("style") and not [one for _, one in shown.found if "style" in one]
        assert not re.search(r"(?:src|href|action|hx-get|hx-post)=\"(?!/|#)", answer.text), "something of another origin"


def test_files_are_kept_for_ever_under_names_with_their_hash(served: Door) -> None:
    for name, asset in assets().items():
        answer = httpx.get(f"{served.base}/static/{name}")
        assert answer.content == asset.content and "immutable" in answer.headers["cache-control"]
    assert {Path(name).suffix for name in assets()} == {".css", ".js", ".svg"}
    for name in ("style.css", "..%5cpages.py", "htmx.LICENSE"):
        assert httpx.get(f"{served.base}/static/{name}").status_code == 404


def test_the_page_speaks_the_language_that_the_browser_prefers_and_remembers_another_choice(served: Door, browser: httpx.Client) -> None:
    page = browser.get("/", params={"q": "电池能用多久？"}, headers=ZH).text
    assert '<html lang="zh-Hans">' in page and "次序由来" in page and 'lang="zh">电池' in page and "未校准" in page
    page = browser.get("/?lang=en", headers=ZH).text
    assert '<html lang="en">' in page
    assert '<html lang="en">' in browser.get("/collection", headers=ZH).text, "the cookie remembers"


def test_every_word_is_there_in_both_languages_with_the_same_gaps() -> None:
    for name, (english, chinese) in WORDS.items():
        assert english.strip() and chinese.strip(), name
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), name


def test_every_word_is_used() -> None:
    web = Path(feedback.__file__).parent / "web"
    written = "".join(path.read_text("utf-8") for path in [*web.glob("*.py"), *web.glob("templates/*.html")] if path.name != "words.py")
    made_up = ("stage_", "way_", "grade_", "seconds_", "kind_", "use_", "run_", "job_", "legend_", "weight_")  # names that are put together
    assert [name for name in WORDS if not name.startswith(made_up) and not re.search(rf"['\"]{name}['\"]", written)] == []


@pytest.mark.parametrize(
    ("asked", "cookie", "header", "expected"),
    [
        (None, None, "", "en"),
        (None, None, "zh-TW,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "en-GB,en;q=0.9,zh;q=0.5", "en"),
        (None, None, "fr, zh;q=0.3, en;q=0.2", "zh"),
        (None, None, "zh;q=nan?, en;q=x", "en"),
        (None, "zh", "en", "zh"),
        ("en", "zh", "zh", "en"),
        ("xx", "yy", "zh", "zh"),
    ],
)
def test_which_language_is_chosen(asked: str | None, cookie: str | None, header: str, expected: str) -> None:
    assert chosen(asked, cookie, header) == expected


def test_two_settings_of_one_question_stand_side_by_side(browser: httpx.Client) -> None:
    page = browser.get("/", params={"q": "battery", "w": "2", "b": "1", "w2": "lexical"}).text
    assert "Two stages, 2 read again" in page and "Lexical recall only" in page
    shown = Tags(page)
    assert {one.get("aria-labelledby") for one in shown.all("section")} >= {"side-A", "side-B", "way"}
    assert not [one for one in shown.all("form") if one.get("class") == "judge"]


def test_a_judgement_without_script_is_kept_shown_and_taken_back(browser: httpx.Client, served: Door, folder: Path) -> None:
    origin = {"Origin": served.base}
    form = {"q": "battery life", "c": "manual", "document": "battery", "number": "1", "grade": "3"}
    answer = browser.post("/ui/judge", data=form, headers=origin)
    assert answer.status_code == 303 and answer.headers["location"] == "/?q=battery+life&c=manual#hit-1"
    assert feedback.grades(folder, "battery life") == {"battery": 3}
    pressed = [one for one in Tags(browser.get("/", params={"q": "battery life"}).text).all("button") if one.get("aria-pressed") == "true"]
    assert [one["value"] for one in pressed] == ["3"]
    part = browser.post("/ui/judge", data=form | {"grade": "undo"}, headers=origin | {"HX-Request": "true"}).text
    assert "Taken back" in part and feedback.grades(folder, "battery life") == {}


def test_a_judgement_of_a_document_that_is_not_there_is_not_kept(browser: httpx.Client, served: Door, folder: Path) -> None:
    form = {"q": "nothing there", "c": "manual", "document": "nowhere", "number": "1", "grade": "3"}
    answer = browser.post("/ui/judge", data=form, headers={"Origin": served.base})
    assert answer.status_code == 422 and "nowhere" in answer.text and feedback.grades(folder, "nothing there") == {}
    assert browser.post("/ui/judge", data=form | {"grade": "undo"}, headers={"Origin": served.base}).status_code == 303


@pytest.mark.parametrize("change", [{"grade": "4"}, {"grade": ""}, {"q": " "}, {"document": ""}, {"q": "x" * 5000}])
def test_a_judgement_that_is_none_is_refused(browser: httpx.Client, served: Door, change: dict[str, str]) -> None:
    form = {"q": "battery", "c": "manual", "document": "battery", "number": "1", "grade": "3"} | change
    assert browser.post("/ui/judge", data=form, headers={"Origin": served.base}).status_code == 422


def test_another_sites_page_can_neither_judge_nor_sign_in(browser: httpx.Client, served: Door) -> None:
    form = {"q": "battery", "c": "manual", "document": "battery", "grade": "3"}
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert browser.post("/ui/judge", data=form, headers=headers).status_code == 403
        assert httpx.post(f"{served.base}/login", data={"key": served.keys["read"]}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/login", {"Origin": "http://evil.example"}, 403),
        ("POST", "/", {}, 405),
        ("POST", "/ui/judge", {"Content-Encoding": "gzip"}, 415),
        ("GET", "/collection", {"X-Api-Key": "bcx_wrong", "HX-Request": "true"}, 401),
        ("POST", "/ui/judge", {"X-Api-Key": "bcx_wrong"}, 401),
        ("POST", "/ui/judge", {}, 422),
    ],
)
def test_what_is_refused_before_a_page_is_made_is_told_on_a_page(
    browser: httpx.Client, served: Door, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    content = b"x" if method == "POST" else None
    reply = browser.request(method, path, content=content, headers={"Origin": served.base} | headers | ZH)
    assert reply.status_code == status and reply.headers["content-type"].startswith("text/html")
    assert 'lang="zh-Hans"' in reply.text and 'class="problem"' in reply.text and "style-src" in reply.headers["content-security-policy"]
    assert status != 405 or reply.headers["allow"] == "GET"


def test_a_judgement_that_is_refused_leaves_the_form_as_it_was(browser: httpx.Client, served: Door) -> None:
    mine = {"Origin": served.base, "HX-Request": "true"}
    for headers, status in ((mine, 422), (mine | {"Sec-Fetch-Site": "cross-site"}, 403)):
        reply = browser.post("/ui/judge", data={"q": "battery"}, headers=headers)
        assert reply.status_code == status and reply.headers["hx-reswap"] == "none"
        assert [one["id"] for one in Tags(reply.text).all("p")] == ["toast"]
    ended = httpx.post(f"{served.base}/ui/judge", data={"q": "battery"}, headers=mine)
    assert ended.status_code == 401 and ended.headers["hx-redirect"] == "/login"


def test_who_is_not_signed_in_is_sent_to_the_door_and_a_wrong_key_does_not_open_it(served: Door) -> None:
    with httpx.Client(base_url=served.base) as client:
        for address in ("/", "/collection", "/ui/answer?q=battery"):
            assert client.get(address).headers["location"] == "/login"
        page = client.post("/login", data={"key": "bcx_wrong"})
        assert page.status_code == 403 and "This key is not known" in page.text and "bcx_wrong" not in page.text
        assert 'href="/collection' not in client.get("/login").text


def test_a_key_that_may_only_read_sees_no_way_to_judge_and_signing_out_ends_the_session(served: Door) -> None:
    with httpx.Client(base_url=served.base, timeout=60) as client:
        cookie = client.post("/login", data={"key": served.keys["read"]}).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        page = client.get("/", params={"q": "battery"})
        assert page.status_code == 200 and 'class="judge"' not in page.text and "theirs" not in page.text
        token = client.cookies["bicross_session"]
        assert client.post("/logout").headers["location"] == "/login"
        assert client.get("/", headers={"Cookie": f"bicross_session={token}"}).status_code == 303


def test_another_tenants_collection_is_as_one_that_is_not_there(browser: httpx.Client) -> None:
    for address in ("/", "/collection", "/ui/answer", "/ui/state", "/collection/reports/x.html"):
        theirs, nowhere = (browser.get(address, params={"c": name, "q": "x"}) for name in ("theirs", "nowhere"))
        assert theirs.status_code == nowhere.status_code == 404
        assert theirs.text.replace("theirs", "nowhere") == nowhere.text


def test_a_question_that_cannot_be_asked_says_why_on_the_page(browser: httpx.Client) -> None:
    page = browser.get("/", params={"q": "x" * 5000})
    assert page.status_code == 422 and "The question has 5000 characters; at most 4096 are read." in page.text
    assert browser.get("/ui/explain", params={"q": "x", "id": "not there"}).status_code == 404


def test_the_address_of_an_answer_is_that_of_the_whole_page(browser: httpx.Client) -> None:
    asked = {"q": "battery", "c": "manual", "w": "auto", "c2": "manual", "w2": "dense"}
    assert browser.get("/ui/answer", params=asked).headers["hx-push-url"] == "/?q=battery&c=manual"
    assert browser.get("/ui/answer", params=asked | {"b": "1"}).headers["hx-push-url"] == "/?q=battery&c=manual&c2=manual&w2=dense&b=1"


def test_an_explanation_marks_the_words_that_mattered(browser: httpx.Client) -> None:
    text = DOCUMENTS[1]["text"]
    part = browser.get("/ui/explain", params={"q": "battery hours", "id": "battery", "start": 0, "end": len(text)}).text
    assert '<mark class="m3">' in part
    assert "".join(re.sub(r"<[^>]+>", "", line) for line in part.splitlines() if 'class="whole"' in line) == escape(text)


def test_the_collections_page_tells_what_it_holds_and_what_answers(browser: httpx.Client) -> None:
    page = browser.get("/collection").text
    assert "<dd>5</dd>" in page and "bicross/hashed" in page and "Not tuned yet" in page and 'hx-trigger="every 5s"' in page


def test_a_run_of_tune_shows_its_steps_and_whether_it_still_runs(fresh_collection: Path) -> None:
    run = Run.of(fresh_collection / "tuning", {"seed": 0})
    with run.locked():
        run.value("plan", lambda: {"plan": {}, "estimates": {}, "seconds": 100.0, "world": None})
        run.value("1-mined", lambda: [])
        run.work("1-bi-encoder").mkdir(parents=True)
        (seen,) = tunings(fresh_collection)
        assert (seen.state, seen.done, seen.estimated) == ("running", 2, 100.0)
        assert [(step.name, step.done) for step in seen.steps] == [("plan", True), ("1-mined", True), ("1-bi-encoder", False)]
    assert tunings(fresh_collection)[0].state == "interrupted"
    assert not durable.is_locked(run.folder / "lock") and not durable.is_locked(run.folder / "none")


def test_a_run_that_is_over_is_shown_with_what_it_found(browser: httpx.Client, folder: Path) -> None:
    paired = {"difference": 0.05, "confidence": [0.01, 0.09], "p_value": 0.01, "wins": 5, "losses": 1}
    measured = {"nDCG@10": 0.7}
    dev = {"before": {"both": measured}, "after": {"both": {"nDCG@10": 0.75}}, "difference": {"both": paired}}
    outcome = {"promoted": True, "reason": "Better, and <nothing> fell.", "dev": dev, "questions": {"train": 80, "held": 10, "dev": 20}}
    run = Run.of(folder / "tuning", {"seed": 1})
    run.value("outcome", lambda: outcome)
    page = browser.get("/ui/state").text
    shutil.rmtree(folder / "tuning")
    assert "promoted" in page and "+0.0500" in page and "0.7500" in page and "&lt;nothing&gt;" in page


def test_only_reports_that_bicross_wrote_into_the_folder_are_shown_and_they_are_locked_in(browser: httpx.Client, folder: Path) -> None:
    (folder / "report.html").write_text("<!doctype html><title>Search report: manual</title><p>0.81", "utf-8")
    (folder / "other.html").write_text("<title>Something else</title>", "utf-8")
    (folder / "link.html").symlink_to(folder / "report.html")
    assert [one.name for one in reports(folder)] == ["report.html"]
    assert "/collection/reports/report.html" in browser.get("/collection").text
    shown = browser.get("/collection/reports/report.html")
    assert "0.81" in shown.text and "sandbox" in shown.headers["content-security-policy"]
    for name in ("other.html", "link.html", "truth.db", "..%5c..%5cpasswd"):
        assert browser.get(f"/collection/reports/{name}").status_code == 404


def test_spans_become_pieces_that_are_the_whole_text() -> None:
    found = pieces(
        "abcdef", [{"start": 1, "end": 3, "score": 2.0}, {"start": 2, "end": 5, "score": 0.5}, {"start": 5, "end": 9, "score": -1}]
    )
    assert found == (Piece("a", 0), Piece("bc", 3), Piece("de", 1), Piece("f", 0))
    assert pieces("", []) == () and pieces("ab", []) == (Piece("ab", 0),)


def test_a_title_is_taken_off_where_the_model_read_it_before_the_text() -> None:
    marked = pieces("Title\nsome text", [{"start": 3, "end": 10, "score": 1.0}])
    title, body = split_title("Title\nsome text", "some text", marked)
    assert ("".join(one.text for one in title), "".join(one.text for one in body)) == ("Title\n", "some text")
    assert body[0] == Piece("some", 3)


def test_the_picture_puts_shown_ranks_in_rows_and_the_others_below_the_fold() -> None:
    drawn = slope(("dense", "reranked"), [[3, 1], [1, 2], [57, 3], [None, 4]], 4)
    first, second, third, fourth = drawn.lines
    assert [line.way for line in drawn.lines] == ["up", "down", "up", "up"]
    assert first.dots[0].y == HEAD + 2.5 * ROW and second.dots[0].y == HEAD + 0.5 * ROW
    assert drawn.fold is not None and drawn.fold < third.dots[0].y < fourth.dots[0].y < drawn.height
    assert (third.dots[0].text, fourth.dots[0].text) == ("57", "–")
    assert slope(("A", "B"), [[1, 1]], 1).fold is None


def _answer(ids: str, probability: float | None = 0.734, reranked: int = 2) -> dict[str, Any]:
    hits = [
        {
            "id": one,
            "score": 1.0,
            "probability": probability,
            "title": "",
            "passage": {"text": f"text {one}", "start": 0, "end": 6, "page": None, "heading": ""},
        }
        | {"stages": {"lexical": {"rank": 9 - rank, "score": 1.0}, "fused": {"rank": 3 - rank, "score": 0.1}}}
        for rank, one in enumerate(ids, start=1)
    ]
    return {"hits": hits, "reranked": reranked, "truncated": False, "seconds": {"encode": 0.01, "recall": 0.03, "rerank": 0.06}}


def test_probabilities_are_shown_where_the_search_gives_them() -> None:
    (first, _) = view_of(_answer("ab"), Way.of("auto"), "manual", Words("en")).hits
    assert (first.percent, first.moved, first.title) == ("73", 1, "text a")
    assert [percent(value) for value in (0.0, 0.004, 0.5, 0.999)] == ["< 1", "< 1", "50", "> 99"]


def test_two_answers_are_laid_side_by_side_by_document() -> None:
    first, second = (view_of(_answer(ids), Way.of("auto"), "manual", Words("en")) for ids in ("ab", "bc"))
    found = beside(first, second)
    assert (found.both, found.union, found.same) == (1, 3, False)
    assert found.ways == {"a": "down", "b": "up", "c": "up"} and found.numbers == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("name", "expected"), [("20", 20), ("auto", "auto"), ("-3", "auto"), ("99999", "auto"), ("x", "auto"), ("", "auto")]
)
def test_a_depth_that_is_none_is_the_usual_one(name: str, expected: object) -> None:
    assert Way.of(name).settings.depth == expected


def test_texts_are_clipped_at_a_word_and_numbers_said_as_people_say_them() -> None:
    assert clipped("# Heading and " + "word " * 30).endswith("word…") and len(clipped("字" * 99)) == 31
    assert (size(999), size(2_080_000), size(3_200_000_000)) == ("999 B", "2.08 MB", "3.2 GB")
    assert percent_share("< 1", 44) == "0.4"
