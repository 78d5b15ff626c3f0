"""Model cards as the users of sentence-transformers know them: front matter, use, what was measured, what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from bicross.records import Example, LabelledPair

CARD = "README.md"
KINDS = {  # the hub's task, what it is called, how it is used, and the tags that the cards of sentence-transformers have
    "encoder": (
        "sentence-similarity",
        "bi-encoder",
        (
            'from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer("PATH")\n'
            'model.encode_query(["a question"]), model.encode_document(["a passage"])'
        ),
        ("sentence-similarity", "feature-extraction"),
    ),
    "reranker": (
        "text-ranking",
        "cross-encoder",
        'from sentence_transformers import CrossEncoder\n\nmodel = CrossEncoder("PATH")\nmodel.predict([("a question", "a passage")])',
        ("cross-encoder", "reranker"),
    ),
}
HEAD = """---
library_name: sentence-transformers
pipeline_tag: {task}
tags:
- sentence-transformers
{tags}
- bicross
---

# A {what} {done} by Bicross {version}

```python
{use}
```

## Measured

"""
MADE = """
## Made from

```json
{made}
```
"""
UNMEASURED = """Nothing yet: that a model was trained does not say that it is better. Measure it on questions that it did not train on:

```console
$ bicross index SOURCE --into COLLECTION --{kind} PATH
$ bicross evaluate COLLECTION --queries QUERIES --qrels QRELS
```
"""


def card(kind: str, done: str, measured: str, made: Mapping[str, Any]) -> str:
    """The card of an "encoder" or a "reranker" that was `done` ("tuned", "trained", "mixed"); `made` says of what, as JSON."""
    task, what, use, tags = KINDS[kind]
    head = HEAD.format(task=task, what=what, use=use, tags="\n".join(f"- {tag}" for tag in tags), done=done, version=version("bicross"))
    return head + measured + MADE.format(made=json.dumps(made, indent=1, ensure_ascii=False))


def plain_card(kind: str, done: str, made: Mapping[str, Any]) -> bytes:
    """The card of a model that nothing has measured."""
    return card(kind, done, UNMEASURED.format(kind=kind), {**made, "bicross": version("bicross")}).encode()


def data_of(rows: Sequence[Example | LabelledPair]) -> dict[str, Any]:
    """How many training rows of all epochs, and a sha256 over them in their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(asdict(row), sort_keys=True, default=sorted).encode())
    return {"rows": len(rows), "sha256": digest.hexdigest()}
