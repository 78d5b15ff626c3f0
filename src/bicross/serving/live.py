"""A collection while it is served: what answers from it, and how that is replaced when models or weights change on the disk."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar

from bicross.collection.shelf import Shelf
from bicross.collection.store import Facts, Writer
from bicross.errors import BicrossError, SpaceMismatch
from bicross.models import progress
from bicross.models.registry import TokenEncoder
from bicross.opened import OpenCollection
from bicross.records import Space
from bicross.settings import SearchSettings
from bicross.upsert import encoder_of

T = TypeVar("T")
log = logging.getLogger(__name__)
AGAIN = 30.0  # seconds after which what could not be loaded is tried again
SIGN = 1.0  # seconds after which who waits for models to load says that he does not hang
Edition = tuple[Facts, Space | None]


class Live:
    """Searches are asked by one thread (`ask`); other threads may take what else there is.

    What `tune`, `rollback`, `reembed`, `weigh` or `calibrate` changed is noticed by the next question. The new models are loaded beside
    the old ones, which answer until then, unless the vectors are of another space already: then the question waits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opening = Lock()
        self._shelf: Shelf | None = None
        self._opened: OpenCollection | None = None
        self._loaded: Edition | None = None
        self._coming: Future[tuple[OpenCollection, Edition]] | None = None
        self._wanted: Edition | None = None
        self._failed_at = 0.0

    @property
    def shelf(self) -> Shelf:
        """Documents and counts, which need no model. Raises InputError or StoreError where there is no collection."""
        with self._opening:
            if self._shelf is None:
                self._shelf = Shelf(self.path)
            return self._shelf

    @property
    def opened(self) -> OpenCollection | None:
        """What answers now; None before the first question that could be asked."""
        return self._opened

    def ask(self, question: Callable[[OpenCollection], T]) -> T:
        """What the question gives, of the newest models that are loaded.

        Raises:
            BicrossError: the question's own, or what opening the collection and loading its models raises.
        """
        opened = self._present()
        try:
            return question(opened)
        except SpaceMismatch:  # it moved after `_present` had looked
            if self._answering() == self._loaded:
                raise
            return question(self._present())

    def encoder_for(self, writer: Writer) -> TokenEncoder:
        """The encoder of the collection's active space, for the thread that writes: the one that answers, with notes of its own on what
        it cut, or, where that is of another space, the collection's."""
        opened = self._opened
        if opened is not None and opened.encoder.made and opened.encoder().space == writer.space:
            apart = copy.copy(opened.encoder())  # shares the network, which several threads may use
            apart.cut = []  # type: ignore[misc]  # read-only for all who do not make one
            return apart
        return encoder_of(writer.facts.encoder, self.path)

    def _answering(self) -> Edition:
        state = self.shelf.state()
        return state.facts, state.space

    def _present(self) -> OpenCollection:
        """What is to answer now, newer models begun to load or taken over where there are some."""
        now = self._answering()
        if self._coming is not None and self._coming.done():
            self._take_over()
        if self._opened is None:
            self._begin(now)
            return self._take_over()
        if self._loaded == now:
            return self._opened
        moved = self._loaded is not None and self._loaded[1] != now[1]
        if self._coming is None and (moved or now != self._wanted or time.monotonic() > self._failed_at + AGAIN):
            self._begin(now)
        return self._take_over() if moved else self._opened

    def _begin(self, wanted: Edition) -> None:
        """Load what answers now, in a thread of its own."""
        coming: Future[tuple[OpenCollection, Edition]] = Future()
        self._coming, self._wanted = coming, wanted
        Thread(target=_fulfil, args=(coming, self._load), name=f"load {self.path.name}", daemon=True).start()

    def _load(self) -> tuple[OpenCollection, Edition]:
        fresh = self._opened.reopened() if self._opened is not None else OpenCollection(self.path)
        try:
            loaded = fresh.facts, fresh.view.space
            for _ in range(2):  # the first one loads and compiles, the second tells what all later ones cost
                fresh.search("?", SearchSettings(k=1))
            fresh.reranker().score([("?", "?")])
        except BaseException:
            fresh.close()
            raise
        return fresh, loaded

    def _take_over(self) -> OpenCollection:
        """Answer from what was loaded, when it is. The old one goes on where it failed and the old one still can."""
        assert self._coming is not None
        coming, self._coming = self._coming, None
        while not wait((coming,), SIGN).done:  # compiling alone may take minutes
            progress.made()
        try:
            fresh, loaded = coming.result()
        except BicrossError as error:
            self._failed_at = time.monotonic()
            if self._opened is None or (self._loaded is not None and self._loaded[1] != self._answering()[1]):
                raise
            log.warning("%s changed, and what it is now cannot be loaded; what it was goes on answering: %s", self.path.name, error)
            return self._opened
        old, self._opened, self._loaded = self._opened, fresh, loaded
        if old is not None:
            old.close()
            log.info("%s answers with %s and %s now", self.path.name, fresh.facts.encoder, fresh.facts.reranker)
        return fresh


def _fulfil(future: Future[T], make: Callable[[], T]) -> None:
    try:
        future.set_result(make())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
