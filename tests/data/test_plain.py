"""What other libraries' values become."""

import datetime as dt
import decimal
import json

import pytest

from bicross.data.plain import plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("文", "文"),
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        (b"x", None),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (decimal.Decimal("1.50"), "1.50"),
        ((1, [b"x", {2: (float("nan"),)}]), [1, [None, {"2": [None]}]]),
    ],
)
def test_every_value_becomes_one_that_json_has(value: object, expected: object) -> None:
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)
