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
from bicross.opened import Once, OpenCollection
from bicross.records import Space
from bicross.settings import SearchSettings
from bicross.upsert import encoder_of

T = TypeVar("T")
log = logging.getLogger(__name__)
AGAIN = 30.0  # seconds after which what could not be loaded is tried again; until then its error is told at once
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
        self._error: Exception | None = None
        self._failed_at = 0.0
        self._kept: TokenEncoder | None = None

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
            Exception: the question's own, or what opening the collection and loading its models raises.
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
        it cut, or, where that is of another space or nothing answers yet, the collection's, which is then kept to answer."""
        opened, encoder = self._opened, self._kept
        if opened is not None and opened.encoder.made and opened.encoder().space == writer.space:
            encoder = opened.encoder()
        elif encoder is None or encoder.space != writer.space:
            encoder = self._kept = encoder_of(writer.facts.encoder, self.path)
        apart = copy.copy(encoder)  # shares the network, which several threads may use
        apart.cut = []  # type: ignore[misc]  # read-only for all who do not make one
        return apart

    def _answering(self) -> Edition:
        state = self.shelf.state()
        return state.facts, state.space

    def _present(self) -> OpenCollection:
        """What is to answer now, newer models begun to load or taken over where there are some."""
        while True:
            now = self._answering()
            if self._coming is not None and self._coming.done():
                self._take_over()
            opened = self._opened if self._loaded is not None and self._loaded[1] == now[1] else None
            if opened is not None and self._loaded == now:
                return opened
            if self._coming is None:
                held = self._error is not None and self._wanted == now and time.monotonic() < self._failed_at + AGAIN
                if not held:
                    self._begin(now)
                elif opened is None and self._error is not None:
                    raise self._error.with_traceback(None)
            if opened is not None:
                return opened
            self._take_over()

    def _begin(self, wanted: Edition) -> None:
        """Load what answers now, in a thread of its own."""
        coming: Future[tuple[OpenCollection, Edition]] = Future()
        self._coming, self._wanted = coming, wanted
        Thread(target=_fulfil, args=(coming, self._load), name=f"load {self.path.name}", daemon=True).start()

    def _load(self) -> tuple[OpenCollection, Edition]:
        fresh = self._opened.reopened() if self._opened is not None else OpenCollection(self.path)
        kept = self._kept
        if kept is not None and not fresh.encoder.made and kept.space == fresh.view.space:
            fresh.encoder = Once(lambda: kept)
        try:
            loaded = fresh.facts, fresh.view.space
            for _ in range(2):  # the first one loads and compiles, the second tells what all later ones cost
                fresh.search("?", SearchSettings(k=1))
            fresh.reranker().score([("?", "?")])
        except BaseException:
            fresh.close()
            raise
        return fresh, loaded

    def _take_over(self) -> None:
        """Answer from what was loaded, when it is, or note that it failed."""
        assert self._coming is not None
        coming, self._coming = self._coming, None
        while not wait((coming,), SIGN).done:  # compiling alone may take minutes
            progress.made()
        try:
            fresh, loaded = coming.result()
        except Exception as error:  # whatever models raise, it would be raised again
            self._error, self._failed_at = error, time.monotonic()
            if self._opened is not None:
                known = isinstance(error, BicrossError)
                log.warning("%s changed, and what it is now cannot be loaded: %s", self.path.name, error, exc_info=not known)
            return
        old, self._opened, self._loaded = self._opened, fresh, loaded
        self._error = self._kept = None
        if old is not None:
            old.close()
            log.info("%s answers with %s and %s now", self.path.name, fresh.facts.encoder, fresh.facts.reranker)


def _fulfil(future: Future[T], make: Callable[[], T]) -> None:
    try:
        future.set_result(make())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
