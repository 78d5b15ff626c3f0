"""Every error that Bicross raises on purpose. Each message says what was found, what was expected, and what to do next.

BicrossError               catch this to catch them all; the command line prints it in one line and exits with 2
├── InputError             a file, row, flag or question is not what it should be
│   ├── SpaceMismatch      vectors of two different models would meet
│   ├── ModelNotFound      a model was named that is not here and cannot be fetched
│   └── MissingExtra       an optional dependency is not installed
└── StoreError             the collection cannot be read or written (disk full, half-deleted)
    ├── Locked             another process is writing to the collection
    └── Damaged            bytes on disk are not the bytes that were written

Exit code 1 is left for what nobody foresaw, and for checks that ran and found something; 3 says that a rule of `evaluate --fail-if`
failed.
"""

from __future__ import annotations


class BicrossError(Exception):
    """Base class of everything raised on purpose."""


class InputError(BicrossError, ValueError):
    """A file, row, flag or question is not what it should be."""


class SpaceMismatch(InputError):
    """Vectors of two different models would meet."""


class ModelNotFound(InputError):
    """A model was named that is not here and cannot be fetched."""


class MissingExtra(InputError):
    """An optional dependency is not installed."""


class StoreError(BicrossError):
    """The collection cannot be read or written."""


class Locked(StoreError):
    """Another process is writing to the collection."""


class Damaged(StoreError):
    """Bytes on disk are not the bytes that were written."""
