"""Texts and documents as a request gives them, looked at before anything is done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bicross.data.lines import Malformed
from bicross.data.rows import content, identifier
from bicross.errors import InputError
from bicross.records import Document


def checked(value: Any, what: str) -> str:
    """A text, as documents hold it. Raises InputError where it is none."""
    try:
        return content(value, what)
    except Malformed as error:
        raise InputError(f"A text cannot be read: {error}.") from error


def documents(given: Sequence[Mapping[str, Any]]) -> list[Document]:
    """As rows of a file are read, but one that cannot be used refuses all. Raises InputError, naming the document."""
    documents: dict[str, Document] = {}
    for place, fields in enumerate(given):
        name = str(fields.get("id"))[:80]
        try:
            doc_id = identifier(fields.get("id"))
            title, text = content(fields.get("title"), "title"), content(fields.get("text"), "text")
            if not (text.strip() or title.strip()):
                raise Malformed("the text is empty")
            if doc_id in documents:
                raise Malformed("the id stands twice in one request")
        except Malformed as error:
            raise InputError(f"Document {place} ({name!a}) cannot be stored: {error}.") from error
        documents[doc_id] = Document(doc_id, text if text.strip() else title, title, dict(fields.get("meta") or {}))
    return list(documents.values())
