"""Parquet and Arrow, as others write them, and as they arrive damaged."""

import datetime as dt
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bicross.data.arrow import count_rows, read_tables
from bicross.data.counting import count_documents
from bicross.data.questions import read_qrels, read_queries
from bicross.data.rows import Row
from bicross.data.sources import read_documents
from bicross.errors import InputError, MissingExtra
from bicross.records import Document, Query, Skip
from bicross.settings import ColumnSettings

CORPUS = {"_id": ["a", "b"], "title": ["Ｔ", None], "text": ["文", "x"], "year": [1, 2], "deep": [{"k": [1.5]}, None]}
EXPECTED = [Document("a", "文", "Ｔ", {"year": 1, "deep": {"k": [1.5]}}), Document("b", "x", "", {"year": 2, "deep": None})]


def write(path: Path, columns: Any) -> Path:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
        return path
    new = pa.ipc.new_stream if path.stem == "stream" else pa.ipc.new_file
    with new(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


@pytest.mark.parametrize("name", ["a.parquet", "stream.arrow", "file.arrow"])
def test_documents_of_a_file(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, CORPUS)
    assert list(read_documents([path])) == EXPECTED
    assert count_documents([path]) == 2


def test_queries_and_judgements_of_a_file(tmp_path: Path) -> None:
    queries = write(tmp_path / "q.parquet", {"qid": pa.array([1, 2]), "query": ["如何？", "how"]})
    assert read_queries(queries) == ([Query("1", "如何？"), Query("2", "how")], [])
    for grades in (pa.array([2, 0], pa.int8()), pa.array([2.0, 0.0])):
        path = write(tmp_path / "qrels.parquet", {"query-id": ["1", "1"], "corpus-id": ["a", "b"], "score": grades})
        assert read_qrels(path) == {"1": {"a": 2, "b": 0}}


@pytest.fixture
def datasets() -> Iterator[Any]:
    """The library, without its bars."""
    library = pytest.importorskip("datasets")
    drawn = library.is_progress_bar_enabled()
    library.disable_progress_bars()
    yield library
    if drawn:
        library.enable_progress_bars()


def test_what_datasets_saves(datasets: Any, tmp_path: Path) -> None:
    corpus = datasets.Dataset.from_dict(CORPUS)
    queries = datasets.Dataset.from_dict({"_id": ["q"], "text": ["如何？"]})
    qrels = datasets.Dataset.from_dict({"query-id": ["q"], "corpus-id": ["a"], "score": [1]})
    corpus.select([1, 0]).save_to_disk(tmp_path / "one", num_shards=2)
    assert list(read_documents([tmp_path / "one"])) == EXPECTED[::-1]
    datasets.DatasetDict(corpus=corpus, queries=queries, test=qrels).save_to_disk(tmp_path / "dict")
    assert list(read_documents([tmp_path / "dict"])) == EXPECTED and count_documents([tmp_path / "dict"]) == 2
    assert read_queries(tmp_path / "dict")[0] == [Query("q", "如何？")]
    assert read_qrels(tmp_path / "dict") == read_qrels(tmp_path / "dict" / "test") == {"q": {"a": 1}}
    with pytest.raises(InputError, match=r"dict/dev does not exist; .*dict/corpus, .*dict/queries, .*dict/test"):
        read_qrels(tmp_path / "dict" / "dev")


def test_columns_are_named_as_for_other_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"sku": ["a"], "blurb": ["x"]})
    assert list(read_documents([path], ColumnSettings(id="sku", text="blurb"))) == [Document("a", "x")]
    with pytest.raises(InputError, match=r"a\.parquet:1 has no id column: .*found sku, blurb"):
        list(read_documents([path]))
    with pytest.raises(InputError, match=r"a\.parquet:1 has no grade column: .* found query_id, docid"):
        read_qrels(write(tmp_path / "a.parquet", {"query_id": ["q"], "docid": ["d"]}))
    with pytest.raises(InputError, match="names the column 'id' more than once"):
        list(read_tables([write(tmp_path / "b.arrow", pa.table([["a"], ["b"]], names=["id", "id"]))]))


def test_bad_rows_are_named_by_file_and_row(tmp_path: Path) -> None:
    ids = ["a", None, "a", "b", "c", "d", "e"]
    texts = [b"x", b"x", b"x", None, b"\xff", b"a\0", b"y"]
    table = pa.table({"id": ids, "text": pa.Array.from_buffers(pa.string(), 7, pa.array(texts).buffers(), 1)})
    path = write(tmp_path / "a.parquet", table)
    found = list(read_documents([path]))
    assert [item for item in found if isinstance(item, Document)] == [Document("a", "x"), Document("e", "y")]
    assert [(item.id, item.reason[:24]) for item in found if isinstance(item, Skip)] == [
        (f"{path}:2", "the id is null, expected"),
        ("a", "the id comes a second ti"),
        (f"{path}:4", "the text is empty"),
        (f"{path}:5", "a text is not UTF-8 at b"),
        (f"{path}:6", "the text holds a NUL cha"),
    ]
    with pytest.raises(InputError, match=r"q\.parquet:2 is not a judgement: the grade is 'None'"):
        read_qrels(write(tmp_path / "q.parquet", {"qid": ["q", "q"], "docid": ["d", "e"], "rel": [1, None]}))


def test_other_types_become_what_json_has(tmp_path: Path) -> None:
    columns = {"id": [b"a"], "text": ["文".encode()], "at": [dt.date(2020, 1, 2)], "nan": [float("nan")], "raw": [b"\xff"]}
    columns |= {"image": [{"bytes": b"x", "path": "p"}], "kind": pa.array(["k"]).dictionary_encode()}
    (document,) = read_documents([write(tmp_path / "a.parquet", columns)])
    expected = {"at": "2020-01-02", "nan": None, "raw": None, "image": {"bytes": None, "path": "p"}, "kind": "k"}
    assert document == Document("a", "文", "", expected)


@pytest.mark.parametrize("name", ["a.parquet", "stream.arrow", "file.arrow"])
def test_times_that_python_cannot_hold_are_text(tmp_path: Path, name: str) -> None:
    far = 365 * 9000  # days: beyond the year 9999
    columns = {
        "id": ["a", "b", "c"],
        "text": ["x", "y", "z"],
        "fine": pa.array([1, None, 1_500_000_000], pa.timestamp("ns")),
        "far": pa.array([1, far, None], pa.date32()),
        "lost": pa.array([0, 90_000, None], pa.timestamp("ms", tz="Mars/Olympus")),
        "zone": pa.array([0, 90, None], pa.timestamp("ms", tz="Asia/Shanghai")),
        "clock": pa.array([1, None, 0], pa.time64("ns")),
    }
    found = [item for item in read_documents([write(tmp_path / name, columns)]) if isinstance(item, Document)]
    assert [document.id for document in found] == ["a", "b", "c"]
    assert found[0].meta == {
        "fine": "1970-01-01T00:00:00.000000001",
        "far": "1970-01-02",
        "lost": "1970-01-01T00:00:00.000Z",
        "zone": "1970-01-01T00:00:00.000Z",
        "clock": "00:00:00.000000001",
    }
    assert str(found[1].meta["far"]).startswith("10") and found[1].meta["lost"] == "1970-01-01T00:01:30.000Z"


def test_a_nested_time_that_python_cannot_hold_costs_its_row_alone(tmp_path: Path) -> None:
    deep = pa.array([[0], [1], None], pa.list_(pa.timestamp("s", tz="Mars/Olympus")))
    path = write(tmp_path / "a.parquet", {"id": ["a", "b", "c"], "text": ["x", "y", "z"], "deep": deep})
    found = list(read_documents([path]))
    assert [item.id for item in found if isinstance(item, Document)] == ["c"]
    assert [item.id for item in found if isinstance(item, Skip)] == [f"{path}:1", f"{path}:2"]
    assert all("a value cannot be read" in item.reason for item in found if isinstance(item, Skip))


@pytest.mark.parametrize("name", ["a.parquet", "stream.arrow", "file.arrow"])
@pytest.mark.parametrize("keep", [0, 3, 100, -20])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, name: str, keep: int) -> None:
    path = write(tmp_path / name, {"id": [str(number) for number in range(1000)], "text": ["x" * 20] * 1000})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=rf"^{path} cannot be read as (Parquet|Arrow) \([^\n]+\)\. Fetch or write it again\.$"):
        list(read_tables([path]))
    assert count_documents([path]) == 0


def test_a_pointer_of_git_lfs_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(InputError, match="git lfs pull"):
        list(read_documents([path]))


def test_rows_are_counted_over_files(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, {"id": [name] * 600, "text": ["x"] * 600}) for name in ("a.parquet", "stream.arrow")]
    rows = [row for row in read_tables(paths) if isinstance(row, Row)]
    assert count_rows(paths) == len(rows) == 1200
    assert rows[599].place == f"{paths[0]}:600" and rows[600].place == f"{paths[1]}:1" and rows[1199].place == f"{paths[1]}:600"


def test_memory_holds_a_batch(tmp_path: Path) -> None:
    for name in ("a.parquet", "stream.arrow"):
        path = tmp_path / name
        table = pa.table({"id": [str(number) for number in range(20_000)], "text": [f"{number} " * 50 for number in range(20_000)]})
        if name == "a.parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_stream(str(path), table.schema) as writer:
                writer.write_table(table)
        del table
        tracemalloc.start()
        assert sum(1 for _ in read_tables([path])) == 20_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2e6  # the texts are 6 MB


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", CORPUS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'bicross\[formats\]'"):
        list(read_documents([path]))


def test_readers_load_no_library_before_a_file_needs_it() -> None:
    imports = "import sys, bicross.data.sources, bicross.data.questions, bicross.data.counting"
    code = f"{imports}; print({{'pyarrow', 'ir_datasets'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
