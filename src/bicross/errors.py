"""Every error that Bicross raises on purpose. Each message says what was found, what was expected, and what to do next.

BicrossError               catch this to catch them all; the command line exits with `exit_code`
├── InputError             2  a file, row, flag or question is not what it should be
│   ├── SpaceMismatch      2  vectors of two different models would meet
│   ├── ModelNotFound      2  a model was named that is not here and cannot be fetched
│   └── MissingExtra       2  an optional dependency is not installed
└── StoreError             1  the collection cannot be read or written (locked, damaged, disk full)
    ├── Locked             1  another process is writing to the collection
    └── Damaged            1  bytes on disk are not the bytes that were written
"""

from __future__ import annotations


class BicrossError(Exception):
    """Base class of everything raised on purpose."""

    exit_code = 1


class InputError(BicrossError, ValueError):
    """A file, row, flag or question is not what it should be."""

    exit_code = 2


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
