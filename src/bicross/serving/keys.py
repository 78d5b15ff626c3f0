"""API keys in one file: who they are for and what they may do; of the key itself only a hash.

A key is 256 random bits. Nobody can try so many, so that one sha256 protects it; the slow hashes that passwords need would protect
no better, and let strangers keep the server busy. Whoever reads the file can use none of its keys.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bicross import durable
from bicross.errors import InputError

if TYPE_CHECKING:  # `bicross keys` needs no web framework
    from bicross.serving.served import Caller

PREFIX = "bcx_"  # so that scanners for leaked secrets can know a key
LONGEST = 200  # characters of what is presented; more is no key
MOST = 10_000  # keys in a file
MAKING = "`bicross keys create {} --collection NAME`"
"""What makes a key; said where there is none."""
log = logging.getLogger("bicross.serving")
KeyScope = Literal["read", "write", "admin"]


class Key(BaseModel):
    """A key as it is kept. `collection` is the one that it is for, and None for an admin, who may do all. `created` is ISO, UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scope: KeyScope
    collection: str | None = Field(default=None, min_length=1, max_length=200)
    created: str = Field(max_length=40)
    note: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _one_collection(self) -> Key:
        if (self.scope == "admin") != (self.collection is None):
            raise ValueError(f"key {self.id} has the scope {self.scope}: expected one collection for read or write, and none for admin")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    keys: tuple[Key, ...] = Field(default=(), max_length=MOST)

    @model_validator(mode="after")
    def _ids_differ(self) -> _File:
        if len({key.id for key in self.keys}) != len(self.keys):
            raise ValueError("two keys have the same id")
        return self


def create(path: Path, scope: KeyScope, collection: str | None, note: str = "") -> tuple[str, Key]:
    """Add a key to the file, which is made if it is not there. Gives the key, which nobody can show again, and what is kept of it.

    Raises:
        InputError: the file is not one of keys, or a key of this scope needs a collection, or has none. StoreError: the disk refuses.
    """
    if scope != "admin" and collection is None:
        raise InputError(f"A key with the scope {scope} is for one collection; name it with --collection. Only an admin may have all.")
    if scope == "admin" and collection is not None:  # who sees /metrics sees all collections
        raise InputError("A key with the scope admin is for all collections; make it without --collection, or with --scope write.")
    secret = PREFIX + secrets.token_urlsafe(32)

    def add(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        taken = {key.id for key in keys}
        name = next(name for name in iter(lambda: secrets.token_hex(4), "") if name not in taken)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            key = Key(id=name, sha256=_hash(secret), scope=scope, collection=collection, created=created, note=note)
        except ValidationError as error:
            raise InputError(f"The key cannot be made: {_said(error)}. Give its collection and note in at most 200 characters.") from error
        return (*keys, key)

    return secret, _change(path, add)[-1]


def revoke(path: Path, name: str) -> Key:
    """Take the key with this id out of the file; a running server refuses it from its next request on.

    Raises:
        InputError: the file is not one of keys, or has none of this id. StoreError: the disk refuses the write.
    """
    found = next((key for key in read(path) if key.id == name), None)
    if found is None:
        raise InputError(f"{path} has no key {name!r}; `bicross keys list {path}` shows the ids.")
    _change(path, lambda keys: tuple(key for key in keys if key.id != name))
    return found


def read(path: Path) -> tuple[Key, ...]:
    """The keys of a file.

    Raises:
        InputError: it cannot be read, or is not a file of keys.
    """
    try:
        return _File.model_validate(json.loads(path.read_bytes())).keys
    except FileNotFoundError as error:
        raise InputError(f"There is no file of keys at {path}; make one with {MAKING.format(path)}.") from error
    except OSError as error:
        raise InputError(f"The file of keys {path} cannot be read: {error.strerror}.") from error
    except (ValidationError, ValueError, RecursionError) as error:
        what = _said(error) if isinstance(error, ValidationError) else "it is not JSON"
        raise InputError(f"{path} is not a file of keys: {what}. Restore it, or make a new one with {MAKING.format('FILE')}.") from error


def _change(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> tuple[Key, ...]:
    target = durable.writable_target(path, "A file of keys")
    with durable.lock(target.with_name(target.name + ".lock"), wait=5.0):
        keys = change(read(target) if target.exists() else ())
        if len(keys) > MOST:
            raise InputError(f"{path} holds {MOST} keys already, the most there may be; revoke some with `bicross keys revoke`.")
        text = json.dumps(_File(keys=keys).model_dump(), ensure_ascii=False, indent=1)
        durable.write_file(target, text.encode(), mode=0o600)
    return keys


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _said(error: ValidationError) -> str:
    """What is wrong without the values, for these may be secrets in the wrong place."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


class Keys:
    """The keys of a file, read again when it changes. A file that is broken or gone changes nothing, and is said in the log once."""

    def __init__(self, path: Path) -> None:
        """Raises InputError when the file cannot be read: a server does not start without knowing whom to serve."""
        self._path = path
        self._seen = self._state()
        self._keys = read(path)

    def find(self, presented: str) -> Caller | None:
        """Who has this key. All are compared, each in constant time, so that the time tells nothing of which came near."""
        self._refresh()
        if len(presented) > LONGEST:
            return None
        wanted, found = _hash(presented), None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, wanted):
                found = key
        return None if found is None else _caller(found)

    def by_id(self, name: str) -> Caller | None:
        """Who has the key with this id, or None if it was revoked."""
        self._refresh()
        return next((_caller(key) for key in self._keys if key.id == name), None)

    def _state(self) -> tuple[int, ...]:
        try:
            facts = self._path.stat()
        except OSError:
            return ()
        return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size

    def _refresh(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keys = read(self._path)
        except InputError as error:
            log.error("the keys of before are still valid: %s", error)  # noqa: TRY400 - the reason is in the message


def _caller(key: Key) -> Caller:
    from bicross.serving.served import Caller

    return Caller(key.id, key.scope, key.collection)
