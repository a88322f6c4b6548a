"""Questions to policy: what would this score and need; which risk model is in force."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.assessment import assess_request
from api.deps import Allows, ServicesDep
from eucora.domain.errors import NotFound
from eucora.identity.permissions import Permission
from eucora.identity.principal import Principal
from eucora.policy.documents import shipped_document
from eucora.policy.library import DEFAULT_RISK_MODEL, shipped_risk_models
from models.wire.policy import AssessAnswer, AssessRequest, RiskModelView

router = APIRouter(prefix="/policy", tags=["policy"])

Reader = Annotated[Principal, Depends(Allows(Permission.POLICY_READ))]


@router.post("/assess", summary="What a deployment would score and need, without submitting it")
async def assess(body: AssessRequest, caller: Reader, services: ServicesDep) -> AssessAnswer:
    return await assess_request(services, body, caller=caller)


@router.get("/risk-model", summary="A risk model; without a name the one in force")
async def risk_model(
    _caller: Reader, name: Annotated[str, Query(max_length=100)] = DEFAULT_RISK_MODEL
) -> RiskModelView:
    models = shipped_risk_models()
    if name not in models:
        raise NotFound(f"There is no risk model {name!r}; there are {', '.join(models)}.", code="risk_model_unknown")
    model = models[name]
    document: dict[str, Any] = dict(shipped_document(f"risk-model-{name}"))
    return RiskModelView(
        model_id=model.model_id, version=model.version, title=model.title, threshold=model.threshold, document=document
    )
