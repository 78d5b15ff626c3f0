"""What the native contract takes and gives, as models: every number, text and list is bounded, and a name that is not known is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    WithJsonSchema,
    model_validator,
)

from bicross import filters
from bicross.data.lines import SURROGATE, Malformed
from bicross.data.rows import ID_LIMIT, content, identifier
from bicross.serving.feedback import HIGHEST, LAST_POSITION, LONGEST_QUESTION
from bicross.settings import SearchSettings, StageName

QUESTIONS, EXPLAINED, SPANNED = 64, 4, 20
"""The most questions of one request, of one that is to be explained, and hits of each question whose spans are looked for."""
DOCUMENTS, TEXT_BYTES, TITLE, IDS, FEEDBACK = 512, 2_000_000, 10_000, 1_024, 256
META_KEYS, META_DEPTH = 256, 16
_PLAIN = r"[^\u0000-\u001f\u007f-\u009f]"  # no control character


class Body(BaseModel):
    """Strict about names and types."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        """Pydantic refuses a name that is not known, and does not say which are."""
        wrong = next((name for name in value if name not in cls.model_fields), None) if isinstance(value, dict) else None
        if wrong is not None:
            raise ValueError(f"there is no field {str(wrong)[:80]!r}; expected {', '.join(cls.model_fields)}")
        return value


def _identifier(value: str) -> str:
    try:
        return identifier(value)
    except Malformed as error:
        raise ValueError(f"{error}; expected 1 to {ID_LIMIT} characters and no control character") from error


def _content(value: str) -> str:
    try:
        return content(value, "text")
    except Malformed as error:
        raise ValueError(str(error)) from error


def _words(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty; expected some words")
    return _content(value)


def _integral(value: object) -> object:
    """JSON has one kind of number: 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _filter(value: dict[str, Any]) -> dict[str, Any]:
    filters.read(value)  # InputError is a ValueError
    return value


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise ValueError("it is no time; expected ISO 8601, such as 2026-11-25T09:30:00Z") from error


def _meta(value: dict[str, Any]) -> dict[str, Any]:
    """JSON that can be written and read again: bounded in depth, without NaN and without halves of characters."""
    level: list[Any] = [value]
    for _ in range(META_DEPTH):
        inner = [one for holder in level for one in (holder.values() if isinstance(holder, dict) else holder)]
        level = [one for one in inner if isinstance(one, dict | list)]
    if level:
        raise ValueError(f"it is nested more than {META_DEPTH} levels deep")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError("it holds a number that is not finite, or of thousands of digits") from error
    if SURROGATE.search(text):
        raise ValueError("it holds a lone surrogate (half of a character)")
    return value


def _filter_schema(depth: int) -> dict[str, Any]:
    """The JSON schema of a filter with so many levels of `all`, `any` and `not`; deeper ones are read too."""
    text = {"type": "string", "maxLength": filters.LONGEST_TEXT, "pattern": "^[^\\u0000]*$"}
    number = {"type": "number", "minimum": -filters.LARGEST, "maximum": filters.LARGEST}
    scalar = {"anyOf": [text, number, {"type": "boolean"}]}
    ranges = [
        {"type": "object", "properties": dict.fromkeys(filters.BOUNDS, one), "minProperties": 1, "additionalProperties": False}
        for one in (number, text)
    ]
    among = {
        "type": "object",
        "properties": {"in": {"type": "array", "items": scalar, "minItems": 1, "maxItems": filters.MOST_VALUES}},
        "required": ["in"],
        "additionalProperties": False,
    }
    there = {"type": "object", "properties": {"exists": {"type": "boolean"}}, "required": ["exists"], "additionalProperties": False}
    schema: dict[str, Any] = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": filters.MOST_CONDITIONS,
        "patternProperties": {
            r"^(?!(all|any|not)$)[\w\u4e00-\u9fff][\w\u4e00-\u9fff .:/@+-]{0,99}$": {"anyOf": [scalar, *ranges, among, there]}
        },
        "additionalProperties": False,
    }
    if depth:
        inner = _filter_schema(depth - 1)
        several = {"type": "array", "items": inner, "minItems": 1, "maxItems": filters.MOST_CONDITIONS}
        schema["properties"] = {"all": several, "any": several, "not": inner}
    return schema


Name = Annotated[str, Field(min_length=1, max_length=255, description="A collection; by default the first that the caller may see.")]
Question = Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION, pattern=r"\S")]
Written = Annotated[
    str, Field(min_length=1, json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000-\u001f\u0085][^\u0000]*$"}), AfterValidator(_words)
]
"""A text that is stored: not blank, and without NUL, which no reader of files takes."""
Kept = Annotated[Written, Field(max_length=LONGEST_QUESTION)]
DocId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=ID_LIMIT,
        json_schema_extra={"pattern": rf"^{_PLAIN}*{_PLAIN[:-1]}\s]{_PLAIN}*$"},
    ),
    AfterValidator(_identifier),
]
Title = Annotated[str, Field(max_length=TITLE, json_schema_extra={"pattern": r"^[^\u0000]*$"}), AfterValidator(_content)]
Where = Annotated[
    dict[str, Any],
    AfterValidator(_filter),
    WithJsonSchema({**_filter_schema(1), "description": "A filter on the documents' meta: see the description of /v1/search."}),
]
Meta = Annotated[dict[str, JsonValue], Field(max_length=META_KEYS), AfterValidator(_meta)]
Moment = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"}), AfterValidator(_moment)]
_EVEN = BeforeValidator(_integral)  # stands behind the bounds, which the description would else lose
K = Annotated[int, Field(ge=1, le=100), _EVEN]  # a tenth of what a search may give in its own process: hits hold texts
Depth = Annotated[int, Field(ge=0, le=1000), _EVEN]
Grade = Annotated[int, Field(ge=0, le=HIGHEST), _EVEN]
Position = Annotated[int, Field(ge=1, le=LAST_POSITION), _EVEN]


class SearchBody(Body):
    """One question or several, and how to search.

    `depth`: how many candidates are reranked, 0 for none. `min_probability`: leave out hits that are less probably relevant.
    `explain`: of at most 4 questions, what each stage added to a score, and the spans of the first 20 hits that mattered to the reranker.
    `deadline`: seconds; where they do not suffice, fewer candidates are reranked, or the answer is 504.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["question"]}, {"required": ["questions"]}]}, extra="forbid", strict=True
    )

    question: Question = Field(default="")
    questions: list[Question] = Field(default=[], min_length=1, max_length=QUESTIONS)
    k: K = 10
    depth: Literal["auto"] | Depth = "auto"
    stage: StageName = "both"
    min_probability: float | None = Field(default=None, ge=0, le=1)
    filter: Where | None = None
    explain: bool = False
    deadline: float | None = Field(default=None, ge=0.01, le=60)
    collection: Name | None = None

    @model_validator(mode="after")
    def _one_way_to_ask(self) -> Self:
        if ("question" in self.model_fields_set) == ("questions" in self.model_fields_set):
            raise ValueError("expected either question or questions")
        if self.explain and len(self.asked) > EXPLAINED:
            raise ValueError(f"explain is for at most {EXPLAINED} questions; ask the others by themselves")
        return self

    @property
    def asked(self) -> list[str]:
        """The questions."""
        return self.questions or [self.question]

    @property
    def settings(self) -> SearchSettings:
        """How to search."""
        return SearchSettings(k=self.k, depth=self.depth, stage=self.stage, min_probability=self.min_probability, explain=self.explain)


class DocumentBody(Body):
    """A document to put: its `meta` is what filters ask for."""

    id: DocId
    text: Written
    title: Title = ""
    meta: Meta = Field(default={})


class DocumentsBody(Body):
    """Documents to put: new ones, and others in the place of those with the same id."""

    documents: list[DocumentBody] = Field(min_length=1, max_length=DOCUMENTS, json_schema_extra={"uniqueItems": True})
    collection: Name | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        ids = [one.id for one in self.documents]
        if len(set(ids)) < len(ids):
            raise ValueError("an id stands twice in one request; send the document that is meant")
        size = sum(len(one.text.encode()) + len(one.title.encode()) for one in self.documents)
        if size > TEXT_BYTES:
            raise ValueError(f"the documents have {size} bytes of text, at most {TEXT_BYTES} are taken at once; send fewer")
        return self


class IdsBody(Body):
    """Documents to remove."""

    ids: list[DocId] = Field(min_length=1, max_length=IDS)
    collection: Name | None = None


class JudgementBody(Body):
    """How well a document answers a question, 0 to 3; null takes back what was said."""

    question: Kept
    doc_id: DocId
    grade: Grade | None


class ShownBody(Body):
    """A document that was shown for a question at a position, from 1, and whether it was clicked; `time` is now, unless it is said."""

    question: Kept
    doc_id: DocId
    position: Position
    clicked: bool
    time: Moment | None = None


def _kind(value: Any) -> str:
    named = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    return "judgement" if "grade" in named else "shown"


Said = Annotated[Annotated[JudgementBody, Tag("judgement")] | Annotated[ShownBody, Tag("shown")], Discriminator(_kind)]


class FeedbackBody(Body):
    """Judgements, and what was shown and clicked, in any order."""

    feedback: list[Said] = Field(min_length=1, max_length=FEEDBACK)
    collection: Name | None = None
