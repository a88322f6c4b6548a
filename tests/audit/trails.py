"""Trails whose documents are real: packs and assessments that have the digests which the facts cite."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eucora.audit.export import ExportFilter, export_to
from eucora.domain import commands as c
from eucora.domain import facts as f
from eucora.domain import messages as m
from eucora.domain.approval import Conditions, tier
from eucora.domain.plan import RolloutPlan
from eucora.domain.risk import Basis, FactorInput, assess
from eucora.domain.vocabulary import CabDecision, Role
from eucora.evidence.canonical import digest
from eucora.evidence.pack import RELEASE_SECTIONS
from eucora.policy.documents import shipped_document
from eucora.policy.risk_models import shipped_risk_models
from eucora.ports.packs import PackDocument
from eucora.store.engine import Database
from eucora.store.event_queries import append_event
from eucora.store.packs import PostgresAssessments, PostgresPacks
from eucora.store.record import PostgresRecord
from models.messages.codec import assessment_to_json
from tests.domain.world import SIZES, World
from tests.store.histories import batches, plan_of, settled, to_review

__all__ = ["Trail", "export_of", "fill", "reviewed", "rolled_back", "simple"]

RUBRIC = {
    "privilege_impact": "service_elevated_runtime",
    "supply_chain_trust": "signed_known_vendor_provenance",
    "exploitability": "user_listener_non_privileged",
    "data_access": "read_user_documents_desktop",
    "sbom_vulnerability": "no_high_critical",
    "operational_complexity": "requires_reboot_user_initiated",
}


@dataclass
class Trail(World):
    """A world that seals real packs and scores with the real engine."""

    packs: list[PackDocument] = field(default_factory=list)
    assessments: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _do(self, command: c.Command) -> bool:
        match command:
            case c.SealEvidence():
                pack = self._pack(1)
                self.apply(
                    f.EvidenceSealed(
                        at=self.now, pack_digest=pack.pack_digest, release_digest=pack.release_digest, version=1
                    )
                )
            case c.ResealEvidence(checkpoint=checkpoint):
                pack = self._pack(len(self.packs) + 1)
                self.apply(
                    f.EvidenceResealed(
                        at=self.now,
                        checkpoint=checkpoint,
                        pack_digest=pack.pack_digest,
                        release_digest=pack.release_digest,
                        version=pack.version,
                    )
                )
            case c.Assess():
                self.apply(self._assess())
            case _:
                return super()._do(command)
        return True

    def _pack(self, version: int) -> PackDocument:
        pack = pack_of(self.plan, version)
        self.packs.append(pack)
        return pack

    def _assess(self) -> f.RiskAssessed:
        level = "service_elevated_runtime" if self.score > 50 else "user_context_no_elevation"
        inputs = [
            FactorInput(key=key, basis=Basis.MEASURED, rubric_key=row, evidence_reference="pack")
            for key, row in {**RUBRIC, "privilege_impact": level}.items()
        ]
        inputs.append(FactorInput(key="blast_radius", basis=Basis.MEASURED, number=6560, evidence_reference="cohorts"))
        inputs.append(
            FactorInput(key="history", basis=Basis.MEASURED, number=97, out_of=100, evidence_reference="record")
        )
        assessment = assess(shipped_risk_models()["v1.0"], inputs, submitter=self.plan.requester)
        document = assessment_to_json(assessment)
        identity = digest(document)
        self.assessments[identity] = document
        return f.RiskAssessed(
            at=self.now,
            score=assessment.score,
            raw_score=assessment.raw_score,
            model=assessment.model_id,
            model_version=assessment.model_version,
            model_digest=digest(shipped_document("risk-model-v1.0")),
            inputs_digest=digest(document["inputs"]),
            assessment_digest=identity,
            tier=tier(assessment.score, self.plan.blast_radius_class, always_cab=self.plan.always_cab),
            cohorts=(),
            devices=6560,
        )


def pack_of(plan: RolloutPlan, version: int) -> PackDocument:
    """A version of the pack of a plan."""
    sections: dict[str, Any] = {name: {"of": plan.deployment_id} for name in RELEASE_SECTIONS}
    document = {**sections, "test_evidence": {"versions": version}}
    return PackDocument(
        pack_id=f"pack-{plan.deployment_id}",
        version=version,
        pack_digest=digest(document),
        release_digest=digest(sections),
        author=plan.author,
        scope=plan.scope,
        document=document,
    )


def sealed_plan(number: int, **options: Any) -> RolloutPlan:
    """A plan that names the pack it was submitted with."""
    plan = plan_of(number, **options)
    return replace(plan, pack_digest=pack_of(plan, 1).pack_digest)


def simple(number: int = 1) -> Trail:
    """Automated, two rings, to its end."""
    trail = Trail(plan=sealed_plan(number))
    trail.run()
    return trail


def reviewed(number: int = 1) -> Trail:
    """Both reviews, a condition, refused votes, a hold; two planes, five rings."""
    plan = replace(sealed_plan(number, planes=("sim-windows", "sim-mac"), rings=5), always_cab=True)
    trail = Trail(plan=plan, score=60)
    to_review(trail)
    trail.vote("pia-publisher", CabDecision.APPROVED)
    trail.say(m.HoldRollout(why="a moment"), "olga-ops", Role.ENDPOINT_OPS)
    trail.vote("carl-cab", CabDecision.CONDITIONAL, conditions=Conditions(min_success_rate=97.5))
    settled(trail)
    trail.say(m.ReleaseRollout(why="go on"), "olga-ops", Role.ENDPOINT_OPS)
    to_review(trail)
    trail.vote("cora-cab", CabDecision.APPROVED)
    trail.run()
    return trail


def rolled_back(number: int = 1) -> Trail:
    """A breach in CANARY."""
    trail = Trail(
        plan=sealed_plan(number, rings=3),
        outcome=lambda ring, _: (SIZES[ring] - 5, 5) if ring == "CANARY" else (SIZES[ring], 0),
    )
    trail.run()
    return trail


async def fill(database: Database, *trails: Trail) -> None:
    """Store trails with their documents, and two events of the ``security`` stream."""
    record = PostgresRecord(database)
    for trail in trails:
        for pack in trail.packs:
            await PostgresPacks(database).store(pack)
        for identity, document in trail.assessments.items():
            await PostgresAssessments(database).store(identity, document)
        for part in batches(tuple(trail.facts), 4):
            await record.append(part)
    for number in range(2):
        async with database.unit_of_work() as session:
            await append_event(
                session,
                "security",
                type="ACCESS_DENIED",
                actor="zoe-stranger",
                role="none",
                at=datetime(2026, 1, 5, number, tzinfo=UTC),
                payload={"why": "no role", "attempt": number},
            )


async def export_of(database: Database, path: Path, wanted: ExportFilter | None = None) -> list[bytes]:
    """The lines of an export file."""
    async with database.unit_of_work() as session:
        await export_to(path, session, wanted)
    return (await asyncio.to_thread(path.read_bytes)).splitlines(keepends=True)
