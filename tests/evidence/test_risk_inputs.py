"""What a pack says to the risk engine is measured, and fits the engine."""

import pytest

from eucora.domain.risk.evidence import Provenance, RiskEvidence, Signing, inputs_from_evidence
from eucora.evidence.findings import Severity
from eucora.evidence.pack import with_test_evidence
from eucora.evidence.risk_inputs import risk_evidence
from eucora.evidence.sections import Rehearsal, TestEvidence
from tests.evidence.builders import NOW, Case, trivy, vulnerability, vulnerability_exception


async def rows(case: Case) -> dict[str, str | None]:
    """The rubric rows that the engine's own reading of the values gives."""
    read = risk_evidence(await case.assemble())
    evidence = RiskEvidence(
        supply_chain=read.supply_chain, vulnerabilities=read.vulnerabilities, cohort=None, history=None
    )
    return {entry.key: entry.rubric_key for entry in inputs_from_evidence(evidence)}


@pytest.mark.parametrize(
    ("severities", "named", "row"),
    [
        ([], [], "no_high_critical"),
        (["LOW", "MEDIUM"], [], "low_medium_only"),
        (["UNKNOWN"], [], "low_medium_only"),
        (["HIGH"], [], "critical_no_exception"),
        (["HIGH"], ["CVE-0"], "high_with_compensating_controls"),
        (["CRITICAL", "HIGH"], ["CVE-0", "CVE-1"], "critical_with_exception"),
        (["CRITICAL", "HIGH"], ["CVE-1"], "critical_no_exception"),
    ],
)
async def test_findings_and_exceptions_choose_the_row(severities: list[str], named: list[str], row: str) -> None:
    found = [vulnerability(f"CVE-{number}", severity) for number, severity in enumerate(severities)]
    case = Case(scan=trivy(*found), exceptions=(vulnerability_exception(*named),) if named else ())
    assert (await rows(case))["sbom_vulnerability"] == row


async def test_values_are_those_of_the_pack_and_name_it() -> None:
    case = Case(
        scan=trivy(vulnerability("CVE-0", "HIGH"), vulnerability("CVE-1", "UNKNOWN")),
        exceptions=(vulnerability_exception("CVE-0"), vulnerability_exception("CVE-9", identifier="exc-2")),
    )
    pack = await case.assemble()
    read = risk_evidence(pack)
    assert (read.supply_chain.signing, read.supply_chain.provenance) == (
        Signing.SIGNED_KNOWN_VENDOR,
        Provenance.UNCERTAIN,
    )
    assert pack.pack_digest in read.supply_chain.reference
    assert read.vulnerabilities.exception_ids == ("exc-1",)
    assert (read.vulnerabilities.high_compensated, read.vulnerabilities.medium, read.unknown) == (1, 1, 1)
    assert (read.worst, read.component_count) == (Severity.HIGH, 1)
    assert (await rows(case))["supply_chain_trust"] == "signed_known_vendor_weak_provenance"


@pytest.mark.parametrize(
    ("sha256", "succeeded", "rehearsed"), [(None, True, True), (None, False, False), ("0" * 64, True, False)]
)
async def test_only_a_rehearsal_of_this_artifact_that_succeeded_counts(
    sha256: str | None, succeeded: bool, rehearsed: bool
) -> None:
    pack = await Case().assemble()
    assert not risk_evidence(pack).rollback_rehearsed
    rehearsal = Rehearsal(
        ring="LAB",
        plane="ansible",
        device="lab-1",
        artifact_sha256=sha256 or pack.artifact.sha256,
        succeeded=succeeded,
        sentence="done",
        rehearsed_at=NOW,
    )
    after = with_test_evidence(pack, TestEvidence(rehearsals=(rehearsal,)), sealed_at=NOW)
    assert risk_evidence(after).rollback_rehearsed is rehearsed
