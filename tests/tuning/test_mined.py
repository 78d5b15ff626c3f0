"""What is gathered from a collection: copies of answers are told, random documents are drawn from all, ranks are those of the searches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bicross.data import near_duplicates
from bicross.mining.denoise import score
from bicross.models.hashed import HashedScorer
from bicross.opened import OpenCollection
from bicross.records import Document, Mined, Qrels, Query, reading
from bicross.settings import MineSettings
from bicross.tuning import mined
from bicross.tuning.mined import denoised, gather, random_documents
from tests.searchers.world import indexed

PAGES = (
    "Hold the red button under the lid until the lamp of the kettle goes out.",
    "Scale is removed with vinegar, warm water and some patience every spring.",
    "If the lamp blinks twice the heating coil is broken and must be replaced.",
)
MANUAL = Document("manual", "\n\n".join(PAGES), "")
COPY = Document("copy", "\n\n".join(page.replace(".", " !") for page in PAGES[::-1]), "")
FILLER = [Document(f"f{number}", f"kettle story {number} of {'many ' * (number % 5)}words {number * 7}") for number in range(40)]
ASKED = [
    Query("vinegar", "vinegar warm water patience lamp"),
    Query("blinks", "lamp blinks twice coil"),
    Query("red", "red button lid lamp"),
]
QRELS: Qrels = {query.id: {"manual": 1} for query in ASKED}
SETTINGS = MineSettings(depth=30, hard_depth=5, random=3)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenCollection]:
    with OpenCollection(indexed(tmp_path_factory.mktemp("kettle"), [MANUAL, COPY, *FILLER])) as opened:
        yield opened


def gathered(collection: OpenCollection, count: int, settings: MineSettings = SETTINGS) -> list[Mined]:
    return gather(collection, ASKED, QRELS, settings, count, {}, lambda what, done, total: None)


def test_a_copy_of_an_answer_is_never_a_negative_whichever_passages_are_nearest(
    collection: OpenCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoder is made to choose another passage of the answer than that of the copy which search put on top."""
    monkeypatch.setattr("bicross.mining.candidates._Answers._nearest", lambda self, doc_id, question: self._texts[doc_id][0])
    assert len(collection.view.of_documents(["manual"])["manual"]) == len(PAGES)
    rows = gathered(collection, 10)
    copies = [(row.positives[0].text, one) for row in rows for one in row.candidates if one.doc_id == "copy"]
    assert len(copies) == len(ASKED)
    assert sum(mined.likeness(copy.text, (answer,)) < 0.5 for answer, copy in copies) >= 2  # these two texts alone do not tell
    assert {copy.kind for _, copy in copies} == {"duplicate"}


@given(st.text(alphabet="ab 门锁", max_size=60), st.lists(st.text(alphabet="ab 门锁", max_size=60), max_size=6))
def test_likeness_is_that_of_the_nearest_of_several(text: str, others: list[str]) -> None:
    for several in (others, [*others, text], others + others):
        assert mined.likeness(text, tuple(several)) == max((near_duplicates.likeness(text, other) for other in several), default=0.0)


def test_ranks_are_those_of_the_whole_searches_whatever_is_kept(collection: OpenCollection) -> None:
    whole, few = gathered(collection, 99), gathered(collection, 12)
    for row, part in zip(whole, few, strict=True):
        recalled = [one for one in part.candidates if "rank" in one.scores]
        assert len(recalled) == 12
        assert recalled == [one for one in row.candidates if "rank" in one.scores][:12]
        every = (*row.positives, *row.candidates)
        for name in ("lexical", "dense"):
            found = sorted((one for one in every if name in one.scores), key=lambda one: one.scores[f"{name} rank"])
            assert [one.scores[f"{name} rank"] for one in found] == list(range(1, len(found) + 1))
            assert [one.scores[name] for one in found] == sorted((one.scores[name] for one in found), reverse=True)


def test_random_documents_come_from_the_whole_collection(collection: OpenCollection) -> None:
    """One question, one candidate: nothing but the collection knows the others."""
    drawn = set()
    for seed in range(20):
        settings = SETTINGS.model_copy(update={"depth": 1, "seed": seed})
        (row,) = gather(collection, ASKED[:1], QRELS, settings, 1, {}, lambda what, done, total: None)
        strays = [one for one in row.candidates if one.kind == "random"]
        assert len(strays) == 3
        drawn |= {one.doc_id for one in strays}
    assert len(drawn) > 30
    assert not drawn & {"manual", "copy"}


def test_the_pool_is_all_of_a_small_collection_and_a_draw_of_a_large_one(
    collection: OpenCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = {document.id: document for document in (MANUAL, COPY, *FILLER)}
    pool = random_documents(collection, 0)
    assert {doc_id for doc_id, _ in pool} == every.keys()
    assert len(pool) == len(every)
    for doc_id, text in pool:
        passages = collection.view.of_documents([doc_id])[doc_id]
        assert text in {reading(every[doc_id].title, passage.text) for passage in passages}
    monkeypatch.setattr(mined, "POOL", 15)
    monkeypatch.setattr(mined, "READ", 4)
    few = random_documents(collection, 0)
    assert len(few) == 15
    assert set(few) < set(pool)
    assert {doc_id for doc_id, _ in random_documents(collection, 1)} != {doc_id for doc_id, _ in few}
    with OpenCollection(indexed(tmp_path, [*FILLER[::-1], COPY, MANUAL])) as again:  # the same documents, in another order
        assert random_documents(again, 0) == few


def test_what_is_drawn_is_a_uniform_draw(collection: OpenCollection) -> None:
    counts = dict.fromkeys(collection.view.draw(99, 0), 0)
    assert len(counts) == 42
    for seed in range(420):
        for doc_id in collection.view.draw(10, seed):
            counts[doc_id] += 1
    assert all(60 < count < 140 for count in counts.values())  # 100 each, deviation 9


def test_kinds_are_given_by_the_scores_and_marks_stay(collection: OpenCollection) -> None:
    for row in denoised(score(gathered(collection, 25), HashedScorer()), SETTINGS):
        kinds = {one.doc_id: one.kind for one in row.candidates}
        assert kinds["copy"] == "duplicate"
        for one in row.candidates:
            early = min(one.scores.get(name, 99) for name in ("rank", "lexical rank", "dense rank")) <= SETTINGS.hard_depth
            if one.kind in ("hard", "easy"):
                assert one.kind == ("hard" if early else "easy")
        assert "easy" in kinds.values()
