"""Connecting to Temporal: the standard profile (``TEMPORAL_ADDRESS`` and its kin), our converter, our interceptor."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from eucora.runtime.correlation import CorrelationInterceptor

__all__ = ["DATA_CONVERTER", "connect"]

DATA_CONVERTER = pydantic_data_converter
"""The one converter of clients, workers and replay."""


async def connect(*, lazy: bool = False, runtime: Runtime | None = None) -> Client:
    """Connect by the SDK's own environment profile. ``lazy`` returns at once and connects with the first call."""
    return await Client.connect(
        **ClientConfig.load_client_connect_config(),
        data_converter=DATA_CONVERTER,
        interceptors=[CorrelationInterceptor()],
        lazy=lazy,
        runtime=runtime,
    )
