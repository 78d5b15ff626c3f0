"""What is told of an error."""

from __future__ import annotations

from bicross.errors import StoreError
from bicross.serving.handlers import refusal_of


def test_where_the_disk_refuses_nothing_is_promised_of_what_was_sent_before() -> None:
    told = refusal_of(StoreError("Cannot write /srv/manual: the disk is full."), "native", "r-1").message
    assert "may have been stored" in told and "Nothing was changed" not in told and "/srv" not in told
