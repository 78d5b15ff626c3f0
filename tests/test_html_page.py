"""The shell of a page lets nothing in and nothing out."""

from __future__ import annotations

from bicross.html_page import document, section, table


def test_a_document_is_whole_and_asks_for_nothing() -> None:
    page = document("A <b> & 标题", ["<p>body</p>"], "p { color: red; }")
    assert page.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>A &lt;b&gt; &amp; 标题</title>')
    assert "default-src 'none'; style-src 'unsafe-inline'" in page and 'content="width=device-width"' in page
    assert page.index("color-scheme: light") < page.index("p { color: red; }") < page.index("<p>body</p>")
    assert [part for part in ("<script", "<link", "<img", "http:", "https:", "url(", "@import") if part in page] == []


def test_sections_and_tables_escape_text() -> None:
    assert section("A <i>", "<p>html</p>") == "<section><h2>A &lt;i&gt;</h2><p>html</p></section>"
    assert section("A", "", 'x"y').startswith('<section id="x&quot;y">')
    assert table([("a <b>", "1 & 2")]) == '<table><tr><td>a &lt;b&gt;</td><td class="n">1 &amp; 2</td></tr></table>'
