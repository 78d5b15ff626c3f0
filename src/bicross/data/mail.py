"""E-mail: a message (.eml), or a mailbox of many (.mbox). Subject and text; sender, receivers and date in `meta`.

Decoded by hand where the standard library gives up: mail says "gb2312" and means GB18030, or names an encoding that does not exist.
"""

from __future__ import annotations

import email
import email.errors
import email.policy
import mailbox
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any

from bicross.data.extracted import Extracted
from bicross.data.headings import markdown_outline
from bicross.data.html import read_html
from bicross.data.lines import LIMIT, Malformed, decode
from bicross.data.outline import outline

_CODECS = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "big5": "big5hkscs", "iso-8859-1": "cp1252", "us-ascii": "utf-8"}
_FROM = b"From "


def read_message(content: bytes) -> Extracted:
    """A message's subject, text and `meta`: from, to, date (ISO 8601), attachments by name.

    The text is the plain one, or else that of the HTML one. Attached files are named, not read.

    Raises:
        Malformed: it is no message, or has no text.
    """
    return _extracted(email.message_from_bytes(content, policy=email.policy.compat32))


def read_mailbox(path: Path) -> Iterator[tuple[str, Extracted | str]]:
    """The messages of a mailbox, each under its Message-ID, or under its number where it has none; or why one is not read.

    Raises:
        Malformed: it is no mailbox. OSError: it cannot be read.
    """
    with path.open("rb") as handle:
        if not handle.read(len(_FROM)).startswith(_FROM):
            raise Malformed("not a mailbox: it does not begin with `From `; name a message .eml")
    messages = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(messages.iterkeys(), start=1):
            content = messages.get_bytes(key)
            name = str(number)
            try:
                message = email.message_from_bytes(content[:LIMIT], policy=email.policy.compat32)
                name = _header(message, "message-id").strip("<> ")[:200] or name
                if len(content) > LIMIT:
                    raise Malformed(f"larger than {LIMIT // 2**20} MB")
                yield name, _extracted(message)
            except Malformed as error:
                yield name, str(error)
    finally:
        messages.close()


def _extracted(message: Message) -> Extracted:
    subject = _header(message, "subject")
    if not subject and not any(name in message for name in ("from", "to", "date", "received")):
        raise Malformed("not a message: it has none of the headers From, To, Date, Subject")
    plain, pages, attached = list[str](), list[str](), list[str]()
    for part in message.walk():
        if part.is_multipart():
            continue
        name = part.get_filename()
        if name or part.get_content_disposition() == "attachment":
            attached.append(_words(name or "unnamed"))
        elif part.get_content_type() == "text/plain":
            plain.append(_text(part))
        elif part.get_content_type() == "text/html":
            pages.append(read_html(_text(part).encode("utf-8", "replace"))[1])
    text = "\n\n".join(one.strip() for one in (plain if any(map(str.strip, plain)) else pages) if one.strip())
    if not text and not subject:
        raise Malformed("the message has no text" + (f"; attached are {', '.join(attached)[:200]}" if attached else ""))
    meta: dict[str, Any] = {"from": _header(message, "from"), "to": _addresses(message), "date": _date(message), "attachments": attached}
    return Extracted(subject, text or subject, {name: value for name, value in meta.items() if value} | outline(markdown_outline(text)))


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    charset = (part.get_content_charset() or "utf-8").lower()
    try:
        text = content.decode(_CODECS.get(charset, charset))
    except (UnicodeDecodeError, LookupError):
        try:
            text = decode(content)
        except Malformed:
            text = content.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\0", "")


def _header(message: Message, name: str) -> str:
    return _words(str(message.get(name, "")))


def _words(value: str) -> str:
    """A header's value with its encoded words (RFC 2047) read, white space collapsed."""
    words = []
    try:
        for content, charset in decode_header(value):
            if isinstance(content, str):
                words.append(content)
                continue
            known = (charset or "utf-8").lower()
            try:
                words.append(content.decode(_CODECS.get(known, known)))
            except (UnicodeDecodeError, LookupError):
                words.append(content.decode("gb18030", "replace"))
    except (email.errors.HeaderParseError, ValueError):
        return " ".join(value.split())
    text = "".join(words).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(text.replace("\0", "").split())


def _addresses(message: Message) -> list[str]:
    found = getaddresses([str(value) for name in ("to", "cc") for value in message.get_all(name, [])])
    return [f"{_words(name)} <{address}>" if name else address for name, address in found if address]


def _date(message: Message) -> str:
    try:
        return parsedate_to_datetime(str(message.get("date", ""))).isoformat()
    except (ValueError, TypeError, IndexError):
        return ""
