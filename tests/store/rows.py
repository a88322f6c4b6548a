"""What stands in the database, as plain dictionaries."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

__all__ = ["projected", "stored"]

PROJECTION = {
    "deployment": "id",
    "ring_run": "deployment_id, ring_order",
    "plane_run": "deployment_id, ring_order, plane",
    "hold": "deployment_id, kind, reference",
    "cab_request": "id",
    "cab_vote": "deployment_id, sequence",
}


def stored(connection: psycopg.Connection[Any], stream: str) -> list[dict[str, Any]]:
    """The events of a stream, in order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM event WHERE stream = %s ORDER BY sequence", [stream]).fetchall()


def projected(connection: psycopg.Connection[Any]) -> dict[str, list[dict[str, Any]]]:
    """Every row of the projection, by table."""
    rows = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for table, order in PROJECTION.items():
            query = sql.SQL("SELECT * FROM {} ORDER BY {}").format(sql.Identifier(table), sql.SQL(order))
            rows[table] = cursor.execute(query).fetchall()
    return rows
