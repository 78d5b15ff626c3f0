"""Pages as they are found."""

import pytest

from bicross.data.html import read_html
from bicross.data.lines import Malformed

PAGE = """<!doctype html><html><head><title>Resetting &amp;
 more</title></head><body><nav><ul><li><a href="/a">Install</a></li></ul></nav><main><h1>Resetting the device</h1>
<p>The device can be reset in <b>two</b> ways; both keep <code>settings.json</code>.</p><ol><li>Hold the power button for ten
seconds.</li><li>Release it.</li></ol><h2>常见问题</h2><p>如果指示灯不亮，请检查电源。</p></main>
<footer>Copyright 2024</footer></body></html>"""


def test_main_text_keeps_headings_and_lists_and_drops_navigation() -> None:
    title, text = read_html(PAGE.encode())
    assert title == "Resetting & more"
    assert "reset in two ways; both keep settings.json." in text
    for kept in ("Resetting the device", "Release it.", "常见问题", "如果指示灯不亮，请检查电源。"):
        assert kept in text
    for dropped in ("Install", "Copyright"):
        assert dropped not in text


def test_a_broken_fragment_still_gives_its_text() -> None:
    assert read_html(b"one <b>two <p>three <script>alert(1)")[1].split() == ["one", "two", "three"]
    assert read_html(b"")[1] == ""


def test_a_page_may_declare_its_encoding() -> None:
    page = '<html><head><meta charset="{}"><title>标题</title></head><body><p>{}</p></body></html>'
    simplified = "重置设备：按住电源键十秒。"
    assert read_html(page.format("gb2312", simplified).encode("gbk"))[1] == simplified
    traditional = "重置裝置：按住電源鍵十秒。"
    assert read_html(page.format("Big5", traditional).replace("标题", "").encode("big5"))[1] == traditional


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"<p>a\0b</p>", b'<meta charset="utf-7">\xff'])
def test_what_is_no_page_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        read_html(content)
