"""Connecting to Temporal: the standard profile (``TEMPORAL_ADDRESS`` and its kin), our converter, our interceptor."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from eucora.domain.errors import Unavailable
from eucora.runtime.correlation import CorrelationInterceptor
from eucora.settings import MissingSetting

__all__ = ["DATA_CONVERTER", "connect"]

DATA_CONVERTER = pydantic_data_converter
"""The one converter of clients, workers and replay."""
RETRY_AFTER = timedelta(seconds=2)


async def connect(*, lazy: bool = False, runtime: Runtime | None = None) -> Client:
    """Connect by the SDK's own environment profile. ``lazy`` returns at once and connects with the first call.

    Raises ``MissingSetting`` when no profile names an address, ``Unavailable`` when Temporal does not answer there.
    """
    profile = ClientConfig.load_client_connect_config()
    address = profile.get("target_host")
    if not address:
        raise MissingSetting("TEMPORAL_ADDRESS is not set: it is where Temporal's frontend listens, HOST:PORT")
    try:
        return await Client.connect(
            **profile,
            data_converter=DATA_CONVERTER,
            interceptors=[CorrelationInterceptor()],
            lazy=lazy,
            runtime=runtime,
        )
    except RuntimeError as error:
        sentence = f"Temporal does not answer at {address}; start it, or set TEMPORAL_ADDRESS"
        raise Unavailable(sentence, retry_after=RETRY_AFTER, code="temporal_unavailable") from error
