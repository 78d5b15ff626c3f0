"""What README and tutorials have one type runs, in order, in a folder that has the repository's deploy/, docs/ and examples/."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documentation.blocks import blocks, run
from tests.documentation.world import PAGES, ROOT, prepared


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_has_one_type_runs(page: str, tmp_path: Path) -> None:
    assert run((ROOT / page).read_text("utf-8"), prepared(tmp_path), slow=False) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_has_one_type_runs_to_its_end(page: str, tmp_path: Path) -> None:
    text = (ROOT / page).read_text("utf-8")
    if not any(block.marker == "slow" for block in blocks(text)):
        pytest.skip("nothing on the page is slow, and the quick test has run it all")
    assert run(text, prepared(tmp_path), slow=True) == []
