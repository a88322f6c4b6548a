"""``evidence``: sign an artifact, create a pack from a manifest, look at one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.json import JSON

from eucora.cli.context import ApiOption, AsOption, JsonOption, Output, connect, hint
from eucora.cli.errors import Stopped
from eucora.cli.manifest import load_manifest
from eucora.cli.submission import create_pack
from models.wire.evidence import PackView

__all__ = ["register"]

group = typer.Typer(help="Evidence packs: sign, create, show.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.add_typer(group, name="evidence")


@group.command()
def sign(
    artifact: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file to sign.")],
    *,
    key: Annotated[Path, typer.Option("--key", help="PEM file of the Ed25519 packaging key.")],
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key; --key must not exist yet.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Default: the artifact's name and .sig.json.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign an artifact with a packaging key; the signature is a file beside it."""
    from eucora.domain.errors import InvalidInput
    from eucora.signing.detached import sign_artifact
    from eucora.signing.keys import load_or_create_private_key

    output = Output(as_json)
    target = out or artifact.with_name(f"{artifact.name}.sig.json")
    with artifact.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if new_key and key.exists():
        raise Stopped(
            f"There is a key {key} already; sign with it without --new-key.", code="key_exists", field="--key"
        )
    if not new_key and not key.is_file():
        raise Stopped(f"There is no key {key}; --new-key makes one.", code="key_missing", field="--key")
    try:
        signature = sign_artifact(load_or_create_private_key(key), artifact_sha256=sha256)
    except InvalidInput as error:
        raise Stopped(error.sentence, code=error.code) from None
    target.write_text(json.dumps(signature.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    value = {"artifact": str(artifact), "sha256": sha256, "key_id": signature.key_id, "signature": str(target)}
    made_text = f"made the key {key}; keep it safe\n" if new_key else ""
    output.show(value, lambda: f"{made_text}signed {artifact.name} with key {signature.key_id}: {target}")


@group.command()
def create(
    manifest: Annotated[Path, typer.Argument(help="The manifest.")],
    *,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload what the manifest names and seal it as an evidence pack; you become its author."""
    output = Output(as_json)
    loaded = load_manifest(manifest)
    with connect(api, person) as client:
        pack = create_pack(client, loaded, say=output.say)
    lines = [f"{pack.pack_digest}"]
    lines += [f"blocks a deployment: {blocker.detail} [{blocker.code}]" for blocker in pack.blockers]
    if not pack.blockers:
        command = hint("submit", manifest, "--evidence", pack.pack_digest, api=api)
        lines.append(f"next, as somebody else (see `eucora people`): {command} --as PERSON")
    output.show(pack.model_dump(mode="json"), lambda: "\n".join(lines))


@group.command("show")
def show_pack(
    digest: Annotated[str, typer.Argument(help="Digest of the pack.")],
    *,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an evidence pack."""
    output = Output(as_json)
    with connect(api, person) as client:
        pack = PackView.model_validate(client.get(f"/evidence/{digest}"))
    output.show(pack.model_dump(mode="json"), lambda: JSON(pack.model_dump_json()))
