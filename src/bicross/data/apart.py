"""Files whose readers are native code, or unpack what is packed, are read in a process of their own: PDF and Word.

A file that crashes its reader, fills the memory or takes for ever costs that file, and nothing else. The process reads paths and
answers with what is in them, a line of JSON each.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bicross.data.extracted import Extracted
from bicross.data.lines import Malformed

SECONDS = 300.0  # for one file
MEMORY = 8 * 2**30  # bytes that the process may have
LARGEST = 1 << 30  # bytes of a file
_COMMAND = (sys.executable, "-P", "-m", "bicross.data.apart")


def _pdf(path: Path) -> Extracted:
    from bicross.data.pdf_text import read

    return read(path)


def _docx(path: Path) -> Extracted:
    from bicross.data.docx import read

    return read(path)


READERS: dict[str, Callable[[Path], Extracted]] = {".pdf": _pdf, ".docx": _docx}
"""Suffix -> what reads such a file."""


class Apart:
    """The process, begun when first needed and again after a file that ended it."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path) -> Extracted:
        """What the reader for the path's suffix makes of it.

        Raises:
            Malformed: as the reader, or the file was too much for it. OSError: it cannot be read.
        """
        size = path.stat().st_size
        if size > LARGEST:
            raise Malformed(f"{size / 2**30:.1f} GB, at most {LARGEST >> 30} GB are read; split the document")
        process = self._running()
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(os.fsencode(path).hex()).encode() + b"\n")
            process.stdin.flush()
        line = self._answer(process)
        if line is None:
            self.close()
            raise Malformed(f"reading it took longer than {self._seconds:.0f} s; split the document, or save it again")
        if not line.endswith(b"\n"):
            self.close()
            raise Malformed("its reader crashed, or needed too much memory: it is damaged or made to do harm; save it again")
        told: dict[str, Any] = json.loads(line)
        if "errno" in told:
            raise OSError(told["errno"], told["reason"], str(path))
        if "reason" in told:
            raise Malformed(told["reason"])
        return Extracted(told["title"], told["text"], told["meta"], tuple(told["lost"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - no shell, nothing of the user's
        return self._process

    def _answer(self, process: subprocess.Popen[bytes]) -> bytes | None:
        """The line that came, short of its end where the process ended; None where the time is over."""
        assert process.stdout is not None
        deadline, found = time.monotonic() + self._seconds, bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while not found.endswith(b"\n"):
                if not ready.select(max(0.0, deadline - time.monotonic())):
                    return None
                if not (part := os.read(process.stdout.fileno(), 1 << 20)):
                    break
                found += part
        return bytes(found)


def serve() -> None:
    """Read one file after the other until nobody asks."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    with suppress(ImportError, ValueError, OSError):  # not every system can limit it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin.buffer:
        path = Path(os.fsdecode(bytes.fromhex(json.loads(line))))
        answers.write(json.dumps(_told(path)).encode() + b"\n")
        answers.flush()


def _told(path: Path) -> dict[str, Any]:
    try:
        return asdict(READERS[path.suffix.lower()](path))
    except Malformed as error:
        return {"reason": str(error)}
    except OSError as error:
        return {"errno": error.errno or 0, "reason": error.strerror or str(error)}
    except MemoryError:
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - a file that its reader did not foresee costs that file alone
        return {"reason": f"its reader failed ({type(error).__name__}: {str(error)[:200]}); save it again"}


if __name__ == "__main__":
    serve()
