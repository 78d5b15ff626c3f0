"""`bicross keys`: who may use a server. The file holds no key, only hashes; a key is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bicross.cli.options import Json

if TYPE_CHECKING:
    from bicross.serving.keys import Key

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys for `bicross serve --keys FILE`.")
File = Annotated[Path, typer.Argument(metavar="FILE", help="The file of keys.")]
NOT_SHOWN = {"sha256"}


class Scopes(StrEnum):
    """What a key may do: read (search, embed, rerank), write (documents and feedback too), admin (all, metrics too)."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@app.command()
def create(
    path: File,
    scope: Annotated[Scopes, typer.Option(help="read: search, embed, rerank. write: change documents too. admin: all.")] = Scopes.READ,
    collection: Annotated[str | None, typer.Option(help="The one collection that it is for; an admin has all.")] = None,
    note: Annotated[str, typer.Option(help="Whose it is, in your words.")] = "",
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once. The file is made if it is not there; a running server takes the key at once."""
    from bicross.cli.show import out
    from bicross.serving import keys

    secret, key = keys.create(path, scope.value, collection, note)
    out({**_facts(key), "key": secret}, as_json, created)


@app.command(name="list")
def show(path: File, as_json: Json = False) -> None:
    """The keys of a file: ids, and what they may do."""
    from bicross.cli.show import out
    from bicross.serving import keys

    out({"keys": [_facts(key) for key in keys.read(path)]}, as_json, listed)


@app.command()
def revoke(path: File, name: Annotated[str, typer.Argument(metavar="ID", help="Of the key.")], as_json: Json = False) -> None:
    """Take a key back. A running server refuses it from the next request on."""
    from bicross.cli.show import out
    from bicross.serving import keys

    out({"revoked": _facts(keys.revoke(path, name))}, as_json, revoked)


def created(made: dict[str, Any]) -> Iterable[str]:
    """A new key."""
    yield made["key"]
    yield f"This is shown once. It {_may(made)}; its id is {made['id']}."


def listed(found: dict[str, Any]) -> Iterable[str]:
    """All keys, one a line."""
    for key in found["keys"]:
        yield f"{key['id']}  {key['created']}  {_may(key)}" + (f"  {key['note']}" if key["note"] else "")
    yield f"{len(found['keys'])} keys"


def revoked(done: dict[str, Any]) -> Iterable[str]:
    """The key that is gone."""
    yield f"{done['revoked']['id']} is revoked; it {_may(done['revoked'])}."


def _facts(key: Key) -> dict[str, Any]:
    return key.model_dump(exclude=NOT_SHOWN)


def _may(key: dict[str, Any]) -> str:
    return f"may {key['scope']} {key['collection'] or 'all collections'}"
