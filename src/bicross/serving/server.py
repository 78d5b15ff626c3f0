"""The running server: one process that answers, and one that holds the models. Begun by `run`, ended by SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from bicross.collection.store import Collection
from bicross.errors import InputError
from bicross.serving import logs
from bicross.serving.app import create_app
from bicross.serving.keys import MAKING, read
from bicross.serving.origins import loopback
from bicross.serving.patience import CONNECTIONS, PatientProtocol
from bicross.serving.queued import QueuedEngine
from bicross.serving.served import Served
from bicross.serving.supervisor import Supervisor
from bicross.settings import ServeSettings

Announce = Callable[[str, Sequence[str]], None]
"""Called once, with the address and the names of the collections, when requests are taken; models may still be loading then."""
BACKLOG = 1024  # connections that wait to be accepted
KEPT = 75  # seconds that a connection stays open between requests: longer than proxies keep theirs, so that they close first
TOLD, CUT = 0.7, 0.8  # of the time to drain: then what waits is told that the server ends, and then connections are cut
WORKER = 0.2  # of it, that the model process has at the end for the write that it is at
QUIT = 1  # the exit code
log = logging.getLogger(__name__)


def run(collections: Sequence[Path], settings: ServeSettings, announce: Announce) -> None:
    """Serve collections until a signal comes. The address is taken before the models are loaded: until then /readyz says 503.

    SIGTERM or SIGINT ends it: what was begun is finished, within `settings.drain`, and nothing new is taken; a second one quits at once.

    Raises:
        InputError: a folder is no collection, two have the same name, the address cannot be taken, or would let anybody in.
    """
    served = named(collections)
    _check_entrance(settings)
    with _listening(settings) as listener:
        logs.configure(sys.stderr)
        supervisor = Supervisor(served)
        engine = QueuedEngine(supervisor, settings)
        app = create_app(Served(engine, served, settings))
        if settings.keys is not None:
            _tell_of_strangers(settings.keys, served)
        asyncio.run(_Server(app, engine, supervisor, settings, lambda: announce(_url(listener, settings), tuple(served))).all(listener))


def named(collections: Sequence[Path]) -> dict[str, Path]:
    """Name -> folder: a collection is named like its folder.

    Raises:
        InputError: a folder is no collection, or two have the same name.
    """
    served: dict[str, Path] = {}
    for path in collections:
        name = path.resolve().name
        if not Collection.exists(path):
            raise InputError(f"{path} is no collection; expected a folder that `bicross index SOURCE... --into {path}` made.")
        if name in served:
            raise InputError(f"{served[name]} and {path} have the same name, {name!r}; expected each once, and names that differ.")
        served[name] = path
    return served


class _Server(uvicorn.Server):
    """uvicorn, which ends with exit code 0, and tells who waits before it cuts connections."""

    def __init__(
        self, app: FastAPI, engine: QueuedEngine, supervisor: Supervisor, settings: ServeSettings, announce: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=PatientProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,  # `logs` writes one
                proxy_headers=False,  # nobody may say who he is
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEPT,
                timeout_graceful_shutdown=CUT * settings.drain,  # type: ignore[arg-type]  # it is waited for, so that a float is as good
            )
        )
        self._app, self._engine, self._supervisor, self._settings, self._announce = app, engine, supervisor, settings, announce

    async def all(self, listener: socket.socket) -> None:
        """Begin, serve, end."""
        await self._supervisor.start()
        try:
            await self.serve([listener])
        finally:
            await self._supervisor.close(WORKER * self._settings.drain)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; then the address is said."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; in time before connections are cut, what still waits is told why."""
        log.info("the server ends: nothing new is taken, what was begun is finished")
        cutting = asyncio.create_task(self._cut())
        await super().shutdown(sockets)
        cutting.cancel()
        await self._engine.close(0)

    async def _cut(self) -> None:
        await asyncio.sleep(TOLD * self._settings.drain)
        await self._engine.close(0)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's handlers have it
        """The first signal ends the server, the second the process. The model process ends when its pipe does."""
        if self.should_exit:
            os._exit(QUIT)
        self._app.state.draining = self.should_exit = True


def _tell_of_strangers(file: Path, names: Container[str]) -> None:
    """Say in the log which keys are for collections that are not served: most often a name is mistyped."""
    for key in read(file):
        if key.collection is not None and key.collection not in names:
            log.warning("the key %s is for %r, which is not served: it gets 403", key.id, key.collection)


def _check_entrance(settings: ServeSettings) -> None:
    if settings.keys is None and not settings.closed_network and not loopback(settings.host):
        raise InputError(
            f"On {settings.host} other machines could reach the server and do everything, for it has no keys. Make some with "
            f"{MAKING.format('FILE')} and serve with --keys FILE; or say --closed-network, if only those who may do everything can "
            "reach it."
        )


@contextmanager
def _listening(settings: ServeSettings) -> Iterator[socket.socket]:
    """A socket that has its address. Raises InputError where it cannot be had."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(2 * CONNECTIONS, most) if most != resource.RLIM_INFINITY else 2 * CONNECTIONS
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, wanted), most))
    at = f"{settings.host} port {settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InputError(f"{settings.host!r} is no address ({error.strerror}); expected one of this machine, such as 127.0.0.1.") from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(BACKLOG)  # tells whether another process listens
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(f"{at} is in use; end the other program, or choose --port; 0 takes a free one.") from error
            raise InputError(
                f"{at} cannot be taken ({error.strerror}); expected an address of this machine, and a port from 1024."
            ) from error
        yield listener


def _url(listener: socket.socket, settings: ServeSettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"
