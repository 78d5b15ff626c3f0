"""The pages in Debian's Chromium against a real server: both languages, the keyboard, and what accessibility's rules say of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from bicross.data.questions import read_qrels, read_queries
from bicross.serving import feedback
from tests.serving.doors import Door, door

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
)
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
BAD = ("serious", "critical")
ENGLISH, CHINESE = "How do I reset the device?", "电池能用多久？"


@dataclass
class Seen:
    """A page, what it asked of the network, and what the console said."""

    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def served(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server that asks for keys."""
    with door({"manual": collection}, tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.fixture(scope="module")
def session(served: Door) -> str:
    """The cookie of one who signed in with a key that may write."""
    return httpx.post(f"{served.base}/login", data={"key": served.keys["write"]}).cookies["bicross_session"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture
def seen(chromium: Browser, served: Door, session: str, request: pytest.FixtureRequest) -> Iterator[Seen]:
    """An empty page, in the language of the test's mark. Nothing may come from elsewhere, and the console has nothing to say."""
    settings: dict[str, Any] = getattr(request, "param", {"locale": "en-US"})
    context = chromium.new_context(base_url=served.base, viewport={"width": 1280, "height": 900}, **settings)
    context.add_cookies([{"name": "bicross_session", "value": session, "url": served.base}])
    found = Seen(context.new_page())
    found.page.set_default_timeout(20_000)
    found.page.on("request", lambda asked: found.asked.append(asked.url))
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    yield found
    context.close()
    assert [url for url in found.asked if urlsplit(url).netloc != urlsplit(served.base).netloc] == []
    assert found.said == []


def ask(page: Page, question: str) -> None:
    """Ask as one does with a keyboard, and wait for the answer."""
    if page.evaluate("document.activeElement.id") != "question":
        page.keyboard.press("/")
    page.keyboard.type(question)
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer:not([aria-busy])")
    page.locator("#asked", has_text=question).wait_for()


def test_it_is_asked_in_english_and_chinese_and_remembers_in_its_address(seen: Seen) -> None:
    page = seen.page
    page.goto("/")
    ask(page, ENGLISH)
    assert page.locator("article.hit").count() == 10 and "Hold the power button" in page.inner_text("#hit-1")
    assert page.get_attribute("#asked", "lang") == "en" and page.url.endswith("/?" + urlencode({"q": ENGLISH}))
    ask(page, CHINESE)
    assert "电池续航约九小时" in page.inner_text("#hit-1") and page.get_attribute("#hit-1 .passage p", "lang") == "zh"
    assert "10 hits" in page.inner_text("#told")
    page.go_back()
    page.locator("#asked", has_text=ENGLISH).wait_for()
    assert page.input_value("#question") == ENGLISH
    page.click("text=中文")
    page.wait_for_selector("html[lang=zh-Hans]")
    assert "次序由来" in page.inner_text("#way") and page.inner_text("#asked") == ENGLISH


def test_the_keyboard_moves_opens_an_explanation_and_closes_it(seen: Seen) -> None:
    page = seen.page
    page.goto("/?" + urlencode({"q": ENGLISH}))
    for _ in range(2):
        page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == "hit-2"
    page.keyboard.press("k")
    assert page.locator("svg.slope.lit g.line.on").get_attribute("data-hit") == "1"
    page.keyboard.press("e")
    page.wait_for_selector("#hit-1 .passage mark")
    assert page.locator("#hit-1 details.why").get_attribute("open") is not None
    assert page.locator("#hit-1 mark.m3").count() >= 1
    page.keyboard.press("Enter")
    assert page.locator("#hit-1 details.why").get_attribute("open") is None
    page.keyboard.press("?")
    assert page.locator("#keys dl").is_visible()


def test_two_depths_are_compared_with_one_key(seen: Seen) -> None:
    page = seen.page
    page.goto("/?" + urlencode({"q": ENGLISH, "w": "5"}))
    page.keyboard.press("c")
    page.wait_for_selector("#side-B")
    page.select_option("select[name=w2]", "10")
    page.locator("#side-B", has_text="10 read again").wait_for()
    assert "5 read again" in page.inner_text("#side-A") and "w=5" in page.url and "w2=10" in page.url
    assert page.locator(".side-a article").count() == page.locator(".side-b article").count() == 10
    assert page.locator("svg.slope g.line").count() >= 10


def test_three_hits_are_judged_with_the_keyboard_and_stand_in_the_qrels(seen: Seen, collection: Path) -> None:
    page, question = seen.page, "What about the battery?"
    page.goto("/?" + urlencode({"q": question}))
    expected = {}
    for key, place in (("3", 1), ("0", 2), ("2", 3), ("1", 4)):
        page.keyboard.press("j")
        page.keyboard.press(key)
        page.wait_for_selector(f"#hit-{place} button[value='{key}'][aria-pressed=true]")
        assert page.evaluate("document.activeElement.id") == f"hit-{place}"
        expected[page.inner_text(f"#hit-{place} .id")] = int(key)
    page.keyboard.press("u")
    page.wait_for_selector("#hit-4 form.judge:not(:has([aria-pressed=true]))")
    assert "Taken back" in page.inner_text("#toast")
    del expected[page.inner_text("#hit-4 .id")]
    kept = collection / feedback.FOLDER
    (query,) = [one.id for one in read_queries(kept / feedback.QUERIES)[0] if one.text == question]
    assert read_qrels(kept / feedback.QRELS)[query] == expected and len(expected) == 3
    page.reload()
    assert page.locator("button[aria-pressed=true]").count() == 3


@pytest.mark.parametrize("seen", [{"locale": "zh-CN", "java_script_enabled": False}], indirect=True)
def test_without_script_it_is_asked_all_the_same(seen: Seen) -> None:
    page = seen.page
    page.goto("/")
    page.fill("#question", CHINESE)
    page.press("#question", "Enter")
    page.wait_for_selector("#hit-1")
    assert "电池续航约九小时" in page.inner_text("#hit-1") and "次序由来" in page.inner_text("#way")


PAGES = {
    "front": "/",
    "answer": "/?" + urlencode({"q": ENGLISH}),
    "compared": "/?" + urlencode({"q": ENGLISH, "w": "5", "b": "1", "w2": "lexical"}),
    "collection": "/collection",
    "problem": "/?c=nowhere",
}


@pytest.mark.parametrize(  # each two of the three together
    ("scheme", "width", "locale"), [("light", 1280, "en-US"), ("dark", 390, "en-US"), ("light", 390, "zh-CN"), ("dark", 1280, "zh-CN")]
)
def test_no_page_breaks_a_serious_rule_of_accessibility_and_none_is_too_wide(
    chromium: Browser, served: Door, scheme: Any, width: int, locale: str
) -> None:
    size: Any = {"width": width, "height": 900}
    context = chromium.new_context(base_url=served.base, viewport=size, color_scheme=scheme, locale=locale, bypass_csp=True)  # for axe
    page = context.new_page()
    page.goto("/collection")
    assert page.url.endswith("/login") and broken(page) == []
    page.fill("#key", served.keys["write"])
    page.press("#key", "Enter")
    page.wait_for_selector("#question")
    for name, address in PAGES.items():
        page.goto(address)
        if name == "answer":
            for key in "je3":
                page.keyboard.press(key)
            page.wait_for_selector("#hit-1 .passage mark")
            page.wait_for_selector("#hit-1 button[aria-pressed=true]")
        page.evaluate("for (const part of document.querySelectorAll('details:not(.why)')) part.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is too wide"
        assert broken(page) == [], f"{name} at {width} px, {scheme}, {locale}"
    page.click("form.out button")
    page.wait_for_selector("#key")
    context.close()


def broken(page: Page) -> list[str]:
    """The serious rules that the page breaks, and where."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found if one["impact"] in BAD]
