"""Evidence for tests: a complete draft about a small artifact, with its documents in a store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eucora.blobs.memory import MemoryBlobStore
from eucora.evidence.assembly import assemble
from eucora.evidence.canonical import sha256_hex
from eucora.evidence.draft import EvidenceDraft
from eucora.evidence.pack import EvidencePack
from eucora.evidence.sections import ExceptionReference, ExceptionType
from eucora.signing.detached import TrustedSigner, TrustedSigners, sign_artifact
from eucora.signing.keys import key_id_of, new_private_key, public_key_base64

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHOR = "pat@example.org"
VENDOR_KEY, SELF_MADE_KEY = new_private_key(), new_private_key()
TRUSTED = TrustedSigners(
    {key_id_of(VENDOR_KEY): TrustedSigner(public_key=public_key_base64(VENDOR_KEY), vendor="Acme")}
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

ARTIFACT = b"the bytes of a wheel"
SBOM: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "components": [{"type": "library", "name": "left-pad", "version": "1", "licenses": [{"license": {"id": "MIT"}}]}],
}


def shared(name: str) -> bytes:
    """The real file ``name`` of the shared test data; skips the test where the data is absent."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"the shared test data is absent: no ../shared/data/{name} beside the repository")
    return path.read_bytes()


def vulnerability(identifier: str = "CVE-2026-0001", severity: str = "LOW", **more: Any) -> dict[str, Any]:
    """One vulnerability as Trivy writes it."""
    return {"VulnerabilityID": identifier, "PkgName": "left-pad", "InstalledVersion": "1", "Severity": severity} | more


def trivy(*vulnerabilities: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A Trivy report about one target."""
    return {
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.60.0"},
        "CreatedAt": "2026-02-28T08:00:00.123456789+01:00",
        "ArtifactName": "wheel",
        "Results": [{"Target": "Python", "Class": "lang-pkgs", "Vulnerabilities": list(vulnerabilities)}],
    } | more


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def vulnerability_exception(*finding_ids: str, identifier: str = "exc-1", days: int = 30) -> ExceptionReference:
    return ExceptionReference(
        id=identifier,
        revision=1,
        type=ExceptionType.VULNERABILITY,
        finding_ids=finding_ids,
        expires_at=NOW + timedelta(days=days),
    )


def unsigned_exception(identifier: str = "exc-unsigned") -> ExceptionReference:
    return ExceptionReference(
        id=identifier, revision=1, type=ExceptionType.UNSIGNED_PACKAGE, expires_at=NOW + timedelta(days=30)
    )


@dataclass
class Case:
    """A draft that is complete and holds, and the store with what it names. Change parts, then ``assemble``."""

    artifact: bytes = ARTIFACT
    sbom: Any = field(default_factory=lambda: SBOM)
    scan: Any = field(default_factory=trivy)
    statement: Any = None
    exceptions: tuple[ExceptionReference, ...] = ()
    blobs: MemoryBlobStore = field(default_factory=MemoryBlobStore)

    @property
    def artifact_sha256(self) -> str:
        return sha256_hex(self.artifact)

    def document(self) -> dict[str, Any]:
        """The draft as a client posts it."""
        return {
            "application": {
                "name": "Left Pad",
                "version": "1.3.0",
                "vendor": "Acme",
                "category": "productivity",
                "support_tier": "tier2",
            },
            "artifact": {
                "sha256": self.artifact_sha256,
                "size": len(self.artifact),
                "file_name": "left_pad-1.3.0-py3-none-any.whl",
                "signature": sign_artifact(VENDOR_KEY, artifact_sha256=self.artifact_sha256).model_dump(),
            },
            "sbom": {"kind": "cyclonedx", "sha256": sha256_hex(as_bytes(self.sbom))},
            "vulnerability_scan": {"kind": "trivy", "sha256": sha256_hex(as_bytes(self.scan))},
            "installation": {
                "install_command": "pip install left-pad",
                "uninstall_command": "pip uninstall --yes left-pad",
                "detection": {"command": "left-pad --version", "expect": "1.3.0"},
                "reboot": "none",
            },
            "rollout_plan": {"planes": ["ansible"], "target_ring": "GLOBAL"},
            "rollback_plan": {
                "strategies": [{"plane": "ansible", "strategy": "playbook"}],
                "target_version": "1.2.0",
                "steps": ["install 1.2.0"],
            },
            "exceptions": [exception.id for exception in self.exceptions],
        }

    async def assemble(self, document: dict[str, Any] | None = None) -> EvidencePack:
        for data in (self.artifact, self.sbom, self.scan, self.statement):
            if data is not None:
                await self.blobs.put_bytes(as_bytes(data))
        return await assemble(
            EvidenceDraft.model_validate(document or self.document()),
            self.blobs,
            verifier=TRUSTED,
            exceptions={exception.id: exception for exception in self.exceptions},
            author=AUTHOR,
            sealed_at=NOW,
        )
