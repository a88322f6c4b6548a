"""The API's own description: the OpenAPI document, and a page made from it that loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from api.documentation import documentation_page

router = APIRouter(tags=["schema"])


@router.get("/schema", summary="This API as an OpenAPI document", response_class=JSONResponse)
async def schema(request: Request) -> dict[str, Any]:
    described: dict[str, Any] = request.app.openapi()
    return described


@router.get("/docs", summary="This API as a page for people", response_class=HTMLResponse)
async def docs(request: Request) -> str:
    return documentation_page(request.app.openapi())
