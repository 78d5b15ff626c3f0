"""Datasets of ir_datasets: one of our own, with its own kinds of records, and one of the library's that is not on disk."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bicross import pipeline
from bicross.data import ir_datasets as ids
from bicross.data.counting import count_documents
from bicross.data.questions import read_qrels, read_queries
from bicross.data.sources import read_documents
from bicross.errors import InputError, MissingExtra
from bicross.models.registry import HASHED
from bicross.records import Document, Query, Skip
from bicross.settings import ColumnSettings, IndexSettings

NAME = Path("ir_datasets:bicross-test/printers")


class Paper(NamedTuple):
    doc_id: str
    title: str
    abstract: str
    year: int
    authors: tuple[str, ...]
    raw: bytes

    def default_text(self) -> str:
        return f"{self.title} {self.abstract}"


class Topic(NamedTuple):
    query_id: str
    title: str
    narrative: str

    def default_text(self) -> str:
        return self.title


PAPERS = [
    Paper("a", "Printers 打印机", "How to reset one.", 2001, ("Li", "Wu"), b"x"),
    Paper("b", "", "如何重置路由器", 2002, (), b"x"),
    Paper("c", "Alone", "", 2003, (), b"x"),
    Paper("d", "", "", 2004, (), b"x"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the library keeps its files; it asks once, when it is first imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IR_DATASETS_HOME", str(tmp_path_factory.mktemp("home")))
        yield Path(pytest.importorskip("ir_datasets").util.home_path())


@pytest.fixture
def library(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    library = pytest.importorskip("ir_datasets")
    formats = library.formats

    class Docs(formats.BaseDocs):
        def docs_iter(self) -> Iterator[Paper]:
            return iter(PAPERS)

        def docs_count(self) -> int:
            return len(PAPERS)

    class Queries(formats.BaseQueries):
        def queries_iter(self) -> Iterator[Topic]:
            return iter([Topic("1", "重置打印机", "Someone has one."), Topic("2", "router", "")])

    class Qrels(formats.BaseQrels):
        def qrels_iter(self) -> Iterator[Any]:
            return (formats.TrecQrel(*judged, "0") for judged in [("1", "a", 2), ("1", "b", 0), ("2", "b", 1)])

    monkeypatch.setattr(library.registry, "_registered", dict(library.registry._registered))
    library.registry.register("bicross-test/printers", library.Dataset(Docs(), Queries(), Qrels()))
    library.registry.register("bicross-test", library.Dataset(Docs()))
    return library


@pytest.mark.usefixtures("library")
def test_documents_have_their_titles_apart_and_other_fields_in_meta() -> None:
    assert list(read_documents([NAME])) == [
        Document("a", "How to reset one.", "Printers 打印机", {"year": 2001, "authors": ["Li", "Wu"], "raw": None}),
        Document("b", "如何重置路由器", "", {"year": 2002, "authors": [], "raw": None}),
        Document("c", "Alone", "Alone", {"year": 2003, "authors": [], "raw": None}),
        Skip(f"{NAME}:4", "the text is empty"),
    ]
    assert count_documents([NAME]) == 4
    with pytest.raises(InputError, match=r"printers:1 has no title column: looked for 'head', found year"):
        list(read_documents([NAME], ColumnSettings(title="head")))


@pytest.mark.usefixtures("library")
def test_queries_and_judgements() -> None:
    expected = [Query("1", "重置打印机", {"narrative": "Someone has one."}), Query("2", "router", {"narrative": ""})]
    assert read_queries(NAME) == (expected, [])
    assert read_qrels(NAME) == {"1": {"a": 2, "b": 0}, "2": {"b": 1}}


@pytest.mark.usefixtures("library")
def test_index_and_evaluate(tmp_path: Path) -> None:
    done = pipeline.index([NAME], tmp_path / "c", IndexSettings(encoder=HASHED, reranker=HASHED))
    assert (done.documents, len(done.skipped)) == (3, 1)
    assert pipeline.evaluate(tmp_path / "c", NAME, NAME).measures["R@100"] == 1


def test_nothing_is_fetched(library: Any) -> None:
    remote = library.util.download.RequestsDownload
    stream = remote.stream
    for kind, read in (("docs", lambda path: list(read_documents([path]))), ("queries", read_queries), ("qrels", read_qrels)):
        command = f"ir_datasets export beir/fiqa/test {kind} > /dev/null"
        with pytest.raises(InputError, match=rf"The {kind} of ir_datasets:beir/fiqa/test are not on disk, .*: {command}"):
            read(Path("ir_datasets:beir/fiqa/test"))
    assert remote.stream is stream


@pytest.mark.usefixtures("library")
def test_what_the_library_fetched_before_is_read(home: Path) -> None:
    kept = home / "beir" / "scifact"
    kept.mkdir(parents=True)
    (kept / "queries.json").write_text('{"_id": "1", "text": "asked"}\n{"_id": "2", "text": "of another split"}\n')
    (kept / "test.qrels").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n")
    name = Path("ir_datasets:beir/scifact/test")
    assert read_queries(name) == ([Query("1", "asked")], []) and read_qrels(name) == {"1": {"a": 1}}
    assert count_documents([name]) == 5183


def test_files_that_the_user_put_there_are_read(library: Any, tmp_path: Path) -> None:
    for name, text in (("docs", "a\t打印机\nb\trouter\n"), ("queries", "1\t重置\n"), ("qrels", "1 0 a 3\n")):
        (tmp_path / name).write_text(text)
    made = library.create_dataset(str(tmp_path / "docs"), str(tmp_path / "queries"), str(tmp_path / "qrels"))
    library.registry.register("bicross-test/files", made)
    name = Path("ir_datasets:bicross-test/files")
    assert list(read_documents([name])) == [Document("a", "打印机"), Document("b", "router")]
    assert read_queries(name)[0] == [Query("1", "重置")] and read_qrels(name) == {"1": {"a": 3}}
    (tmp_path / "qrels").write_text("1 0 a\n")
    with pytest.raises(InputError, match=r"The qrels of ir_datasets:bicross-test/files cannot be read \("):
        read_qrels(name)


class Code(NamedTuple):
    doc_id: str
    code: str


class Reasoned(NamedTuple):
    query_id: str
    text: str
    reasoning: str


def test_kinds_without_a_default_text_have_a_text_or_are_refused(library: Any) -> None:
    class Docs(library.formats.BaseDocs):
        def docs_iter(self) -> Iterator[Code]:
            return iter([Code("a", "x = 1")])

    class Queries(library.formats.BaseQueries):
        def queries_iter(self) -> Iterator[Reasoned]:
            return iter([Reasoned("1", "why", "because")])

    library.registry.register("bicross-test/code", library.Dataset(Docs(), Queries()))
    name = Path("ir_datasets:bicross-test/code")
    assert read_queries(name)[0] == [Query("1", "why", {"reasoning": "because"})]
    with pytest.raises(InputError, match="The docs of ir_datasets:bicross-test/code are of the kind Code, which has no text"):
        list(read_documents([name]))


@pytest.mark.usefixtures("library")
def test_a_name_that_does_not_fit_says_which_do() -> None:
    with pytest.raises(InputError, match=r"no dataset 'bicross-test/printer'\. Near it are bicross-test/printers"):
        list(read_documents([Path("ir_datasets:bicross-test/printer")]))
    with pytest.raises(InputError, match=r"has no queries; it has docs\. Name one that has: bicross-test/printers\."):
        read_queries(Path("ir_datasets:bicross-test"))
    assert count_documents([Path("ir_datasets:nothing")]) == 0


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'bicross\[formats\]'"):
        list(read_documents([NAME]))


def test_paths_are_no_ids() -> None:
    assert ids.dataset_id(Path("docs/ir_datasets")) is None
    assert ids.dataset_id(Path("ir_datasets:a/b")) == "a/b"
