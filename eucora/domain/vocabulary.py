"""The words of the domain as closed enumerations (``domain.md`` §1, §5–§9)."""

from __future__ import annotations

from enum import StrEnum


class DeploymentState(StrEnum):
    """States of a deployment (``domain.md`` §1); the transitions are in ``states.py``."""

    PENDING = "PENDING"
    AWAITING_CAB = "AWAITING_CAB"
    APPROVED = "APPROVED"
    DEPLOYING = "DEPLOYING"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    ROLLED_BACK = "ROLLED_BACK"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class ErrorClass(StrEnum):
    """What kind of trouble a fact records (``domain.md`` §8, §12)."""

    NONE = "NONE"
    TRANSIENT = "TRANSIENT"
    PERMANENT = "PERMANENT"
    POLICY_VIOLATION = "POLICY_VIOLATION"


class Role(StrEnum):
    """Roles of people and machines (``domain.md`` §9)."""

    PLATFORM_ADMIN = "platform_admin"
    PACKAGING_ENGINEER = "packaging_engineer"
    PUBLISHER = "publisher"
    CAB_MEMBER = "cab_member"
    SECURITY_REVIEWER = "security_reviewer"
    ENDPOINT_OPS = "endpoint_ops"
    AUDITOR = "auditor"
    CONNECTOR = "connector"
    SYSTEM = "system"


class HoldKind(StrEnum):
    """Why new forward effects wait; each kind is released by its own (``domain.md`` §1)."""

    OPERATOR = "operator"
    INCIDENT = "incident"
    FREEZE = "freeze"
    WINDOW = "window"
    LINE_STOP = "line_stop"
    DEGRADED_PLANE = "degraded_plane"
    NEEDS_PUBLISHER = "needs_publisher"
    REVIEW_LAPSED = "review_lapsed"
    EXCEPTION_ENDED = "exception_ended"


class SiteClass(StrEnum):
    """How well a device's site is connected; sets its time to compliance (``domain.md`` §6)."""

    ONLINE = "online"
    INTERMITTENT = "intermittent"
    AIR_GAPPED = "air_gapped"


class BlastRadiusClass(StrEnum):
    """Blast-radius classes (``domain.md`` §4)."""

    CRITICAL_INFRASTRUCTURE = "CRITICAL_INFRASTRUCTURE"
    BUSINESS_CRITICAL = "BUSINESS_CRITICAL"
    PRODUCTIVITY_TOOLS = "PRODUCTIVITY_TOOLS"
    NON_CRITICAL = "NON_CRITICAL"


class ApprovalTier(StrEnum):
    """Who must say yes (``domain.md`` §4)."""

    AUTOMATED = "automated"
    CAB = "cab"
    CAB_WITH_EXCEPTION = "cab_with_exception"


class CabDecision(StrEnum):
    """What a member of the change advisory board can say (``domain.md`` §4)."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    CONDITIONAL = "CONDITIONAL"


class GateResult(StrEnum):
    """Result of a gate or of one of its checks (``domain.md`` §6)."""

    PASS = "PASS"  # noqa: S105 - a gate's result, not a password
    WAIT = "WAIT"
    BREACH = "BREACH"


class IncidentSeverity(StrEnum):
    """Severity of an incident (``domain.md`` §7)."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class IncidentResolution(StrEnum):
    """How an incident ended (``domain.md`` §7)."""

    ROLLBACK = "ROLLBACK"
    HOTFIX = "HOTFIX"
    MANUAL_REMEDIATION = "MANUAL_REMEDIATION"
    WORKAROUND = "WORKAROUND"


class DeploymentKind(StrEnum):
    """Why the deployment exists (``domain.md`` §1): to bring a version, or to undo a completed one."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"


class Operation(StrEnum):
    """Effects on a plane; part of every idempotency key (``architecture.md`` §3)."""

    PUBLISH = "publish"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    REHEARSE = "rehearse"
    REINSTALL = "reinstall"
    ROLL_BACK = "roll_back"
    RETRY = "retry"


class RollbackStrategy(StrEnum):
    """How a plane undoes an assignment (``domain.md`` §7)."""

    INTUNE_SUPERSEDENCE = "intune_supersedence"
    ASSIGNMENT_REMOVE = "assignment_remove"
    JAMF_VERSION_PINNING = "jamf_version_pinning"
    SCCM_ROLLBACK_PACKAGE = "sccm_rollback_package"
    APT_PINNING = "apt_pinning"
    PLAYBOOK = "playbook"
