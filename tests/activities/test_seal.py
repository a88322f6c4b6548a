"""Evidence: checked again before the rollout, sealed anew before a review; never another release."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from eucora.domain.gates import Check, ClassFigures, Evaluation, Figures
from eucora.domain.plan import RolloutPlan
from eucora.domain.state import PlaneRun, Rehearsal, RingRun
from eucora.domain.vocabulary import GateResult, SiteClass
from eucora.evidence.canonical import canonical_json
from eucora.evidence.findings import MalwareResult
from eucora.evidence.pack import EvidencePack, read_pack
from models.messages import activities as a
from tests.activities.conftest import PLANE, Site
from tests.domain.builders import KEY, START, membership
from tests.evidence.builders import ARTIFACT, Case, trivy, vulnerability

NOON = START + timedelta(hours=3)


async def sealed(site: Site, case: Case, pack: EvidencePack) -> RolloutPlan:
    """Another pack, stored with its blobs where this site's activities find them; returns the plan for it."""
    for data in (case.artifact,):
        await site.case.blobs.put_bytes(data)
    await site.packs.store(
        dataclasses.replace(
            await site.packs.load(site.plan.pack_digest),
            pack_id=f"pack-of-{site.plan.deployment_id}",
            pack_digest=pack.pack_digest,
            release_digest=pack.release_digest,
            document=pack.model_dump(mode="json", exclude_none=True),
        )
    )
    return dataclasses.replace(site.plan, pack_digest=pack.pack_digest, artifact_sha256=pack.artifact.sha256)


class TestSeal:
    async def test_an_evidence_pack_that_holds_is_sealed(self, site: Site) -> None:
        found = await site.run(site.governance.seal_evidence, a.SealEvidence(plan=site.plan, trusted_keys=(KEY,)))
        assert found == a.Sealed(pack_digest=site.pack.pack_digest, release_digest=site.pack.release_digest, version=1)

    async def test_what_the_api_never_accepted_is_refused(self, site: Site) -> None:
        for change in ({"deployment_id": "d-typed-in"}, {"requester": "mallory"}, {"quorum": 0}, {"always_cab": True}):
            plan = dataclasses.replace(site.plan, **change)
            failure = await site.failure(site.governance.seal_evidence, a.SealEvidence(plan=plan, trusted_keys=(KEY,)))
            assert (failure.type, failure.non_retryable) == ("not_submitted", True)
        stranger = dataclasses.replace(KEY, key_id="k2")
        request = a.SealEvidence(plan=site.plan, trusted_keys=(KEY, stranger))
        assert (await site.failure(site.governance.seal_evidence, request)).type == "not_submitted"

    async def test_a_pack_that_does_not_exist_is_named(self, site: Site) -> None:
        plan = dataclasses.replace(site.plan, pack_digest="0" * 64)
        failure = await site.failure(site.governance.seal_evidence, await site.submitted(plan))
        assert (failure.type, failure.non_retryable) == ("pack_not_found", True)
        assert failure.details[0]["field"] == "pack_digest"

    @pytest.mark.parametrize(("severity", "code"), [("CRITICAL", "critical_finding"), ("HIGH", "high_finding")])
    async def test_a_finding_without_an_exception_blocks(self, site: Site, severity: str, code: str) -> None:
        case = Case(scan=trivy(vulnerability(severity=severity)))
        plan = await sealed(site, case, await case.assemble())
        failure = await site.failure(site.governance.seal_evidence, await site.submitted(plan))
        assert (failure.type, failure.non_retryable) == (code, True)
        assert failure.details[0]["field"] == "vulnerability_scan.blocking"
        assert "CVE-2026-0001" in failure.message

    async def test_an_unsigned_artifact_blocks(self, site: Site) -> None:
        case = Case()
        document = case.document()
        del document["artifact"]["signature"]
        plan = await sealed(site, case, await case.assemble(document))
        failure = await site.failure(site.governance.seal_evidence, await site.submitted(plan))
        assert (failure.type, failure.details[0]["field"]) == ("artifact_unsigned", "artifact.signing")

    async def test_malware_blocks(self, site: Site) -> None:
        case = Case()
        document = case.document()
        document["vulnerability_scan"]["malware"] = {
            "result": MalwareResult.DETECTED.value,
            "scanner": "clamav 1.4",
            "scanned_at": "2026-02-28T08:00:00Z",
        }
        plan = await sealed(site, case, await case.assemble(document))
        failure = await site.failure(site.governance.seal_evidence, await site.submitted(plan))
        assert (failure.type, failure.details[0]["field"]) == ("malware_detected", "vulnerability_scan.malware")

    async def test_a_plan_of_another_artifact_is_refused(self, site: Site) -> None:
        plan = dataclasses.replace(site.plan, artifact_sha256="f" * 64)
        failure = await site.failure(site.governance.seal_evidence, await site.submitted(plan))
        assert (failure.type, failure.non_retryable) == ("artifact_differs", True)
        assert failure.details[0]["field"] == "artifact.sha256"

    async def test_an_artifact_whose_bytes_changed_is_refused(self, site: Site) -> None:
        site.case.blobs.damage(site.pack.artifact.sha256, ARTIFACT.replace(b"wheel", b"worm!"))
        failure = await site.failure(site.governance.seal_evidence, await site.submitted(site.plan))
        assert (failure.type, failure.non_retryable) == ("blob_corrupt", True)

    async def test_an_artifact_that_is_gone_is_refused(self, site: Site) -> None:
        fresh = Site(site.database, Case(), site.pack)
        await fresh.begin()
        failure = await fresh.failure(fresh.governance.seal_evidence, await fresh.submitted(fresh.plan))
        assert (failure.type, failure.non_retryable) == ("blob_not_found", True)

    async def test_a_pack_that_was_changed_in_the_database_is_refused(
        self, site: Site, owner: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        case = Case(artifact=b"the bytes of another wheel")
        plan = await sealed(site, case, await case.assemble())
        owner.execute("ALTER TABLE evidence_pack DISABLE TRIGGER ALL")
        changed = owner.execute(
            "UPDATE evidence_pack SET document = replace(document::text, 'Left Pad', 'Left Pod')::json"
            " WHERE pack_digest = %s",
            [plan.pack_digest],
        )
        assert changed.rowcount == 1
        failure = await site.failure(site.governance.seal_evidence, await site.submitted(plan))
        assert (failure.type, failure.non_retryable) == ("evidence_tampered", True)


@pytest.fixture
def owner(module_owner_database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(module_owner_database_url, autocommit=True) as connection:
        yield connection


def lab(*, rehearsed: bool = True, gated: bool = True) -> RingRun:
    """LAB as it stands at its gate: 9 of 10 devices, one of them gone silent."""
    figures = Figures(classes=(ClassFigures(site_class=SiteClass.ONLINE, targeted=10, succeeded=9, failed=1),))
    check = Check(name="success_rate", threshold=">= 90 %", actual="9/10", result=GateResult.PASS, sentence="9 of 10")
    rehearsal = Rehearsal(device="dev-1", succeeded=True, sentence="rolled back, verified, installed again", at=NOON)
    return RingRun(
        name="LAB",
        order=0,
        frozen_at=START,
        planes=(
            PlaneRun(
                plane=PLANE,
                membership=membership(PLANE, 10),
                figures=figures,
                rehearsal=rehearsal if rehearsed else None,
            ),
        ),
        gate=Evaluation(result=GateResult.PASS, checks=(check,)) if gated else None,
        gate_at=NOON if gated else None,
    )


def reseal(site: Site, *rings: RingRun, **changes: object) -> a.ResealEvidence:
    values: dict[str, object] = {
        "deployment_id": site.plan.deployment_id,
        "pack_digest": site.plan.pack_digest,
        "checkpoint": 1,
        "artifact_sha256": site.plan.artifact_sha256,
        "rings": rings,
        "sealed_at": NOON,
    }
    return a.ResealEvidence.model_validate(values | changes)


async def stored(site: Site, pack_digest: str) -> EvidencePack:
    document = (await site.packs.load(pack_digest)).document
    return read_pack(canonical_json(document), expected_digest=pack_digest)


class TestReseal:
    async def test_the_next_version_holds_what_the_rings_came_to_and_is_the_same_release(self, site: Site) -> None:
        found = await site.run(site.governance.reseal_evidence, reseal(site, lab()))
        assert (found.version, found.release_digest) == (2, site.pack.release_digest)
        assert found.pack_digest != site.pack.pack_digest
        pack = await stored(site, found.pack_digest)
        assert pack.metadata.previous_pack_digest == site.pack.pack_digest
        (result,) = pack.test_evidence.ring_results
        assert (result.ring, result.targeted, result.succeeded, result.failed, result.unknown) == ("LAB", 10, 9, 1, 0)
        (rehearsal,) = pack.test_evidence.rehearsals
        assert (rehearsal.plane, rehearsal.device, rehearsal.succeeded) == (PLANE, "dev-1", True)
        unchanged = {"test_evidence", "metadata"}
        assert pack.model_dump(exclude=unchanged) == site.pack.model_dump(exclude=unchanged)
        assert pack.metadata.author == site.pack.metadata.author

    async def test_the_same_request_again_seals_the_same_version(self, site: Site) -> None:
        first = await site.run(site.governance.reseal_evidence, reseal(site, lab()))
        assert await site.run(site.governance.reseal_evidence, reseal(site, lab())) == first

    async def test_what_is_in_the_pack_already_is_not_appended_again(self, site: Site) -> None:
        first = await site.run(site.governance.reseal_evidence, reseal(site, lab()))
        request = reseal(site, lab(), pack_digest=first.pack_digest, checkpoint=2, sealed_at=NOON + timedelta(days=1))
        second = await site.run(site.governance.reseal_evidence, request)
        pack = await stored(site, second.pack_digest)
        assert (second.version, pack.metadata.previous_pack_digest) == (3, first.pack_digest)
        assert len(pack.test_evidence.ring_results) == len(pack.test_evidence.rehearsals) == 1

    async def test_a_ring_without_a_gate_or_a_rehearsal_adds_none(self, site: Site) -> None:
        found = await site.run(site.governance.reseal_evidence, reseal(site, lab(rehearsed=False, gated=False)))
        evidence = (await stored(site, found.pack_digest)).test_evidence
        assert (evidence.ring_results, evidence.rehearsals) == ((), ())

    async def test_two_deployments_of_one_pack_each_append_what_they_learned(self, site: Site) -> None:
        """A release rejected once is submitted again with the same pack: its next version must not clash."""
        first = await site.run(site.governance.reseal_evidence, reseal(site, lab()))
        again = reseal(site, lab(), deployment_id=f"{site.plan.deployment_id}-2", sealed_at=NOON + timedelta(days=7))
        second = await site.run(site.governance.reseal_evidence, again)
        assert first.version == second.version == 2
        assert first.release_digest == second.release_digest
        assert first.pack_digest != second.pack_digest
        assert (await stored(site, first.pack_digest)).metadata.sealed_at == NOON
