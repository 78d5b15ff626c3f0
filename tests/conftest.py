"""Shared by all tests: the suites of `tests/conformance` explain a failed assertion as test files do."""

import pytest

pytest.register_assert_rewrite("tests.conformance")
