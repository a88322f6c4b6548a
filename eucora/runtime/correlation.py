"""One correlation id from the HTTP request to the vendor's call: an interceptor for clients and workers alike.

The client puts the id that is bound to the current task into a header of everything it sends; the workflow keeps the
id of its start and hands it to every activity; the activity binds it, with the deployment's id, to its log lines and
its connector's calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import default

from eucora import observability
from workflows.ids import PREFIX, deployment_id_of

__all__ = ["HEADER", "CorrelationInterceptor"]

HEADER = "eucora-correlation-id"


def _with(headers: Mapping[str, Payload], value: str | None) -> Mapping[str, Payload]:
    if not value:
        return headers
    return {**headers, HEADER: default().payload_converter.to_payload(value)}


def _of(headers: Mapping[str, Payload]) -> str | None:
    payload = headers.get(HEADER)
    return None if payload is None else default().payload_converter.from_payload(payload, str)


class CorrelationInterceptor(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Carries the correlation id; give it to ``Client.connect``, workers made from that client inherit it."""

    def intercept_client(
        self,
        next: temporalio.client.OutboundInterceptor,  # noqa: A002 - the SDK's name
    ) -> temporalio.client.OutboundInterceptor:
        return _Client(next)

    def intercept_activity(
        self,
        next: temporalio.worker.ActivityInboundInterceptor,  # noqa: A002 - the SDK's name
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _Activity(next)

    def workflow_interceptor_class(
        self,
        input: temporalio.worker.WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[temporalio.worker.WorkflowInboundInterceptor]:
        return _WorkflowIn


class _Client(temporalio.client.OutboundInterceptor):
    async def start_workflow(self, input: temporalio.client.StartWorkflowInput) -> Any:  # noqa: A002
        input.headers = _with(input.headers, observability.correlation_id())
        return await super().start_workflow(input)

    async def signal_workflow(self, input: temporalio.client.SignalWorkflowInput) -> None:  # noqa: A002
        input.headers = _with(input.headers, observability.correlation_id())
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: temporalio.client.StartWorkflowUpdateInput) -> Any:  # noqa: A002
        input.headers = _with(input.headers, observability.correlation_id())
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self,
        input: temporalio.client.StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> Any:
        value = observability.correlation_id()
        start, update = input.start_workflow_input, input.update_workflow_input
        start.headers = _with(start.headers, value)
        update.headers = _with(update.headers, value)
        return await super().start_update_with_start_workflow(input)


class _Activity(temporalio.worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:  # noqa: A002
        workflow_id = activity.info().workflow_id or ""
        deployment_id = deployment_id_of(workflow_id) if workflow_id.startswith(PREFIX) else None
        with observability.context(correlation_id=_of(input.headers), deployment_id=deployment_id):
            return await super().execute_activity(input)


class _WorkflowIn(temporalio.worker.WorkflowInboundInterceptor):
    def init(self, outbound: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOut(outbound))


class _WorkflowOut(temporalio.worker.WorkflowOutboundInterceptor):
    def start_activity(self, input: temporalio.worker.StartActivityInput) -> Any:  # noqa: A002
        input.headers = _with(input.headers, _of(workflow.info().headers))
        return super().start_activity(input)

    def start_local_activity(self, input: temporalio.worker.StartLocalActivityInput) -> Any:  # noqa: A002
        input.headers = _with(input.headers, _of(workflow.info().headers))
        return super().start_local_activity(input)

    def continue_as_new(self, input: temporalio.worker.ContinueAsNewInput) -> Any:  # noqa: A002
        input.headers = _with(input.headers, _of(workflow.info().headers))
        return super().continue_as_new(input)
