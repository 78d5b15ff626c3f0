"""Shared by all tests: the suites of `tests/conformance` explain a failed assertion as test files do, and no test is timed."""

import hypothesis
import pytest

pytest.register_assert_rewrite("tests.conformance")
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
