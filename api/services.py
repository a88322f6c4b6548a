"""What one process of the API holds: made once in the lifespan, handed to routes through ``deps.py``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request

from api.plan_policy import plan_policy
from api.security_log import SecurityLog
from api.temporal_gateway import TemporalGateway
from eucora.blobs import open_store
from eucora.connectors.registry import configured_planes
from eucora.domain.planning import PlanPolicy
from eucora.identity.development import DevelopmentIdentity
from eucora.identity.entra import EntraIdentity
from eucora.identity.provider import build_identity
from eucora.observability import Metrics
from eucora.ports.blobs import BlobStore
from eucora.ports.signer import ArtifactVerifier
from eucora.settings import Settings
from eucora.signing.detached import TrustedSigners
from eucora.signing.keys import load_private_key
from eucora.store.engine import Database
