"""The limits that the documentation tells are those that hold."""

from __future__ import annotations

import re
from pathlib import Path

from bicross.serving.access import MIB, TABLE
from bicross.serving.contracts import native_bodies, openai, sagemaker, shared
from bicross.serving.feedback import LONGEST_QUESTION

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")


def test_the_limits_are_told_as_they_are() -> None:
    (part,) = re.findall(r"^## Limits$(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    told = {
        what: [int(one.replace(",", "")) for one in re.findall(r"(?<![\w/.])\d[\d,]*", most)]
        for what, most in re.findall(r"^\| (.+?) \| (.+) \|$", part, re.MULTILINE)
    }
    longest = {access.path: access.longest // MIB for access in TABLE}
    drop_in = {longest[path] for path in ("/rerank", "/v1/rerank", "/v2/rerank", "/v1/embeddings", "/embed", "/mcp")}
    assert {what: numbers for what, numbers in told.items() if numbers} == {
        "body of `/v1/search`": [longest["/v1/search"], longest["/v1/feedback"], longest["/v1/documents/delete"]],
        "body of `/v1/documents`": [longest["/v1/documents"], native_bodies.DOCUMENTS, native_bodies.TEXT_BYTES],
        "bodies of the drop-in contracts, `/mcp`": [*drop_in, longest["/invocations"]],
        "ids in `/v1/documents/delete`": [native_bodies.IDS],
        "judgements and clicks in one request": [native_bodies.FEEDBACK],
        "documents to rerank, texts to `/embed`": [shared.TEXTS, openai.INPUTS],
        "records in `/invocations`": [sagemaker.LINES],
        "a question": [LONGEST_QUESTION, shared.QUERY],
    }
