"""The local stack: everything `eucora up`, `eucora demo` and the tests run on one machine, without Docker.

    with Stack(root) as stack:
        info = stack.start(print)
        stack.kill("worker")
        stack.restart("worker")

Another process finds a running stack with ``StackInfo.of_running(root)``.
"""

from eucora.stack.errors import AlreadyRunning, NotInstalled, ServiceFailed, StackError
from eucora.stack.postgres import Postgres, locate_postgres
from eucora.stack.services import FleetPlan
from eucora.stack.state import Folder, StackInfo
from eucora.stack.supervisor import SERVICES, Progress, Stack
from eucora.stack.temporal import SEARCH_ATTRIBUTES, locate_temporal

__all__ = [
    "SEARCH_ATTRIBUTES",
    "SERVICES",
    "AlreadyRunning",
    "FleetPlan",
    "Folder",
    "NotInstalled",
    "Postgres",
    "Progress",
    "ServiceFailed",
    "Stack",
    "StackError",
    "StackInfo",
    "locate_postgres",
    "locate_temporal",
]
