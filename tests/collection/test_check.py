"""`verify` finds what was planted, and nothing where nothing was; `status` tells what is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bicross.collection.store import Collection
from bicross.errors import BicrossError
from tests.collection.world import OTHER, SPACE, index, made, readings, some, stored, truth


def test_a_whole_collection_has_no_problems_and_is_counted(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(5))
    findings = collection.verify()
    assert (findings.problems, findings.documents, findings.passages, findings.vectors, findings.generations) == ((), 5, 12, 12, 1)
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(6))
    status = collection.status()
    assert (status.documents, status.passages, status.tail, status.seq) == (6, 15, 3, 6)
    assert (status.generation, status.generations, status.refused) == ("gen-000001", ("gen-000001",), ())
    assert (status.space, status.encoder, status.unfinished) == (SPACE, "first/encoder", None)
    assert status.bytes == sum(file.stat().st_size for file in (tmp_path / "c").rglob("*") if file.is_file())


def test_a_collection_that_is_written_to_has_no_problems(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(5))
    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(folds, tmp_path / "c", 40)
        looks = 0
        while not written.done() or not looks:
            assert collection.verify().problems == ()
            assert collection.status().refused == ()
            looks += 1
        written.result()
    assert collection.status().documents == 45


def folds(path: Path, times: int) -> None:
    """Each puts a new generation in the current one's place and removes an old one."""
    for number in range(times):
        with Collection.write(path) as writer:
            index(writer, some(6 + number))
            writer.fold(keep=1)


DAMAGE = {
    "text": ("UPDATE documents SET text = 'alpha1 other' WHERE id = 'd1'", "d1"),
    "title": ("UPDATE documents SET title = 'other' WHERE id = 'd1'", "d1"),
    "passage moved": ("UPDATE passages SET start = 1 WHERE id = 'd1#0'", "d1"),
    "passage lost": ("DELETE FROM passages WHERE id = 'd1#0'", "d1"),
    "passage given away": ("UPDATE passages SET doc_id = 'd2' WHERE id = 'd1#0'", "d1"),
    "document lost": ("DELETE FROM documents WHERE id = 'd1'", "truth.sqlite"),
    "vector": ("UPDATE vectors SET vector = zeroblob(32) WHERE rowid = 1", "d0"),
    "vector cut short": ("UPDATE vectors SET vector = x'00' WHERE rowid = 1", "d0"),
    "vector lost": ("DELETE FROM vectors WHERE rowid = 1", "d0"),
    "vector in the other's place": (
        "UPDATE vectors SET (vector, crc32) = (SELECT vector, crc32 FROM vectors WHERE rowid = 2) WHERE rowid = 1",
        "d0",
    ),
    "vector of nobody": (
        "INSERT INTO vectors SELECT space, zeroblob(32), vector, crc32 FROM vectors WHERE rowid = 1",
        "truth.sqlite",
    ),
    "space": ("UPDATE spaces SET dim = 9", "truth.sqlite"),
    "meta": ("UPDATE meta SET value = '77' WHERE key = 'seq'", "truth.sqlite"),
    "meta lost": ("DELETE FROM meta WHERE key = 'seq'", "truth.sqlite"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_planted_damage_in_the_truth_is_found(tmp_path: Path, name: str) -> None:
    statement, where = DAMAGE[name]
    collection = made(tmp_path / "c", some(4))
    db = truth(tmp_path / "c")
    db.execute("PRAGMA foreign_keys = OFF")
    assert db.execute(statement).rowcount == 1
    db.close()
    assert where in {problem.where for problem in collection.verify().problems}


def test_flipped_bits_in_the_file_are_found_wherever_they_count(tmp_path: Path) -> None:
    """Each byte is changed alone. What is not found may lie only where it changes nothing that is read."""
    collection = made(tmp_path / "c", some(2))
    file = tmp_path / "c" / "truth.sqlite"
    with collection.view() as view:
        expected = stored(view, ["d0", "d1"])
        read = readings(view, range(9))
    content = file.read_bytes()
    silent = 0
    for place in range(0, len(content), 997):
        spoiled = bytearray(content)
        spoiled[place] ^= 0x10
        file.write_bytes(spoiled)
        try:
            if collection.verify().problems:
                continue
        except BicrossError:
            continue
        silent += 1
        with collection.view() as view:
            assert stored(view, ["d0", "d1"]) == expected
            assert readings(view, range(9)) == read
    assert silent < len(content) / 997


def test_a_generation_that_lacks_passages_is_found(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(4))
    db = truth(tmp_path / "c")
    db.execute("DELETE FROM documents WHERE id = 'd3'")
    db.execute("DELETE FROM passages WHERE doc_id = 'd3'")
    db.close()
    assert any(problem.where == "gen-000001" and "lacks 3 passages" in problem.what for problem in collection.verify().problems)


def test_a_space_being_filled_is_no_problem(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(4))
    with Collection.write(tmp_path / "c") as writer:
        writer.register_space(OTHER, "second/encoder")
    assert collection.verify().problems == ()
