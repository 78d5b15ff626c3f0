"""Which table of a folder is meant, in each layout that people have."""

import json
from pathlib import Path

import pytest

from bicross.data.tables import find_table, tables
from bicross.errors import InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def save(folder: Path, *files: str) -> Path:
    """As `Dataset.save_to_disk` leaves it, without rows."""
    touch(folder, *files, "dataset_info.json", "cache-0123.arrow")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in files]}))
    return folder


def names(folder: Path) -> dict[str, list[str]]:
    return {name: [path.relative_to(folder).as_posix() for path in files] for name, files in tables(folder).items()}


def found(path: Path, role: str) -> list[str]:
    files = find_table(path, role)
    assert files is not None
    return [file.name for file in files]


def test_shards_stand_in_order_and_caches_are_left_out(tmp_path: Path) -> None:
    files = ["data-00001-of-00002.arrow", "data-00000-of-00002.arrow"]
    assert names(save(tmp_path, *files)) == {"": files}


def test_a_hub_repository(tmp_path: Path) -> None:
    shards = [f"corpus/corpus-0000{number}-of-00002.parquet" for number in range(2)]
    touch(tmp_path, *shards, "queries/queries-00000-of-00001-0123456789abcdef.parquet", "data/test-00000-of-00001.parquet", "README.md")
    touch(tmp_path, ".cache/huggingface/corpus.parquet")
    assert list(names(tmp_path)) == ["corpus/corpus", "data/test", "queries/queries"]
    assert found(tmp_path, "documents") == [Path(shard).name for shard in shards]
    assert found(tmp_path, "queries") == ["queries-00000-of-00001-0123456789abcdef.parquet"]
    assert found(tmp_path, "judgements") == ["test-00000-of-00001.parquet"]
    assert found(tmp_path / "corpus" / "corpus", "documents") == [Path(shard).name for shard in shards]


def test_converted_parquet_and_what_spark_writes(tmp_path: Path) -> None:
    touch(tmp_path, "corpus/train/0000.parquet", "corpus/train/0001.parquet", "zh-queries/part-00000-a1.c000.snappy.parquet")
    assert list(names(tmp_path)) == ["corpus/train", "zh-queries"]
    assert len(found(tmp_path, "documents")) == 2 and len(found(tmp_path, "queries")) == 1


def test_of_several_tables_the_one_that_is_named_like_the_role_is_meant(tmp_path: Path) -> None:
    touch(tmp_path, "corpus.parquet", "queries.parquet", "qrels/train.parquet", "qrels/test.parquet")
    assert found(tmp_path, "queries") == ["queries.parquet"]
    with pytest.raises(InputError, match=r"2 of them may hold the judgements: \S+/qrels/test, \S+/qrels/train; .*Name the one"):
        find_table(tmp_path, "judgements")
    assert found(tmp_path / "qrels" / "test", "judgements") == ["test.parquet"]


def test_splits_of_a_saved_dict(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / split, "data-00000-of-00001.arrow")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(InputError, match=r"2 of them may hold the documents: \S+/test, \S+/train"):
        find_table(tmp_path, "documents")
    assert found(tmp_path / "test", "documents") == ["data-00000-of-00001.arrow"]
    with pytest.raises(InputError, match=r"/dev does not exist; .* has the tables \S+/test, \S+/train\. Name one"):
        find_table(tmp_path / "dev", "documents")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test", "dev"]}')
    with pytest.raises(InputError, match="but dev is not there"):
        find_table(tmp_path, "documents")


def test_a_damaged_dataset_says_what_is_wrong(tmp_path: Path) -> None:
    save(tmp_path, "data-00000-of-00001.arrow")
    (tmp_path / "data-00000-of-00001.arrow").unlink()
    with pytest.raises(InputError, match=r"names data-00000-of-00001\.arrow, which is not there"):
        find_table(tmp_path, "documents")
    for text, words in (("{", "cannot be read"), ("[]", "no JSON object")):
        (tmp_path / "state.json").write_text(text)
        with pytest.raises(InputError, match=words):
            find_table(tmp_path, "documents")


def test_a_folder_of_documents_is_no_table(tmp_path: Path) -> None:
    touch(tmp_path, "notes/a.md", "notes/measured.parquet", "state.json")
    assert find_table(tmp_path, "documents") is None
    assert find_table(tmp_path / "nowhere" / "a", "documents") is None
    assert find_table(touch(tmp_path / "other", "README.md", "a.parquet"), "documents") is not None
