"""Risk and claims: measured here, stored with all that derives them again; one change at a time."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from eucora.domain import risk
from eucora.domain.facts import CohortSize
from eucora.domain.plan import Scope
from eucora.domain.risk.inputs import Basis, FactorInput
from eucora.domain.vocabulary import ApprovalTier, BlastRadiusClass
from eucora.evidence.canonical import digest
from eucora.policy.documents import shipped_document
from eucora.policy.risk_models import shipped_risk_models
from models.messages import activities as a
from models.messages.codec import assessment_from_json, assessment_to_json
from tests.activities.conftest import PLANE, Site

SIZES = (CohortSize(ring="LAB", plane=PLANE, devices=6), CohortSize(ring="CANARY", plane=PLANE, devices=4))


def assess(site: Site, **changes: object) -> a.AssessRisk:
    values: dict[str, object] = {
        "plan": site.plan,
        "pack_digest": site.plan.pack_digest,
        "sizes": SIZES,
        "critical_infrastructure": False,
    }
    return a.AssessRisk.model_validate(values | changes)


class TestAssess:
    async def test_stores_an_assessment_that_derives_again(self, site: Site) -> None:
        found = await site.run(site.governance.assess_risk, assess(site))
        document = await site.assessments.load(found.assessment_digest)
        assert digest(document) == found.assessment_digest
        assert digest(document["inputs"]) == found.inputs_digest
        assessment = assessment_from_json(document)
        model = shipped_risk_models()[site.plan.risk_model]
        again = risk.assess(model, assessment.inputs, submitter=site.plan.requester)
        assert assessment_to_json(again) == document
        assert (found.score, found.raw_score) == (again.score, again.raw_score)
        assert (found.model, found.model_version) == (again.model_id, again.model_version)

    async def test_counts_the_devices_of_all_rings(self, site: Site) -> None:
        found = await site.run(site.governance.assess_risk, assess(site))
        more = (*SIZES, CohortSize(ring="GLOBAL", plane=PLANE, devices=20_000))
        assert (await site.run(site.governance.assess_risk, assess(site, sizes=more))).score > found.score

    async def test_critical_infrastructure_weighs_more(self, site: Site) -> None:
        calm = await site.run(site.governance.assess_risk, assess(site))
        grave = await site.run(site.governance.assess_risk, assess(site, critical_infrastructure=True))
        assert Fraction(grave.raw_score) > Fraction(calm.raw_score)

    async def test_again_gives_the_same(self, site: Site) -> None:
        first = await site.run(site.governance.assess_risk, assess(site))
        assert await site.run(site.governance.assess_risk, assess(site)) == first

    async def test_the_tier_follows_the_plans_limits(self, site: Site) -> None:
        score = (await site.run(site.governance.assess_risk, assess(site))).score
        for limits, expected in (
            ({"automated_up_to": score}, ApprovalTier.AUTOMATED),
            ({"automated_up_to": score - 1, "cab_up_to": score}, ApprovalTier.CAB),
            ({"automated_up_to": score - 2, "cab_up_to": score - 1}, ApprovalTier.CAB_WITH_EXCEPTION),
            ({"automated_up_to": score, "always_cab": True}, ApprovalTier.CAB),
        ):
            plan = dataclasses.replace(
                site.plan,
                blast_radius_class=BlastRadiusClass.NON_CRITICAL,
                **limits,  # type: ignore[arg-type]
            )
            assert (await site.run(site.governance.assess_risk, assess(site, plan=plan))).tier is expected

    async def test_names_its_model_by_the_digest_of_the_models_document(self, site: Site) -> None:
        found = await site.run(site.governance.assess_risk, assess(site))
        assert found.model_digest == digest(shipped_document("risk-model-v1.0"))

    async def test_an_unknown_model_is_named(self, site: Site) -> None:
        plan = dataclasses.replace(site.plan, risk_model="v9")
        failure = await site.failure(site.governance.assess_risk, assess(site, plan=plan))
        assert (failure.type, failure.details[0]["field"]) == ("risk_model_unknown", "risk_model")
        assert failure.non_retryable

    async def test_a_declaration_better_than_the_evidence_is_refused(self, site: Site) -> None:
        statement = FactorInput(
            key="supply_chain_trust",
            basis=Basis.DECLARED,
            rubric_key="signed_known_vendor_provenance",
        )
        plan = dataclasses.replace(site.plan, statements=(statement,))
        failure = await site.failure(site.governance.assess_risk, assess(site, plan=plan))
        assert (failure.type, failure.non_retryable) == ("declared_better_than_measured", True)
        assert failure.details[0]["field"] == "supply_chain_trust"


class TestClaims:
    def claim(self, deployment_id: str, *rings: str, unit: str = "finance") -> a.ClaimChange:
        scope = Scope(business_unit=unit)
        return a.ClaimChange(deployment_id=deployment_id, scope=scope, application_id="editor", rings=rings)

    async def test_one_change_at_a_time_and_the_holder_is_named(self, site: Site) -> None:
        claim, release = site.governance.claim_change, site.governance.release_change
        mine = self.claim("d-1", "LAB", "CANARY")
        assert (await site.run(claim, mine)).holder == ""
        assert (await site.run(claim, mine)).holder == "", "again is granted again"
        assert (await site.run(claim, self.claim("d-2", "CANARY", "PILOT"))).holder == "d-1"
        assert (await site.run(claim, self.claim("d-2", "PILOT"))).holder == "", "nothing of the refused claim stays"
        assert (await site.run(claim, self.claim("d-3", "CANARY", unit="sales"))).holder == ""
        await site.run(release, self.claim("d-1"))
        await site.run(release, self.claim("d-1"))
        assert (await site.run(claim, self.claim("d-4", "LAB", "CANARY"))).holder == ""
