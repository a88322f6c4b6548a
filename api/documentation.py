"""The documentation page: one HTML page made from the OpenAPI document, without scripts and without anything from
elsewhere.

Installations without a way to the Internet read it too, and the browser needs to trust nobody but us.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from models.wire.problems import PROBLEM_MEDIA_TYPE

__all__ = ["describe", "documentation_page"]

_METHODS = ("get", "post", "put", "patch", "delete")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{background:#f4f4f4;padding:.75rem;overflow:auto}
summary{cursor:pointer;padding:.4rem 0}h2{margin-top:2rem;border-bottom:1px solid #ddd}
.method{display:inline-block;min-width:4rem;font-weight:600}table{border-collapse:collapse}
td,th{border:1px solid #ddd;padding:.25rem .5rem;text-align:left;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#eee;background:#151515}pre{background:#222}td,th,h2{border-color:#444}}
"""


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of ``app``; errors are described with the media type that they have."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for _, _, operation in _operations(schema):
            for status, response in operation["responses"].items():
                if status[0] in "45" and "application/json" in response.get("content", {}):
                    response["content"] = {PROBLEM_MEDIA_TYPE: response["content"]["application/json"]}
        app.openapi_schema = schema
    return app.openapi_schema


def documentation_page(schema: dict[str, Any]) -> str:
    """The page for ``schema``, an OpenAPI 3.1 document."""
    info = schema["info"]
    groups: dict[str, list[str]] = {}
    for path, method, operation in _operations(schema):
        groups.setdefault(operation.get("tags", ["other"])[0], []).append(_operation(path, method, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    shapes = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(shape)}</details>'
        for name, shape in sorted(schema.get("components", {}).get("schemas", {}).items())
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info.get('description', ''))}</p>"
        f"{sections}<h2>Shapes</h2>{shapes}</body></html>"
    )


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    summary = escape(operation.get("summary", ""))
    title = f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code> {summary}'
    parts = []
    if roles := operation.get("x-roles"):
        parts.append(f"<p>Roles: {escape(', '.join(roles))}</p>")
    if parameters := operation.get("parameters"):
        rows = "".join(_parameter(parameter) for parameter in parameters)
        parts.append(f"<table><tr><th>parameter</th><th>in</th><th></th><th>form</th></tr>{rows}</table>")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body, <code>{escape(media)}</code>:</p>{_json(content.get('schema', {}))}")
    for status, response in operation.get("responses", {}).items():
        parts.append(f"<p><b>{escape(status)}</b> {escape(response.get('description', ''))}</p>")
        parts.extend(_json(content.get("schema", {})) for content in response.get("content", {}).values())
    return f"<details><summary>{title}</summary>{''.join(parts)}</details>"


def _parameter(parameter: dict[str, Any]) -> str:
    need = "required" if parameter.get("required") else ""
    shape = escape(json.dumps(parameter.get("schema", {}), ensure_ascii=False))
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td><td>{need}</td>"
        f"<td><code>{shape}</code></td></tr>"
    )


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
