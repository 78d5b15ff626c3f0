"""Lines of a text file, one at a time and each of bounded size, and the encodings that real files come in."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from bicross.errors import InputError

Encoding = Literal["utf-8", "utf-16", "gb18030"]
LIMIT = 64 * 2**20
"""The longest line, and the largest text file, that is read: bytes (characters in UTF-16)."""

SURROGATE = re.compile("[\ud800-\udfff]")

_SAMPLE = 2**20  # bytes of undecodable lines that decide whether a file is GB18030
# The hundred commonest characters make up about two fifths of running Chinese; bytes of another encoding rarely hit them.
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学"
    "如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
)
_BOMS: tuple[tuple[bytes, Encoding], ...] = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Malformed(ValueError):
    """A file, row or field is not what it should be; the message says why. Readers turn it into a Skip that says where."""


class Line(NamedTuple):
    """A line with its end. `number` counts from 1; `reason` says why `text` is empty, and is "" for a good line."""

    number: int
    text: str
    reason: str = ""


def require_file(path: Path, expected: str) -> None:
    """Raises InputError unless the path is a file that can be read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected {expected}. Name another file, or mend this one.") from error


def decode(content: bytes) -> str:
    """A whole file as text: UTF-8, UTF-16 with a byte order mark, or GB18030 if that reads as Chinese.

    Raises:
        Malformed: it is none of them; the message names the first byte that is not UTF-8.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise Malformed(f"not UTF-16 at byte {error.start}, as its byte order mark says; save it as UTF-8") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = _as_chinese(content)
        if text is None:
            raise Malformed(_not_utf8(error)) from error
        return text


def encoding_of(path: Path) -> Encoding:
    """The encoding of a file of lines. Reads the file once, a line at a time.

    It is GB18030 if more lines are not UTF-8 than are UTF-8 beyond ASCII, and the former read as Chinese.
    """
    with path.open("rb") as handle:
        marked = _marked(handle)
        if marked != "utf-8":
            return marked
        good, bad, sample = 0, 0, bytearray()
        while (line := handle.readline(LIMIT)) and len(sample) < _SAMPLE:
            if line.isascii():
                continue
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                bad += 1
                sample += line
    return "gb18030" if bad > good and _as_chinese(bytes(sample)) is not None else "utf-8"


def read_lines(path: Path, encoding: Encoding | None = None) -> Iterator[Line]:
    """The lines of a file; holds one at a time. By default UTF-8, or UTF-16 where a byte order mark says so.

    A line that is longer than `LIMIT`, or is not in the encoding, comes with a reason in place of its text.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as handle:
        encoding = encoding or _marked(handle)
        if encoding == "utf-16":
            yield from _read_utf16(handle)
            return
        if handle.read(3) != codecs.BOM_UTF8:
            handle.seek(0)
        number = 0
        while content := handle.readline(LIMIT + 1):
            number += 1
            if len(content) > LIMIT:
                while content and not content.endswith(b"\n"):
                    content = handle.readline(2**20)
                yield Line(number, "", _TOO_LONG)
                continue
            try:
                yield Line(number, content.decode(encoding))
            except UnicodeDecodeError as error:
                yield Line(number, "", _not_utf8(error) if encoding == "utf-8" else "not GB18030, as the rest of the file is")


_TOO_LONG = f"longer than {LIMIT // 2**20} MB; split the document"


def _read_utf16(handle: BinaryIO) -> Iterator[Line]:
    # Lone surrogates pass the decoder, so that only the lines that hold one are lost.
    number = 0
    with io.TextIOWrapper(handle, encoding="utf-16", errors="surrogatepass", newline="\n") as lines:
        try:
            while text := lines.readline(LIMIT + 1):
                number += 1
                if len(text) <= LIMIT:
                    lone = SURROGATE.search(text)
                    yield Line(number, "", f"a lone surrogate at character {lone.start()}") if lone else Line(number, text)
                    continue
                while text and not text.endswith("\n"):
                    text = lines.readline(2**20)
                yield Line(number, "", _TOO_LONG)
        except UnicodeDecodeError:
            yield Line(number + 1, "", "not UTF-16, as the file's byte order mark says; nothing after it can be read")


def _marked(handle: BinaryIO) -> Encoding:
    head = handle.read(4)
    handle.seek(0)
    return next((encoding for mark, encoding in _BOMS if head.startswith(mark)), "utf-8")


def _as_chinese(content: bytes) -> str | None:
    """The bytes as GB18030, if that is plausible: nearly all in GB2312, which real text is, and common characters among them.

    GB18030 gives a meaning to most pairs of bytes, so that decoding without error proves little.
    """
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return None
    beyond = [character for character in text[:_SAMPLE] if not character.isascii()]
    ideographs = [character for character in beyond if "\u4e00" <= character <= "\u9fff"]
    in_gb2312 = len("".join(beyond).encode("gb2312", errors="ignore")) // 2
    common = sum(character in _COMMON for character in ideographs)
    plausible = bool(ideographs) and in_gb2312 >= 0.9 * len(beyond) and common >= 0.1 * len(ideographs)
    return text if plausible else None


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8 at byte {error.start}; save it as UTF-8"
