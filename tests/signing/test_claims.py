"""Signed claims: what is signed holds for exactly one message, for a while, by a trusted key; nothing else holds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from eucora.domain.errors import InvalidInput, Refused
from eucora.domain.plan import Scope
from eucora.signing.claims import ClaimRefused, message_body, sign_claim, verify_claim
from eucora.signing.keys import key_id_of, new_private_key, public_key_base64
from models.messages.claims import SignedClaim

KEY, OTHER_KEY = new_private_key(), new_private_key()
TRUSTED = {key_id_of(KEY): public_key_base64(KEY)}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = {"why": "a freeze ends", "checkpoint": 1, "conditions": {"max_ring": "PILOT", "rate": 0.97}}


def claim(**changes: Any) -> SignedClaim:
    fields: dict[str, Any] = {
        "actor": "ada@example.org",
        "roles": ("cab_member", "auditor"),
        "scope": Scope(business_unit="emea", site="zurich"),
        "deployment_id": "dep-1",
        "message_id": "msg-1",
        "message_type": "hold",
        "body": BODY,
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=5),
    }
    return sign_claim(KEY, **(fields | changes))


def verify(signed: SignedClaim | None, **changes: Any) -> None:
    arguments: dict[str, Any] = {
        "body": BODY,
        "message_type": "hold",
        "deployment_id": "dep-1",
        "trusted_keys": TRUSTED,
        "now": NOW,
    }
    verify_claim(signed, **(arguments | changes))


def refusal(signed: SignedClaim | None, **changes: Any) -> str:
    with pytest.raises(ClaimRefused) as refused:
        verify(signed, **changes)
    assert isinstance(refused.value, Refused)
    assert refused.value.sentence
    return refused.value.code


def test_a_claim_holds_for_its_message() -> None:
    verify(claim())


def test_a_claim_survives_the_wire() -> None:
    verify(SignedClaim.model_validate_json(claim().model_dump_json()))


def test_the_order_of_fields_in_the_body_does_not_matter() -> None:
    verify(claim(), body=dict(reversed(BODY.items())))


def test_a_message_without_a_claim_is_refused() -> None:
    assert refusal(None) == "claim_missing"


def test_a_key_that_is_not_trusted_is_refused() -> None:
    assert refusal(claim(), trusted_keys={key_id_of(OTHER_KEY): public_key_base64(OTHER_KEY)}) == "claim_key_unknown"
    assert refusal(claim(), trusted_keys={}) == "claim_key_unknown"
    assert refusal(claim(), trusted_keys={key_id_of(KEY): "no key"}) == "claim_key_unknown"


def test_another_key_under_a_trusted_name_is_refused() -> None:
    assert refusal(claim(), trusted_keys={key_id_of(KEY): public_key_base64(OTHER_KEY)}) == "claim_signature_invalid"


def test_a_claim_for_another_message_is_refused() -> None:
    assert refusal(claim(), message_type="release") == "claim_wrong_type"
    assert refusal(claim(), deployment_id="dep-2") == "claim_wrong_deployment"
    assert refusal(claim(), body=BODY | {"why": "another"}) == "claim_wrong_body"
    assert refusal(claim(), body=BODY | {"more": None}) == "claim_wrong_body"
    assert refusal(claim(), body={}) == "claim_wrong_body"


@pytest.mark.parametrize("body", [{"why": float("nan")}, {"why": 2**60}, {"why": "\ud800"}, {"why": NOW}, {1: 2}])
def test_a_body_that_is_no_plain_json_is_refused_and_raises_nothing_else(body: Any) -> None:
    assert refusal(claim(), body=body) == "claim_wrong_body"
    with pytest.raises(InvalidInput) as refused:
        claim(body=body)
    assert refused.value.code == "claim_body_invalid"


def test_the_clock_is_strict() -> None:
    signed = claim()
    tick = timedelta(microseconds=1)
    verify(signed, now=signed.issued_at)
    verify(signed, now=signed.expires_at - tick)
    assert refusal(signed, now=signed.expires_at) == "claim_expired"
    assert refusal(signed, now=signed.issued_at - tick) == "claim_not_yet_valid"


def test_a_claim_that_could_never_hold_is_not_signed() -> None:
    with pytest.raises(InvalidInput) as refused:
        claim(expires_at=NOW)
    assert refused.value.field == "expires_at"


def test_a_time_without_a_zone_is_not_signed() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValidationError):
        claim(issued_at=naive, expires_at=naive + timedelta(1))


def test_half_a_surrogate_pair_in_the_scope_is_not_signed() -> None:
    with pytest.raises(InvalidInput, match="cannot be signed"):
        claim(scope=Scope(site="\ud800"))


def test_another_spelling_of_the_same_instant_is_the_same_instant() -> None:
    signed = claim()
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    document = signed.model_dump(mode="json") | {"issued_at": NOW.astimezone(elsewhere).isoformat()}
    verify(SignedClaim.model_validate(document))


def test_unicode_is_compared_code_point_by_code_point() -> None:
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    verify(claim(body={"why": composed}), body={"why": composed})
    assert refusal(claim(body={"why": composed}), body={"why": decomposed}) == "claim_wrong_body"
    altered = claim(actor=composed).model_copy(update={"actor": decomposed})
    assert refusal(altered) == "claim_signature_invalid"


def test_another_spelling_of_the_signature_is_refused() -> None:
    signed = claim()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = signed.signature[85]
    stray = signed.signature[:85] + alphabet[alphabet.index(last) ^ 1] + "=="
    assert refusal(signed.model_copy(update={"signature": stray})) == "claim_signature_invalid"


def test_a_claim_of_another_shape_is_no_claim() -> None:
    document = claim().model_dump(mode="json")
    for changes in ({"extra": 1}, {"roles": "cab_member"}, {"key_id": "x"}, {"actor": ""}, {"signature": "AA=="}):
        with pytest.raises(ValidationError):
            SignedClaim.model_validate(document | changes)


_ID = st.text("ab é\u0308", min_size=1, max_size=4)
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "actor": _ID,
    "roles": st.lists(_ID, max_size=3).map(tuple),
    "scope": st.builds(Scope, tenant=_ID, business_unit=_ID, acquisition_boundary=_ID, site=_ID),
    "deployment_id": _ID,
    "message_id": _ID,
    "message_type": _ID,
    "body_digest": st.text("0123456789abcdef", min_size=64, max_size=64),
    "issued_at": st.datetimes(timezones=st.just(UTC)),
    "expires_at": st.datetimes(timezones=st.just(UTC)),
    "key_id": st.just(key_id_of(OTHER_KEY)),
    "signature": st.binary(min_size=64, max_size=64),
}


@given(data=st.data())
def test_a_claim_with_any_one_field_changed_is_refused(data: st.DataObject) -> None:
    import base64

    signed = claim()
    assert set(_FIELDS) == set(SignedClaim.model_fields)
    field = data.draw(st.sampled_from(sorted(_FIELDS)))
    value = data.draw(_FIELDS[field])
    if field == "signature":
        value = base64.b64encode(value).decode()
    if getattr(signed, field) == value:
        return
    trusted = TRUSTED | {key_id_of(OTHER_KEY): public_key_base64(OTHER_KEY)}
    code = refusal(signed.model_copy(update={field: value}), trusted_keys=trusted)
    assert code == "claim_signature_invalid"


_TEXT = st.text('ab"é\u0308\U0001f600', max_size=3)
_SCALAR = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | _TEXT
_JSON = _SCALAR | st.lists(_SCALAR, max_size=2) | st.dictionaries(_TEXT, _SCALAR, max_size=2)


@given(signed_body=_JSON, other_body=_JSON)
def test_a_claim_holds_for_its_body_and_no_other(signed_body: Any, other_body: Any) -> None:
    import rfc8785

    signed = claim(body=signed_body)
    verify(signed, body=signed_body)
    if rfc8785.dumps(signed_body) != rfc8785.dumps(other_body):
        assert refusal(signed, body=other_body) == "claim_wrong_body"


class HoldV1(BaseModel):
    claim: SignedClaim | None = None
    why: str
    until: int = 0


class HoldV2(HoldV1):
    """The same message a year later: one more field, with a default."""

    ring: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    why: str
    note: str = ""


def test_the_body_of_a_message_is_everything_but_the_claim() -> None:
    signed = claim(body=message_body(HoldV1(why="x", until=3)))
    with_claim = HoldV1(why="x", until=3, claim=signed)
    assert message_body(with_claim) == {"why": "x", "until": 3}
    verify(signed, body=message_body(with_claim))
    assert refusal(signed, body=message_body(HoldV1(why="x", until=4))) == "claim_wrong_body"
    assert message_body(Release(why="x")) == {"why": "x"}


def test_a_field_added_later_with_a_default_breaks_no_claim_in_a_history() -> None:
    sent = HoldV1(why="x")
    signed = claim(body=message_body(sent))
    replayed = HoldV2.model_validate_json(sent.model_dump_json())
    verify(signed, body=message_body(replayed))
    assert refusal(signed, body=message_body(replayed.model_copy(update={"ring": "PILOT"}))) == "claim_wrong_body"


def test_a_known_claim_verifies_for_ever() -> None:
    """Pins the signed bytes: were they to change, claims in running deployments' histories would stop verifying."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signed = sign_claim(
        key,
        actor="ada@example.org",
        roles=("cab_member",),
        scope=Scope(site="zürich"),
        deployment_id="dep-1",
        message_id="msg-1",
        message_type="hold",
        body={"why": "x"},
        issued_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )
    assert signed.signature == (
        "WbCBsbjPKuKD9pz4AkOFwmLLQqmtlAesJXDcjgsZa7RiQmibbaSsOmzyg6tgb8Feq11fP9j8WjSOlhDmVCBAAA=="
    )
