"""From a manifest to an evidence pack and a deployment: files are hashed and uploaded, the rest is said once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eucora.cli.client import ApiClient
from eucora.cli.manifest import LoadedManifest, MalwarePart
from models.wire.deployments import Submission
from models.wire.evidence import PackView

__all__ = ["create_pack", "deployment_body", "idempotency_key", "silent", "submit"]

CHUNK: Final = 1024 * 1024
USE: Final = {"users", "criticality", "requires_admin", "tags"}
"""What the manifest says of an application's use: part of the request, not of the evidence."""

Say = Callable[[str], None]


def silent(_sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A file that the API holds now."""

    path: Path
    sha256: str
    size: int


def idempotency_key(loaded: LoadedManifest, *, pack_digest: str, person: str) -> str:
    """The key of submitting this manifest on this pack by this person: repeating the command repeats nothing."""
    parts = (loaded.text, pack_digest, person)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def create_pack(client: ApiClient, loaded: LoadedManifest, *, say: Say = silent) -> PackView:
    """Upload what the manifest names and have the pack sealed; the caller of ``client`` becomes its author.

    Raises :class:`ManifestInvalid` for a file that is missing or is not the one the manifest means, and
    ``ApiRefused`` for what the server finds wrong.
    """
    manifest = loaded.manifest
    wanted = manifest.artifact.sha256
    where = ("artifact", "path")
    artifact = _upload(client, loaded, manifest.artifact.path, where, say=say, kind="artifacts", expected=wanted)
    sbom = _upload(client, loaded, manifest.sbom.path, ("sbom", "path"), say=say)
    scan = _upload(client, loaded, manifest.scan.path, ("scan", "path"), say=say)
    draft = _draft(client, loaded, artifact=artifact, sbom=sbom, scan=scan, say=say)
    _, answer = client.post("/evidence", draft, key=_digest(draft))
    pack = PackView.model_validate(answer)
    say(f"evidence pack {pack.pack_digest} is sealed, version {pack.version}, author {pack.author}")
    return pack


def deployment_body(loaded: LoadedManifest, *, pack_digest: str) -> dict[str, Any]:
    """The body of ``POST deployments``."""
    manifest = loaded.manifest
    body: dict[str, Any] = {
        "evidence_pack": pack_digest,
        "rings": {
            name: {
                "targets": [
                    {"plane": plane, "cohort": _present(cohort.model_dump(mode="json"))}
                    for plane, cohort in planes.items()
                ]
            }
            for name, planes in manifest.rings.items()
        },
        "target_ring": manifest.target_ring,
        "gate_policy": manifest.gate_policy,
        "checkpoints": manifest.checkpoints,
        "scope": _present(manifest.scope.model_dump(mode="json")),
        "application": _present(manifest.application.model_dump(mode="json", include=USE)),
        "risk": dict(manifest.risk),
    }
    if manifest.urgent is not None:
        body |= {"urgent": True, "urgent_justification": manifest.urgent.justification}
    return _present(body)


def submit(client: ApiClient, loaded: LoadedManifest, *, pack_digest: str, key: str) -> Submission:
    """Create the deployment. Repeating it with the same key gives the same answer."""
    _, answer = client.post("/deployments", deployment_body(loaded, pack_digest=pack_digest), key=key)
    return Submission.model_validate(answer)


def _draft(
    client: ApiClient, loaded: LoadedManifest, *, artifact: _Stored, sbom: _Stored, scan: _Stored, say: Say
) -> dict[str, Any]:
    """The draft of the pack (``eucora.evidence.draft.EvidenceDraft``)."""
    manifest = loaded.manifest
    installation = manifest.installation.model_dump(mode="json", exclude_none=True)
    return {
        "application": manifest.application.model_dump(mode="json", exclude=USE),
        "artifact": _present(
            {
                "sha256": artifact.sha256,
                "size": artifact.size,
                "file_name": artifact.path.name,
                "signature": _signature(loaded, manifest.artifact.signature, ("artifact", "signature")),
                "provenance": _provenance(client, loaded, say=say),
            }
        ),
        "sbom": {"kind": manifest.sbom.format, "sha256": sbom.sha256},
        "vulnerability_scan": _present(
            {
                "kind": manifest.scan.format,
                "sha256": scan.sha256,
                "scanned_at": manifest.scan.scanned_at.isoformat() if manifest.scan.scanned_at else None,
                "malware": _malware(manifest.scan.malware),
            }
        ),
        "installation": installation,
        "rollout_plan": _present(
            {
                "planes": list(manifest.planes),
                "target_ring": manifest.target_ring or list(manifest.rings)[-1],
                "notes": manifest.notes,
            }
        ),
        "rollback_plan": _present(
            {
                "strategies": [
                    {"plane": plane, "strategy": strategy.value}
                    for plane, strategy in manifest.rollback.strategies.items()
                ],
                "target_version": manifest.rollback.target_version,
                "steps": list(manifest.rollback.steps),
            }
        ),
        "attestations": dict(manifest.attestations),
        "pre_release_tests": [
            _present(
                {
                    **test.model_dump(mode="json", exclude={"report"}),
                    "report_sha256": _upload(client, loaded, test.report, ("tests", str(index)), say=say).sha256
                    if test.report
                    else None,
                }
            )
            for index, test in enumerate(manifest.tests)
        ],
        "exceptions": list(manifest.exceptions),
    }


def _provenance(client: ApiClient, loaded: LoadedManifest, *, say: Say) -> dict[str, Any]:
    given = loaded.manifest.artifact.provenance
    where = ("artifact", "provenance")
    statement = _upload(client, loaded, given.statement, (*where, "statement"), say=say) if given.statement else None
    return _present(
        {
            "source": given.source,
            "revision": given.revision,
            "statement_sha256": statement.sha256 if statement else None,
            "statement_signature": _signature(loaded, given.statement_signature, (*where, "statement_signature")),
        }
    )


def _malware(part: MalwarePart | None) -> dict[str, Any] | None:
    return None if part is None else part.model_dump(mode="json", exclude_none=True)


def _signature(loaded: LoadedManifest, name: str | None, field: tuple[str, ...]) -> Any:
    """The detached signature in a file that the manifest names."""
    if name is None:
        return None
    path = loaded.file(name, field)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise loaded.invalid(field, f"{path} is not a signature made by `eucora evidence sign`") from None


def _upload(
    client: ApiClient,
    loaded: LoadedManifest,
    name: str,
    field: tuple[str, ...],
    *,
    say: Say,
    kind: str = "documents",
    expected: str | None = None,
) -> _Stored:
    """Upload a file. The API refuses it when it changed after it was hashed here."""
    path = loaded.file(name, field)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and sha256 != expected:
        raise loaded.invalid((field[0], "sha256"), f"{path} has SHA-256 {sha256}")
    answer = client.upload(f"/evidence/{kind}/{sha256}", path)
    say(f"uploaded {path.name}: {answer['size']} bytes, SHA-256 {sha256}")
    return _Stored(path=path, sha256=sha256, size=answer["size"])


def _present(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in values.items() if value is not None}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
