from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bicross.cli.keys import app
from bicross.errors import InputError
from bicross.serving import keys
from bicross.serving.keys import Keys
from bicross.serving.served import Caller


def test_a_key_is_found_by_itself_and_by_nothing_else(tmp_path: Path) -> None:
    secret, key = keys.create(tmp_path / "keys", "read", "manual", "the shop 商店")
    other, _ = keys.create(tmp_path / "keys", "admin", None)
    found = Keys(tmp_path / "keys")
    assert found.find(secret) == Caller(key.id, "read", "manual")
    assert found.find(other) == Caller(keys.read(tmp_path / "keys")[1].id, "admin", None)
    for wrong in ("", secret[:-1], secret + " ", secret.upper(), key.sha256, "é" * 5, "\ud800", secret + "x" * 10_000):
        assert found.find(wrong) is None


def test_the_file_is_the_owners_alone_and_holds_no_key(tmp_path: Path) -> None:
    secret, _ = keys.create(tmp_path / "keys", "write", "manual")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert secret not in (tmp_path / "keys").read_text() and secret[4:] not in (tmp_path / "keys").read_text()


def test_a_file_that_all_could_read_is_the_owners_alone_after_a_change(tmp_path: Path) -> None:
    keys.create(tmp_path / "keys", "write", "manual")
    (tmp_path / "keys").chmod(0o644)
    keys.create(tmp_path / "keys", "read", "manual")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_keys_that_come_and_go_are_known_at_once(tmp_path: Path) -> None:
    first, kept = keys.create(tmp_path / "keys", "read", "manual")
    found = Keys(tmp_path / "keys")
    second, _ = keys.create(tmp_path / "keys", "read", "manual")
    assert found.find(second) is not None
    keys.revoke(tmp_path / "keys", kept.id)
    assert found.find(first) is None and found.by_id(kept.id) is None
    assert found.find(second) is not None


@pytest.mark.parametrize("content", [None, b"", b"{", b"[" * 100_000, b'{"keys": [{"id": "x"}]}', b'{"version": 2, "keys": []}', b"\xff"])
def test_a_broken_file_keeps_the_keys_of_before_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    secret, _ = keys.create(tmp_path / "keys", "read", "manual")
    found = Keys(tmp_path / "keys")
    if content is None:
        (tmp_path / "keys").unlink()
    else:
        (tmp_path / "keys").write_bytes(content)
    with caplog.at_level(logging.ERROR, "bicross.serving"):
        assert found.find(secret) is not None and found.find(secret) is not None
    assert len(caplog.records) == 1
    with pytest.raises(InputError):
        Keys(tmp_path / "keys")


def test_a_key_in_the_place_of_a_hash_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    secret, key = keys.create(tmp_path / "keys", "read", "manual")
    (tmp_path / "keys").write_text((tmp_path / "keys").read_text().replace(key.sha256, secret))
    with pytest.raises(InputError, match=r"keys\.0\.sha256") as told:
        keys.read(tmp_path / "keys")
    assert secret not in str(told.value)


def test_only_an_admin_may_have_all_collections(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--collection"):
        keys.create(tmp_path / "keys", "write", None)
    assert not (tmp_path / "keys").exists()
    made = {"id": "00000000", "sha256": "0" * 64, "scope": "read", "collection": None, "created": "", "note": ""}
    (tmp_path / "keys").write_text(json.dumps({"version": 1, "keys": [made]}))
    with pytest.raises(InputError, match="expected one collection for read or write"):
        keys.read(tmp_path / "keys")


def test_an_admin_is_for_all_collections_as_metrics_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without --collection"):
        keys.create(tmp_path / "keys", "admin", "manual")
    assert not (tmp_path / "keys").exists()
    made = {"id": "00000000", "sha256": "0" * 64, "scope": "admin", "collection": "manual", "created": "", "note": ""}
    (tmp_path / "keys").write_text(json.dumps({"version": 1, "keys": [made]}))
    with pytest.raises(InputError, match="none for admin"):
        keys.read(tmp_path / "keys")


def test_the_advice_where_no_file_is_makes_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        Keys(tmp_path / "keys.json")
    said = re.search("`bicross keys (.+)`", str(told.value))
    assert said
    assert CliRunner().invoke(app, said[1].split()).exit_code == 0 and len(keys.read(tmp_path / "keys.json")) == 1


def test_the_verbs_make_list_and_revoke(tmp_path: Path) -> None:
    file = str(tmp_path / "keys")

    def run(*words: str) -> dict[str, object]:
        done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
        found: dict[str, object] = json.loads(done.stdout)
        return found

    made = run("create", file, "--scope", "write", "--collection", "manual", "--note", "importer")
    assert str(made["key"]).startswith("bcx_") and "sha256" not in made
    listed = {name: value for name, value in made.items() if name != "key"}
    assert run("list", file) == {"keys": [listed]}
    assert run("revoke", file, str(made["id"])) == {"revoked": listed}
    assert run("list", file) == {"keys": []}
    with pytest.raises(InputError, match="has no key"):
        keys.revoke(Path(file), str(made["id"]))


def test_the_verbs_need_no_web_framework(tmp_path: Path) -> None:
    code = (
        "import sys; from bicross.serving import keys; from pathlib import Path; "
        "keys.create(Path(sys.argv[1]), 'admin', None); "
        "assert not {'fastapi', 'starlette', 'uvicorn'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "keys")], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
