"""What the API knows of planes: their names always, their manifests where the connector's settings are at hand."""

from __future__ import annotations

import pytest

from api.plan_policy import application_id, plan_policy
from api.planes import load_planes
from eucora.domain.vocabulary import RollbackStrategy
from eucora.settings import MissingSetting


async def test_a_manifest_is_read_where_the_settings_are_at_hand() -> None:
    planes = await load_planes(
        {
            "EUCORA_PLANES": "sim-windows=sim,far=nowhere",
            "EUCORA_FLEET_URL": "http://127.0.0.1:1",
            "EUCORA_FLEET_PLANES": "sim-windows=keyed",
        }
    )
    assert list(planes) == ["sim-windows", "far"]
    assert planes["sim-windows"].strategies
    assert all(isinstance(strategy, RollbackStrategy) for strategy in planes["sim-windows"].strategies)
    assert planes["far"].strategies == ()


async def test_a_malformed_list_of_planes_is_an_error_at_start() -> None:
    with pytest.raises(MissingSetting, match="EUCORA_PLANES"):
        await load_planes({"EUCORA_PLANES": "a=b=c d"})


def test_the_demos_gates_exist_in_development_only() -> None:
    assert set(plan_policy({}, development=True).gate_policies) == {"v1.0", "demo"}
    assert set(plan_policy({}, development=False).gate_policies) == {"v1.0"}


@pytest.mark.parametrize(
    ("vendor", "name", "expected"),
    [
        ("Acme", "Left Pad", "acme.left-pad"),
        ("ACME, Inc.", "Left_Pad™", "acme-inc.left-pad"),
        ("Ünïcode", "日本語", "ünïcode.日本語"),
        ("!!", "...", "unnamed.unnamed"),
    ],
)
def test_an_applications_identity_is_made_from_vendor_and_name(vendor: str, name: str, expected: str) -> None:
    assert application_id(vendor, name) == expected
