"""An execution plane of Ansible: real playbooks by ansible-runner, against any inventory that Ansible reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eucora.connectors.ansible.plane import AnsiblePlane

__all__ = ["build"]


def build(plane: str, environment: Mapping[str, str]) -> AnsiblePlane:
    """Build the plane from the environment's variables, with no I/O. Raises ``MissingSetting``."""
    from eucora.connectors.ansible.plane import AnsiblePlane  # noqa: PLC0415 - a job's process starts without it
    from eucora.connectors.ansible.settings import AnsibleSettings  # noqa: PLC0415 - see above

    return AnsiblePlane(AnsibleSettings.for_plane(plane, environment))
