"""The HTTP application: the routes of every contract behind one guard."""

from __future__ import annotations

from fastapi import FastAPI

from bicross import __version__
from bicross.serving import handlers, health, mcp, metrics, tracing
from bicross.serving.bodies import Bodies
from bicross.serving.contracts import cohere, native, openai, sagemaker, tei
from bicross.serving.guard import Guard
from bicross.serving.keys import Keys
from bicross.serving.served import Served
from bicross.serving.sessions import Sessions
from bicross.serving.web import pages, shell


def create_app(parts: Served) -> FastAPI:
    """An application that answers from `parts`. Its `state` has `served`, `keys` (None: all may do all), `sessions`, and `draining`, which
    whoever runs it sets when the server ends.

    Raises:
        InputError: the file of keys cannot be read.
    """
    app = FastAPI(title="Bicross", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=tracing.settings())
    keys = None if parts.settings.keys is None else Keys(parts.settings.keys)
    sessions = Sessions(secure=parts.settings.behind_https)
    app.state.served, app.state.keys, app.state.sessions, app.state.draining = parts, keys, sessions, False
    app.add_middleware(Guard, parts=parts, keys=keys, sessions=sessions, bodies=Bodies())
    handlers.install(app, shell.told)
    app.include_router(health.router)
    app.include_router(metrics.router)
    for contract in (native, cohere, openai, tei, sagemaker):
        app.include_router(contract.router)
    app.include_router(pages.router)
    mcp.mount(app, parts)
    return app
