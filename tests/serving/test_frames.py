"""Frames: what goes in comes out, and what is no frame is refused, by the blocking reader and by the other one."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.serving import frames
from bicross.serving.frames import BadFrame

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def both(content: bytes) -> Any:
    """The first frame, which both readers must agree on."""

    async def streamed() -> Any:
        stream = asyncio.StreamReader()
        stream.feed_data(content)
        stream.feed_eof()
        return await frames.receive(stream)

    blocking = frames.read_frame(io.BytesIO(content))
    assert blocking == asyncio.run(streamed())
    return blocking


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_what_goes_in_comes_out(frame: dict[str, Any]) -> None:
    assert frames.read_frame(io.BytesIO(frames.encoded(frame))) == frame


@pytest.mark.parametrize("text", ["电池续航", "\ud800", "\U0001f600 \x00", "a" * 1_000_000])
def test_any_text_passes(text: str) -> None:
    assert both(frames.encoded({"text": text})) == {"text": text}


def test_an_end_between_frames_is_an_end() -> None:
    assert both(b"") is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x00\x00", "head has 2 bytes"),
        (b"\x00\x00\x00\x09{}", "ends after 2 bytes; expected 9"),
        (b"\x00\x00\x00\x02[]", "holds list"),
        (b"\x00\x00\x00\x03{]}", "not JSON"),
        (b"\x00\x00\x00\x04{\xff\xfe}", "not JSON in UTF-8"),
        (b"\x00\x00\x00\x00", "not JSON"),
        (b"\x00\x00\xff\xff" + b"[" * 65535, "not JSON"),
        (b"\xff\xff\xff\xff{}", "has 4294967295 bytes; expected at most"),
    ],
)
def test_what_is_no_frame_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(BadFrame, match=says):
        frames.read_frame(io.BytesIO(content))

    async def streamed() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(content)
        stream.feed_eof()
        await frames.receive(stream)

    with pytest.raises(BadFrame, match=says):
        asyncio.run(streamed())


def test_a_frame_that_is_too_long_or_not_json_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LONGEST", 20)
    with pytest.raises(BadFrame, match="has 22 bytes; expected at most 20"):
        frames.encoded({"text": "1234567890a"})
    with pytest.raises(BadFrame, match="not JSON"):
        frames.encoded({"a": object()})


def test_vectors_come_back_bit_for_bit() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    assert frames.unpacked(frames.packed(vectors), 64).tobytes() == vectors.tobytes()
    assert frames.unpacked(frames.packed(vectors[:, ::2]), 32).tobytes() == np.ascontiguousarray(vectors[:, ::2]).tobytes()
    assert frames.unpacked(frames.packed(vectors[:0]), 64).shape == (0, 64)


@pytest.mark.parametrize(("text", "dim"), [("AAAA", 1), ("AAAAAAA=", 2), ("ÄÄÄÄ", 1), ("A", 1)])
def test_what_is_no_vectors_is_refused(text: str, dim: int) -> None:
    with pytest.raises(BadFrame, match="not base64 of float32"):
        frames.unpacked(text, dim)
