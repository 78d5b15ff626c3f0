"""The HTTP application: the routes of every contract behind one guard."""

from __future__ import annotations

from fastapi import FastAPI

from bicross import __version__
from bicross.serving import mcp
from bicross.serving.served import Served


def create_app(parts: Served) -> FastAPI:
    """An application that answers from `parts`."""
    app = FastAPI(title="Bicross", version=__version__, docs_url=None, redoc_url=None)
    app.state.served = parts
    mcp.mount(app, parts)
    return app
