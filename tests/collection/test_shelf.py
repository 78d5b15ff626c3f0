"""Documents and counts, read without an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross.collection.shelf import Counts, Shelf
from bicross.collection.store import Collection
from bicross.errors import Damaged, InputError
from tests.collection.world import FACTS, index, some, truth


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Collection.create(tmp_path / "made", FACTS)
    return tmp_path / "made"


def test_documents_come_whole_in_the_order_asked_and_those_that_are_not_there_not_at_all(path: Path) -> None:
    documents = some(5)
    with Collection.write(path) as writer:
        index(writer, documents)
    shelf = Shelf(path)
    asked = [documents[3].id, "nobody", documents[1].id]
    assert list(shelf.documents(asked).values()) == [documents[3], documents[1]]
    assert shelf.present(asked) == {documents[3].id, documents[1].id}
    shelf.close()


def test_counts_and_state_follow_the_writer(path: Path) -> None:
    shelf = Shelf(path)
    assert shelf.counts() == Counts(0, 0, 0) and shelf.state().space is None
    with Collection.write(path) as writer:
        index(writer, some(4))
        passages = shelf.counts().passages
        assert shelf.counts() == Counts(4, passages, passages) and passages >= 4
        writer.fold()
        assert shelf.counts() == Counts(4, passages, 0)
        index(writer, some(1, start=100))
        assert shelf.counts().tail == shelf.counts().passages - passages > 0
    assert shelf.state().space is not None
    shelf.close()


def test_a_damaged_document_is_named_and_still_counts_as_there(path: Path) -> None:
    documents = some(2)
    with Collection.write(path) as writer:
        index(writer, documents)
    db = truth(path)
    db.execute("UPDATE documents SET text = 'x' WHERE id = ?", (documents[0].id,))
    db.close()
    shelf = Shelf(path)
    with pytest.raises(Damaged, match=repr(documents[0].id)):
        shelf.documents([documents[0].id])
    assert shelf.present([documents[0].id]) == {documents[0].id}
    shelf.close()


def test_what_is_no_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Shelf(tmp_path / "nowhere")
