"""The list of signers of artifacts that we know, as a JSON file:

{"signers": [{"public_key": "<base64, 44 characters>", "vendor": "Acme"}, {"public_key": "..."}]}

Without a vendor a key is one that we can tell from others, not whose it is.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eucora.domain.errors import InvalidInput
from eucora.ports.signer import PublicKey
from eucora.signing.detached import TrustedSigner, TrustedSigners
from eucora.signing.keys import key_id

__all__ = ["SignersFileInvalid", "load_trusted_signers"]


class SignersFileInvalid(InvalidInput):
    """The file of trusted signers is missing or is not what it must be."""

    code = "signers_file_invalid"


class _Signer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    public_key: PublicKey
    vendor: str | None = None


class _Signers(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signers: list[_Signer]


def load_trusted_signers(path: Path | None) -> TrustedSigners:
    """The signers in ``path``; none without a file, so that every signature is one of a stranger.

    Raises ``SignersFileInvalid`` and ``KeyMalformed``.
    """
    if path is None:
        return TrustedSigners({})
    try:
        listed = _Signers.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SignersFileInvalid(f"The list of trusted signers {path} cannot be read: {error.strerror}.") from error
    except (ValueError, ValidationError) as error:
        raise SignersFileInvalid(f"{path} is no list of trusted signers: {error}") from error
    return TrustedSigners(
        {key_id(one.public_key): TrustedSigner(public_key=one.public_key, vendor=one.vendor) for one in listed.signers}
    )
