"""What was trained, and not measured, says so, and of what it was made."""

import json

from huggingface_hub import ModelCard

from bicross.records import Example
from bicross.training.card import data_of, plain_card

ROWS = [Example("q", "a", ("n",), answers=frozenset({"x", "y"}))]


def test_a_card_without_figures_is_read_by_the_hub_and_names_its_data() -> None:
    text = plain_card("reranker", "trained", {"trained from": "base", "data": data_of(ROWS)}).decode()
    assert ModelCard(text).data.pipeline_tag == "text-ranking"
    assert "# A cross-encoder trained by Bicross" in text and "Nothing yet" in text and "--reranker PATH" in text
    made = json.loads(text.split("```json\n")[1].split("```")[0])
    assert made["data"] == data_of(ROWS) and made["data"]["rows"] == 1
    assert data_of(ROWS)["sha256"] != data_of([*ROWS, *ROWS])["sha256"]
