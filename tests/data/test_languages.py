"""Two languages, told apart by eye."""

import pytest

from bicross.data.languages import language_of, majority


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reset it?", "en"),
        ("如何重置？", "zh"),
        ("使用 Kubernetes 和 PostgreSQL 部署 FastAPI 应用的完整教程与常见问题解答", "zh"),
        ("The word 重置 means to reset a device to its factory settings.", "en"),
        ("", "en"),
        ("12345 !?", "en"),
        ("中" * 10 + "x" * 10, "zh"),
        ("x" * 2000 + "中" * 5000, "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_majority() -> None:
    assert majority({"en": 1, "zh": 2}) == "zh"
    assert majority({"en": 2, "zh": 2}) == "en"
    assert majority({}) == "en"
