"""A tuning run on the disk: one folder a step, whole or not there at all, so that an interrupted run goes on where it was.

The folder is named by a hash of all that goes in: collection, questions, answers, models, settings. The same command finds it again;
another question or another weight makes another run, so nothing stale is ever used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from bicross import durable
from bicross.errors import Damaged

T = TypeVar("T")
FOLDER = "tuning"  # of all runs, in the collection
VALUE = "value.json"
WORK = "work"  # checkpoints of the step that is under way
SPENT = "seconds.json"


def json_bytes(value: Any) -> bytes:
    """One way to write JSON: the same value gives the same bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


class Run:
    """The steps of one run. A step is done when its folder is there; each is made once, from those before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._inner = 0.0

    @classmethod
    def of(cls, parent: Path, inputs: Mapping[str, Any]) -> Run:
        """The run of these inputs, begun or not."""
        return cls(parent / hashlib.sha256(json_bytes(inputs)).hexdigest()[:16])

    def locked(self) -> AbstractContextManager[None]:
        """Held while the run goes on; a second process that would make the same steps is refused. Raises Locked."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return durable.lock(self.folder / "lock")

    def done(self, step: str) -> bool:
        """Whether the step's folder is there."""
        return (self.folder / step / durable.MANIFEST).exists()

    def path(self, step: str) -> Path:
        """The folder of a step: of a model, the model's."""
        return self.folder / step

    def work(self, step: str) -> Path:
        """Where a step keeps what it needs to be resumed; gone when it is done."""
        return self.folder / WORK / step

    def once(self, step: str, make: Callable[[], Any]) -> None:
        """Run `make`, which must write the step's folder, unless that was done."""
        if self.done(step):
            return
        self.timed(step, make)
        shutil.rmtree(self.work(step), ignore_errors=True)

    def timed(self, step: str, make: Callable[[], T]) -> T:
        """What `make` gives; its time is the step's, less that of the steps inside it."""
        start, outer, self._inner = time.perf_counter(), self._inner, 0.0
        try:
            return make()
        finally:
            seconds = time.perf_counter() - start
            self._spend(step, seconds - self._inner)
            self._inner = outer + seconds

    def value(self, step: str, make: Callable[[], Any]) -> Any:
        """What `make` gave, as JSON: now, or when the step was done."""

        def write() -> None:
            durable.write_folder(self.path(step), {VALUE: json_bytes(make())}, {"step": step})

        self.once(step, write)
        return self.json(step, VALUE)

    def pieces(
        self, step: str, items: Sequence[T], size: int, make: Callable[[Sequence[T]], list[Any]], tell: Callable[[int], None]
    ) -> list[Any]:
        """What `make` gives of all items, `size` at a time, as JSON. Each part is kept in `work`, so that what is done is not done again.

        `tell` is called after each part, one that was done before too, with how many items are done. Raises Damaged, saying what to do.
        """
        results: list[Any] = []
        for start in range(0, len(items), size):
            part, folder = items[start : start + size], self.work(step) / str(start)
            if not (folder / durable.MANIFEST).exists():
                durable.write_folder(folder, {VALUE: json_bytes(make(part))}, {"step": step})
            results += _read(folder, VALUE)
            tell(start + len(part))
        return results

    def json(self, step: str, name: str) -> Any:
        """A JSON file of a step that is done, its hash checked. Raises Damaged, saying what to do."""
        return _read(self.path(step), name)

    def checked(self, step: str, name: str) -> Path:
        """A file of a step that is done, its hash checked. Raises Damaged, saying what to do."""
        _read_file(self.path(step), name)
        return self.path(step) / name

    def seconds(self) -> dict[str, float]:
        """Step -> seconds that it took so far; the time of a process that was killed is not known. Raises Damaged, saying what to do."""
        path = self.folder / SPENT
        try:
            return dict(json.loads(path.read_bytes())) if path.exists() else {}
        except ValueError as error:
            raise Damaged(f"{path} is not the file that was written. Remove it and run again: only the times so far are lost.") from error

    def tidy(self) -> None:
        """Remove the models of a run that is over; what was measured stays."""
        for path in self.folder.iterdir():
            if any(path.rglob("*.safetensors")):
                shutil.rmtree(path)

    def _spend(self, step: str, seconds: float) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        spent = self.seconds()
        durable.write_file(self.folder / SPENT, json.dumps({**spent, step: round(spent.get(step, 0.0) + seconds, 3)}).encode())


def _read(folder: Path, name: str) -> Any:
    return json.loads(bytes(_read_file(folder, name)))


def _read_file(folder: Path, name: str) -> memoryview:
    try:
        return durable.read_folder(folder)[1][name]
    except Damaged as error:
        raise Damaged(f"{error} Remove {folder} and run again: it is made anew.") from error
    except KeyError as error:
        raise Damaged(f"{folder} holds no {name}. Remove it and run again: it is made anew.") from error
