"""How the front process and the model process speak: a length (4 bytes, big-endian), then so many bytes of UTF-8 JSON."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, BinaryIO

import numpy as np

from bicross.vectors import Vectors

HEAD = 4
LONGEST = 64 * 1024 * 1024
"""Bytes of one frame's JSON. The longest body that a route takes is a quarter of it."""
Frame = dict[str, Any]


class BadFrame(Exception):
    """What came is no frame: too long, cut short, or not a JSON object. The two sides no longer agree where the next one begins."""


def encoded(frame: Frame) -> bytes:
    """A frame as bytes. Lone surrogates, which are not UTF-8, are kept as escapes.

    Raises:
        BadFrame: it is longer than `LONGEST`, or not JSON.
    """
    try:
        try:
            content = json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            content = json.dumps(frame, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadFrame(f"The frame is not JSON ({error}).") from error
    if len(content) > LONGEST:
        raise BadFrame(f"The frame has {len(content)} bytes; expected at most {LONGEST}.")
    return len(content).to_bytes(HEAD, "big") + content


def decoded(content: bytes) -> Frame:
    """The JSON object of a frame. Raises BadFrame where it is none."""
    try:
        frame = json.loads(content.decode())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise BadFrame(f"The frame is not JSON in UTF-8 ({error}).") from error
    if not isinstance(frame, dict):
        raise BadFrame(f"The frame holds {type(frame).__name__}; expected an object.")
    return frame


def read_frame(file: BinaryIO) -> Frame | None:
    """The next frame of a blocking file; None where it ends. Raises BadFrame."""
    head = file.read(HEAD)
    if not head:
        return None
    size = _size(head)
    content = file.read(size)
    if len(content) < size:
        raise BadFrame(f"The frame ends after {len(content)} bytes; expected {size}.")
    return decoded(content)


async def receive(stream: asyncio.StreamReader) -> Frame | None:
    """The next frame of a stream; None where it ends. Raises BadFrame."""
    try:
        head = await stream.readexactly(HEAD)
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise BadFrame(f"The frame's head has {len(error.partial)} bytes; expected {HEAD}.") from error
    size = _size(head)
    try:
        return decoded(await stream.readexactly(size))
    except asyncio.IncompleteReadError as error:
        raise BadFrame(f"The frame ends after {len(error.partial)} bytes; expected {size}.") from error


def packed(vectors: Vectors) -> str:
    """Vectors (n, dim) as base64 of little-endian float32, row by row."""
    return base64.b64encode(np.ascontiguousarray(vectors, dtype="<f4").tobytes()).decode("ascii")


def unpacked(text: str, dim: int) -> Vectors:
    """Vectors (n, dim) of what `packed` made. Raises BadFrame where it is not rows of `dim` numbers."""
    try:
        flat = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
        return flat.reshape(-1, dim).astype(np.float32, copy=False)
    except ValueError as error:  # binascii.Error is one
        raise BadFrame(f"The vectors are not base64 of float32 in rows of {dim} ({error}).") from error


def _size(head: bytes) -> int:
    if len(head) < HEAD:
        raise BadFrame(f"The frame's head has {len(head)} bytes; expected {HEAD}.")
    size = int.from_bytes(head, "big")
    if size > LONGEST:
        raise BadFrame(f"The frame has {size} bytes; expected at most {LONGEST}.")
    return size
