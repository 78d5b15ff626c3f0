"""Whether the server lives, and whether it can answer: for Kubernetes, for clients of TEI, and for SageMaker."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from bicross.serving.served import served

router = APIRouter(include_in_schema=False)
READY, DRAINING, LOADING = "ready", "draining", "loading"


def state(request: Request) -> str:
    """`ready`; `draining`, once whoever runs the server has set `app.state.draining`; or `loading`, until models and indexes are there."""
    if request.app.state.draining:
        return DRAINING
    return READY if served(request).engine.ready else LOADING


@router.get("/livez")
async def livez() -> dict[str, str]:
    """200 as long as this process answers."""
    return {"status": "alive"}


@router.get("/readyz")
@router.get("/healthz")
async def readyz(request: Request) -> JSONResponse:
    """200 when requests are answered, else 503; which state it is."""
    found = state(request)
    return JSONResponse({"status": found}, 200 if found == READY else 503, _wait(found))


@router.get("/health")
@router.get("/ping")
async def health(request: Request) -> Response:
    """As `/readyz`, without a word: how TEI and SageMaker have it."""
    found = state(request)
    return Response(None, 200 if found == READY else 503, _wait(found))


def _wait(found: str) -> dict[str, str]:
    return {} if found == READY else {"Retry-After": "1"}
