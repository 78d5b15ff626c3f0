"""The frameworks' own suites as they want to be run: their async tests on asyncio, and nobody is told of them."""

import os

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
