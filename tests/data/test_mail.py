"""Messages and mailboxes as they are found."""

import base64
from email.message import EmailMessage
from pathlib import Path

import pytest

from bicross.data.files import read_file
from bicross.data.lines import Malformed
from bicross.data.mail import read_message
from bicross.records import Document, Skip
from tests.data import office


def test_a_message_with_an_attached_file() -> None:
    found = read_message(office.message().as_bytes())
    assert (found.title, found.text) == ("关于打印机的保修", office.WARRANTY)
    assert found.meta == {
        "from": "李雷 <li@example.com>",
        "to": ["han@example.com"],
        "date": "2026-11-02T10:00:00+08:00",
        "attachments": ["发票.pdf"],
    }


def test_encodings_that_are_not_what_they_say() -> None:
    head = b"From: a@b.c\nSubject: =?gb2312?B?" + base64.b64encode("镕基".encode("gb18030")) + b"?=\n"
    beyond_gb2312 = head + b"Content-Type: text/plain; charset=gb2312\n\n" + "朱镕基，你好。".encode("gb18030")
    found = read_message(beyond_gb2312)
    assert (found.title, found.text) == ("镕基", "朱镕基，你好。")
    unknown = b"From: a@b.c\nContent-Type: text/plain; charset=x-none\n\n" + "早上好。".encode()
    assert read_message(unknown).text == "早上好。"
    page = b"From: a@b.c\nContent-Type: text/html; charset=utf-8\n\n<h2>Reset</h2><p>Hold the button for ten seconds.</p>"
    assert read_message(page).text.endswith("Hold the button for ten seconds.")


@pytest.mark.parametrize("content", [b"", b"just a text", b"From: a@b.c\n\n"])
def test_what_is_no_message_says_why(content: bytes) -> None:
    with pytest.raises(Malformed, match=r"not a message|no text"):
        read_message(content)


def test_a_mailbox_is_a_document_a_message(tmp_path: Path) -> None:
    nothing = EmailMessage()
    nothing["From"] = "a@b.c"
    box = office.mailbox_of(tmp_path / "list.mbox", office.message("One", "The first."), office.message("Two", "The second."), nothing)
    found = list(read_file(box, "list.mbox"))
    assert [(item.id, item.title, item.text) for item in found if isinstance(item, Document)] == [
        ("list.mbox/10@example.com", "One", "The first."),
        ("list.mbox/11@example.com", "Two", "The second."),
    ]
    assert found[2:] == [Skip(f"{box}:3", "the message has no text")]
    (tmp_path / "no.mbox").write_text("Dear all")
    (skip,) = read_file(tmp_path / "no.mbox", "no.mbox")
    assert isinstance(skip, Skip) and "not a mailbox" in skip.reason
