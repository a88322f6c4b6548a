"""A workflow that says which correlation id it and its activities saw; for tests of the interceptor alone."""

from __future__ import annotations

from datetime import timedelta

import structlog
from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from eucora import observability

log = structlog.get_logger(__name__)
SOON = timedelta(seconds=30)


@activity.defn
async def seen(where: str) -> str:
    """Log a line, and return the correlation id that this activity would hand to a vendor."""
    log.info("probe.seen", where=where)
    return observability.correlation_id() or ""


@workflow.defn(name="probe")
class Probe:
    """Calls activities of both kinds, from the run, from an update and after continue-as-new."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._ended = False

    @workflow.run
    async def run(self, runs: int) -> list[str]:
        """Wait to be told, then look from here; ``runs`` more runs follow."""
        await workflow.wait_condition(lambda: self._ended or runs == 0)
        self._found.append(await workflow.execute_activity(seen, "activity", start_to_close_timeout=SOON))
        self._found.append(await workflow.execute_local_activity(seen, "local", start_to_close_timeout=SOON))
        if runs:
            workflow.continue_as_new(runs - 1)
        return self._found

    @workflow.update
    async def look(self) -> str:
        """Look from an update's handler."""
        return await workflow.execute_activity(seen, "update", start_to_close_timeout=SOON)

    @workflow.signal
    def end(self) -> None:
        """Go on."""
        self._ended = True
