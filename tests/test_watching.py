"""A collection follows its folder."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bicross import durable, pipeline
from bicross.collection import truth
from bicross.collection.store import Collection
from bicross.errors import InputError
from bicross.models.registry import HASHED
from bicross.results import Round
from bicross.settings import IndexSettings
from bicross.watching import LEDGER, watch

SETTINGS = IndexSettings(encoder=HASHED, reranker=HASHED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files" / "deep").mkdir(parents=True)
    for name in ("a.md", "b.txt", "deep/c.md"):
        (tmp_path / "files" / name).write_text(f"The words of {name}.")
    return tmp_path / "files"


def begin(folder: Path, into: Path, monkeypatch: pytest.MonkeyPatch, between: Callable[[], None] = lambda: None) -> Iterator[Round]:
    """Rounds; `between` happens before each look but the first, of which there are at most fifty."""
    looks = iter(range(50))

    def pause(_: float) -> None:
        assert next(looks, None) is not None, "nothing happened"
        between()

    monkeypatch.setattr(time, "sleep", pause)
    return watch([folder], into, SETTINGS, every=0)


def ids(into: Path) -> list[str]:
    with Collection.open(into).view() as view:
        return sorted({passage.doc_id for passage in view.passages(range(1, 100)).values()})


def test_what_is_new_changed_renamed_and_deleted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = begin(folder, tmp_path / "c", monkeypatch)
    assert next(rounds).written == 3
    (folder / "a.md").write_text("Other words.")
    (folder / "new.md").write_text("Something new.")
    (folder / "deep" / "c.md").rename(folder / "moved.md")
    (folder / "b.txt").unlink()
    done = next(rounds)
    assert (done.written, done.deleted, done.embedded) == (3, 2, 2)  # what was only renamed is not embedded again
    assert ids(tmp_path / "c") == ["a.md", "moved.md", "new.md"]
    hits = pipeline.search(tmp_path / "c", ["other words"]).queries[0].hits
    assert hits[0].doc_id == "a.md"


def test_what_is_being_written_is_left_until_it_rests(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(6))
    growing = folder / "growing.txt"

    def write() -> None:
        number = next(looks, None)
        if number is not None:
            with growing.open("a") as file:
                file.write(f"line {number} ")

    rounds = begin(folder, tmp_path / "c", monkeypatch, write)
    next(rounds)
    done = next(rounds)
    assert (done.changed, done.written) == ((str(growing),), 1)
    assert next(looks, None) is None
    (hit, *_) = pipeline.search(tmp_path / "c", ["line 5"]).queries[0].hits
    assert hit.passage is not None and hit.passage.text == "line 0 line 1 line 2 line 3 line 4 line 5"


def test_a_file_that_became_unreadable_keeps_what_it_gave(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = begin(folder, tmp_path / "c", monkeypatch)
    next(rounds)
    (folder / "a.md").write_bytes(b"half\0written")
    done = next(rounds)
    assert (done.written, done.deleted, done.documents) == (0, 0, 3)
    assert "NUL" in done.skipped[0].reason
    (folder / "a.md").write_text("Whole again.")
    assert next(rounds).written == 1


def test_what_went_while_nobody_watched_is_deleted_and_what_others_indexed_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next(begin(folder, tmp_path / "c", monkeypatch))
    (tmp_path / "own.md").write_text("Not of the folder.")
    pipeline.index([tmp_path / "own.md"], tmp_path / "c")
    (folder / "a.md").unlink()
    done = next(begin(folder, tmp_path / "c", monkeypatch))
    assert (done.gone, done.deleted) == ((str(folder / "a.md"),), 1)
    assert ids(tmp_path / "c") == ["b.txt", "deep/c.md", "own.md"]
    (tmp_path / "c" / LEDGER).write_bytes(b"{torn")
    assert next(begin(folder, tmp_path / "c", monkeypatch)).documents == 3


def test_a_source_that_vanished_as_a_disk_does_deletes_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(4))

    def vanish() -> None:
        number = next(looks, None)
        if number == 0:
            folder.rename(tmp_path / "unmounted")
        if number == 3:
            (tmp_path / "unmounted").rename(folder)
            (folder / "new.md").write_text("Back again.")

    rounds = begin(folder, tmp_path / "c", monkeypatch, vanish)
    next(rounds)
    done = next(rounds)
    assert (done.changed, done.gone, done.documents) == ((str(folder / "new.md"),), (), 4)


def test_another_writer_is_waited_for(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = begin(folder, tmp_path / "c", monkeypatch)
    next(rounds)
    (folder / "new.md").write_text("Something new.")
    with durable.lock(tmp_path / "c" / truth.LOCK):
        assert "is being written by process" in next(rounds).waiting
    assert next(rounds).written == 1


def test_rows_of_a_file_and_a_mailbox_follow_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "1", "text": "one"}\n{"id": "2", "text": "two"}\n')
    rounds = begin(rows, tmp_path / "c", monkeypatch)
    next(rounds)
    rows.write_text('{"id": "2", "text": "two"}\n{"id": "3", "text": "three"}\n')
    done = next(rounds)
    assert (done.written, done.deleted) == (1, 1)
    assert ids(tmp_path / "c") == ["2", "3"]


def test_the_collection_may_lie_in_the_folder_and_a_missing_source_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert next(begin(folder, folder / "c", monkeypatch)).written == 3
    shutil.copy(folder / "a.md", folder / "c" / "README.md")
    assert next(begin(folder, folder / "c", monkeypatch)).written == 0
    with pytest.raises(InputError, match="none cannot be watched"):
        next(watch([tmp_path / "none"], tmp_path / "c", SETTINGS))
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_clean(folder: Path, tmp_path: Path, word: signal.Signals) -> None:
    command = [sys.executable, "-m", "bicross.cli.main", "index", str(folder), "--into", str(tmp_path / "c"), "--watch", "--json"]
    command += ["--encoder", HASHED, "--reranker", HASHED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        assert any("watching" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(word)
        assert '"written": 3' in process.stdout.read()
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
