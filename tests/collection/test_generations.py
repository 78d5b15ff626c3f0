"""Folding, keeping, falling back: a damaged, missing, foreign or unfinished generation never changes what is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bicross import durable
from bicross.collection import generations
from bicross.collection.store import Collection
from tests.collection.world import contents, copied, document, exact, found, index, made, owners, some


def two_generations(path: Path) -> Collection:
    """gen-000001 of 6 documents, gen-000002 of 9, and 3 more that no generation has."""
    collection = made(path, some(6))
    with Collection.write(path) as writer:
        index(writer, some(9))
        writer.fold()
        index(writer, some(12))
    return collection


def test_the_same_documents_make_the_same_bytes_however_they_are_batched(tmp_path: Path) -> None:
    made(tmp_path / "a", some(12))
    made(tmp_path / "b", some(12))
    Collection.create(tmp_path / "c", Collection.open(tmp_path / "a").view().facts)
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(12), batch=5)
        writer.fold()
    assert contents(tmp_path / "a" / "gen-000001") == contents(tmp_path / "b" / "gen-000001") == contents(tmp_path / "c" / "gen-000001")


def test_folding_what_is_folded_does_nothing(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(4))
    before = contents(tmp_path / "c" / "gen-000001")
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(4))
        assert writer.fold() == "gen-000001"
    assert contents(tmp_path / "c" / "gen-000001") == before
    assert collection.status().tail == 0


def test_two_generations_are_kept_and_emptiness_keeps_none(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(1))
    with Collection.write(tmp_path / "c") as writer:
        for count in range(2, 6):
            index(writer, some(count))
            assert writer.fold() == f"gen-{count:06d}"
    assert collection.status().generations == ("gen-000005", "gen-000004")
    with Collection.write(tmp_path / "c") as writer:
        writer.delete([f"d{i}" for i in range(5)])
        assert writer.fold() is None
    status = collection.status()
    assert (status.documents, status.passages, status.generations) == (0, 0, ())
    assert found(collection, ["q"]) == [[]]
    assert collection.verify().problems == ()


def test_a_flipped_byte_in_any_file_changes_no_answer_and_is_named(tmp_path: Path) -> None:
    collection = two_generations(tmp_path / "c")
    before, scores = found(collection, ["q", "r"], 99), exact(some(12), "q", 99)
    assert [score for _, score in before[0]] == pytest.approx(scores, abs=1e-6)
    files = [file for file in (tmp_path / "c").glob("gen-000002/*") if file.stat().st_size]
    for number, file in enumerate(files):
        path = copied(tmp_path / "c", tmp_path / f"copy{number}")
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        (path / "gen-000002" / file.name).write_bytes(content)
        damaged = Collection.open(path)
        assert found(damaged, ["q", "r"], 99) == before
        status = damaged.status()
        assert status.generation == "gen-000001"
        assert "gen-000002" in status.refused[0]
        assert [problem.where for problem in damaged.verify().problems] == ["gen-000002"]
        with Collection.write(path) as writer:
            assert writer.fold() == "gen-000003"
        assert (damaged.status().generations, damaged.verify().problems) == (("gen-000003", "gen-000001"), ())
        assert found(damaged, ["q", "r"], 99) == before


def test_without_any_whole_generation_the_truth_is_scanned(tmp_path: Path) -> None:
    collection = two_generations(tmp_path / "c")
    before = found(collection, ["q", "r"], 99)
    with collection.view() as view:
        words = view.lexical(["alpha3 搜索"], 5)[0].tolist()
    for name in ("gen-000001", "gen-000002"):
        (tmp_path / "c" / name / durable.MANIFEST).unlink()
    assert found(collection, ["q", "r"], 99) == before
    status = collection.status()
    assert (status.generation, len(status.refused)) == (None, 2)
    with collection.view() as view:
        assert view.lexical(["alpha3 搜索"], 5)[0].tolist()[0][0] == words[0][0]
    shutil.rmtree(tmp_path / "c" / "gen-000001")
    shutil.rmtree(tmp_path / "c" / "gen-000002")
    (tmp_path / "c" / "CURRENT").write_bytes(b"\xff")
    assert found(collection, ["q", "r"], 99) == before
    assert collection.verify().problems == ()


def test_what_was_not_finished_is_removed_by_the_next_writer_and_by_nobody_else(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(3))
    (tmp_path / "c" / "gen-000002.new").mkdir()
    (tmp_path / "c" / "gen-000002.new" / "half").write_text("x")
    (tmp_path / "c" / "CURRENT.new").write_text("x")
    collection.status()
    collection.view().close()
    assert len(list((tmp_path / "c").glob("*.new"))) == 2
    with Collection.write(tmp_path / "c"):
        pass
    assert not list((tmp_path / "c").glob("*.new"))


def test_a_generation_that_was_not_made_current_is_adopted(tmp_path: Path) -> None:
    collection = two_generations(tmp_path / "c")
    with Collection.write(tmp_path / "c") as writer:
        assert writer.fold() == "gen-000003"
    (tmp_path / "c" / "CURRENT").write_text("gen-000002\n")
    assert collection.status().generation == "gen-000002"
    with Collection.write(tmp_path / "c") as writer:
        assert writer.fold() == "gen-000003"
    assert collection.status().generation == "gen-000003"


def test_a_generation_newer_than_the_truth_is_refused_and_its_keys_mislead_nobody(tmp_path: Path) -> None:
    """An older truth was put back: keys of the newer generation would be given again, to other texts."""
    collection = made(tmp_path / "c", some(3))
    shutil.copy(tmp_path / "c" / "truth.sqlite", tmp_path / "older")
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(6))
        writer.fold()
    shutil.copy(tmp_path / "older", tmp_path / "c" / "truth.sqlite")
    assert collection.status().generation == "gen-000001"
    assert "acknowledged writes were lost" in collection.verify().problems[0].what
    with Collection.write(tmp_path / "c") as writer:
        others = [document(f"other{i}", f"other {i}\nand {i}") for i in range(6)]
        index(writer, others)
    assert [score for _, score in found(collection, ["q"], 99)[0]] == pytest.approx(exact([*some(3), *others], "q", 99), abs=1e-6)
    assert collection.verify().problems == ()


@pytest.mark.parametrize("name", ["gen-000002", "gen-000003"], ids=["old", "current"])
def test_a_generation_whose_files_are_gone_goes_with_the_next_fold(tmp_path: Path, name: str) -> None:
    collection = two_generations(tmp_path / "c")
    with Collection.write(tmp_path / "c") as writer:
        assert writer.fold() == "gen-000003"
    for file in (tmp_path / "c" / name).iterdir():
        file.unlink()
    assert {problem.where for problem in collection.verify().problems} == {name}
    with Collection.write(tmp_path / "c") as writer:
        index(writer, some(12))  # nothing is new
        writer.fold()
    assert not (tmp_path / "c" / name).exists()
    assert collection.verify().problems == ()


def test_an_index_of_another_version_is_done_without_and_replaced(tmp_path: Path) -> None:
    collection = made(tmp_path / "c", some(3))
    before = found(collection, ["q"])
    facts, files = durable.read_folder(tmp_path / "c" / "gen-000001")
    held = {name: bytes(content) for name, content in files.items()} | {"lexical-bm25.json": b"{}"}
    shutil.rmtree(tmp_path / "c" / "gen-000001")
    durable.write_folder(tmp_path / "c" / "gen-000001", held, {**facts, "dense_kind": "of the future"})
    assert found(collection, ["q"]) == before
    with collection.view() as view:
        assert owners(view, view.lexical(["alpha1"], 1)[0][0].tolist())
    assert len(collection.verify().problems) == 2
    assert [why.partition(",")[0] for why in collection.status().refused] == [
        f"gen-000001: its {part} index is of another version of Bicross" for part in ("dense", "lexical")
    ]
    with Collection.write(tmp_path / "c") as writer:
        assert writer.fold() == "gen-000002"
    assert generations.current(tmp_path / "c") == "gen-000002" and collection.status().refused == ()
