"""Random histories of writes, folds, damage and reopening, against a dictionary and an exact scan."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bicross.collection.store import Collection
from bicross.records import Document
from tests.collection.world import FACTS, OTHER, SPACE, cut, document, exact, fill, index, owners, stored, vector

IDS = st.sampled_from(["a", "b", "c", "空", "e#0"])
TEXTS = st.lists(st.sampled_from(["one", "two words", "三", "same", ""]), max_size=4).map("\n".join)
DOCUMENTS = st.lists(st.builds(document, IDS, TEXTS, st.sampled_from(["", "title"])), min_size=1, max_size=4, unique_by=lambda one: one.id)


class Histories(RuleBasedStateMachine):
    """`live` is what must be found, in every state, by the view that stays open and by a fresh one."""

    @initialize()
    def make(self) -> None:
        self.path = Path(tempfile.mkdtemp()) / "c"
        self.live: dict[str, Document] = {}
        self.space, self.moved = SPACE, False
        self.collection = Collection.create(self.path, FACTS)
        with Collection.write(self.path) as writer:
            writer.register_space(SPACE, "first/encoder")
        self.view = self.collection.view()

    @rule(documents=DOCUMENTS)
    def upsert(self, documents: list[Document]) -> None:
        with Collection.write(self.path) as writer:
            same = {one.id for one in documents if self.live.get(one.id) == one}
            assert writer.unchanged(documents) == same
            index(writer, documents, self.space)
        self.live |= {one.id: one for one in documents}

    @rule(ids=st.lists(IDS, max_size=3))
    def delete(self, ids: list[str]) -> None:
        with Collection.write(self.path) as writer:
            assert writer.delete(ids) == len(self.live.keys() & set(ids))
        self.live = {key: one for key, one in self.live.items() if key not in ids}

    @rule(keep=st.sampled_from([1, 2]))
    def fold(self, keep: int) -> None:
        with Collection.write(self.path) as writer:
            writer.fold(keep)
        assert self.collection.status().tail == 0

    @rule()
    def move(self) -> None:
        other = OTHER if self.space == SPACE else SPACE
        with Collection.write(self.path) as writer:
            writer.register_space(other, "another/encoder")
            fill(writer, other)
            writer.activate(other)
        self.space, self.moved = other, True
        self.reopen()

    @precondition(lambda self: self.moved)
    @rule()
    def go_back(self) -> None:
        with Collection.write(self.path) as writer:
            facts, space = writer.before()
            fill(writer, space)
            assert writer.rollback() == facts == writer.facts
        assert space != self.space
        self.space = space
        self.reopen()

    @precondition(lambda self: list(self.path.glob("gen-*/*")))
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(sorted(self.path.glob("gen-*/*"))), "file")
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        self.reopen()  # what is open was checked when it was opened

    @rule()
    def reopen(self) -> None:
        self.view.close()
        self.view = self.collection.view()

    @invariant()
    def all_live_documents_are_found_and_no_others(self) -> None:
        expected = exact(self.live.values(), "q", 99, self.space)
        keys, scores = self.view.nearest(vector("q", self.space)[None], 99)
        found = keys[0][keys[0] >= 0]
        assert scores[0, : len(found)].tolist() == pytest.approx(expected, abs=1e-6)
        seen = owners(self.view, found.tolist())
        assert set(seen.values()) == {one.id for one in self.live.values() if cut(one)}
        assert stored(self.view, ["a", "b", "c", "空", "e#0"]) == self.live
        words = self.view.lexical(["two"], 99)[0][0]
        assert set(owners(self.view, words[words >= 0].tolist()).values()) == {key for key, one in self.live.items() if "two" in one.text}

    def teardown(self) -> None:
        if hasattr(self, "path"):
            damaged = [problem for problem in self.collection.verify().problems if not problem.where.startswith("gen-")]
            assert damaged == []
            self.view.close()
            shutil.rmtree(self.path.parent)


Histories.TestCase.settings = settings(max_examples=15, stateful_step_count=12, derandomize=True, suppress_health_check=list(HealthCheck))
test_histories = Histories.TestCase
