"""The commands against an API that answers from a script, over real HTTP on the loopback address."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eucora.cli import main as command_line
from eucora.cli.manifest import published_schema

EXAMPLES = Path(__file__).parents[2] / "examples"
PERSON = {
    "actor": "publisher-petra",
    "name": "Petra (publisher)",
    "roles": ["publisher"],
    "scope": {},
    "identity": "development",
}
TOKEN = {"token": "secret-token", "expires_at": "2999-01-01T00:00:00Z", "person": PERSON}
PENDING = {
    "deployment_id": "dep-1",
    "outcome": "pending",
    "state": "PENDING",
    "correlation_id": "c-1",
    "location": "/api/v1/deployments/dep-1",
}
CONTROL = {"deployment_id": "dep-1", "message_id": "m-1", "facts": ["DEPLOYMENT_HELD"], "sequence": 18}


class ScriptedApi:
    """Answers by method and path: one answer, or several one after the other; what was asked is kept."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.handle(self, "GET")

            def do_POST(self) -> None:
                api.handle(self, "POST")

            def do_PUT(self) -> None:
                api.handle(self, "PUT")

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def on(self, call: str, *answers: Any, status: int = 200) -> None:
        """Answer ``METHOD path`` so; the last answer stays."""
        self.answers[call] = [(status, answer) for answer in answers]

    def first(self, call: str, answer: Any, *, status: int) -> None:
        """Answer so once, before what was scripted."""
        self.answers[call].insert(0, (status, answer))

    def handle(self, request: http.server.BaseHTTPRequestHandler, method: str) -> None:
        raw = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        path, _, query = request.path.removeprefix("/api/v1").partition("?")
        is_json = request.headers.get("Content-Type", "").startswith("application/json")
        self.asked.append((f"{method} {path}", query, dict(request.headers), json.loads(raw) if is_json else raw))
        script = self.answers.get(f"{method} {path}")
        if script is None:
            status, value = 404, dict[str, Any](detail="not scripted", code="path_not_found")
        else:
            status, value = script.pop(0) if len(script) > 1 else script[0]
        if status >= 400:
            value = {"type": "t", "title": "t", "status": status, "correlation_id": "c-1", **value}
        body = json.dumps(value, default=str).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def bodies(self, call: str) -> list[Any]:
        return [body for asked, _, _, body in self.asked if asked == call]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApi]:
    scripted = ScriptedApi()
    scripted.thread.start()
    scripted.on("POST /auth/login", TOKEN)
    scripted.on("GET /auth/me", PERSON)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EUCORA_API_URL", scripted.url)
    monkeypatch.delenv("EUCORA_TOKEN", raising=False)
    yield scripted
    scripted.server.shutdown()
    scripted.thread.join()
    scripted.server.server_close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line as a shell would; gives status, standard output and standard error."""

    def call(*arguments: str, columns: int = 200) -> SimpleNamespace:
        monkeypatch.setattr("sys.argv", ["eucora", *arguments])
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        said = capsys.readouterr()
        return SimpleNamespace(status=ended.value.code or 0, out=said.out, err=said.err)

    return call


def test_the_schema_is_printed_without_an_api(run: Any) -> None:
    assert run("submit", "--schema").out == published_schema()


def test_every_command_that_answers_can_answer_in_json() -> None:
    import typer.main

    skipped = {"worker"}  # becomes another program, whose options are its own

    def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, f"{path}{name} ")
            else:
                yield f"{path}{name}", command

    found = dict(commands(typer.main.get_command(command_line.app), ""))
    assert {"up", "demo", "submit", "watch", "audit verify", "audit export", "db upgrade"} <= set(found)
    without = [
        name
        for name, command in found.items()
        if name not in skipped and not any("--json" in parameter.opts for parameter in command.params)
    ]
    assert without == []


def test_signing_in_makes_later_commands_speak_for_that_person(api: ScriptedApi, run: Any, tmp_path: Path) -> None:
    assert "signed in as Petra (publisher)" in run("login", "publisher-petra").out
    api.on("POST /deployments/dep-1/hold", CONTROL)
    assert run("hold", "dep-1", "--why", "printer trouble").out == "done: DEPLOYMENT_HELD (fact 18)\n"
    call, _, headers, body = api.asked[-1]
    assert (call, body) == ("POST /deployments/dep-1/hold", {"why": "printer trouble"})
    assert headers["Authorization"] == "Bearer secret-token"
    assert (tmp_path / ".eucora" / "tokens.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (["release", "dep-1", "--why", "w"], "release", {"why": "w"}),
        (["promote", "dep-1", "--why", "w"], "promote", {"why": "w"}),
        (["skip-soak", "dep-1", "--why", "w"], "skip-soak", {"why": "w"}),
        (["roll-back", "dep-1", "--why", "w"], "roll-back", {"why": "w"}),
        (["cancel", "dep-1", "--why", "w"], "cancel", {"why": "w"}),
        (["publish", "dep-1"], "publish", {"why": ""}),
        (["retry", "dep-1", "--why", "w", "--plane", "a", "--plane", "b"], "retry", {"why": "w", "planes": ["a", "b"]}),
    ],
)
def test_a_control_posts_who_and_why(api: ScriptedApi, run: Any, arguments: list[str], path: str, body: Any) -> None:
    api.on(f"POST /deployments/dep-1/{path}", CONTROL)
    done = run(*arguments, "--as", "publisher-petra", "--json")
    assert json.loads(done.out) == CONTROL
    assert api.bodies(f"POST /deployments/dep-1/{path}") == [body]
    assert api.bodies("POST /auth/login") == [{"user": "publisher-petra"}]


def test_a_refusal_is_a_sentence_with_code_and_field_and_status_1(api: ScriptedApi, run: Any) -> None:
    refusal = {"detail": "The gate has failed.", "code": "gate_failed", "field": "ring"}
    api.on("POST /deployments/dep-1/promote", refusal, status=409)
    done = run("promote", "dep-1", "--why", "w", "--as", "publisher-petra")
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: The gate has failed. [gate_failed, field ring]\n"


def test_a_refusal_in_json_carries_the_problem(api: ScriptedApi, run: Any) -> None:
    api.on("POST /deployments/dep-1/cancel", {"detail": "Too late.", "code": "effects_done"}, status=409)
    done = run("cancel", "dep-1", "--why", "w", "--as", "publisher-petra", "--json")
    assert done.status == 1
    assert json.loads(done.out)["error"]["code"] == "effects_done"


def test_nobody_signed_in_says_how(api: ScriptedApi, run: Any) -> None:
    done = run("list")
    assert done.status == 1
    assert "eucora login" in done.err
    assert "[not_signed_in]" in done.err


def test_an_api_that_does_not_answer_says_how_to_start_it(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("people", "--api", "http://127.0.0.1:9")
    assert done.status == 1
    assert "eucora up" in done.err


def test_an_approval_with_conditions_is_given_on_the_pack_of_the_review(
    api: ScriptedApi, run: Any, answers: SimpleNamespace
) -> None:
    api.on("GET /cab/pending", {"items": [answers.review()], "next_cursor": None})
    vote = {
        "message_id": "m-1",
        "review_id": "rev-1",
        "outcome": "accepted",
        "decision": "CONDITIONAL",
        "location": "/api/v1/cab/rev-1",
    }
    api.on("POST /cab/rev-1/approve", vote)
    options = ["--min-success-rate", "98", "--not-before", "2025-11-03T10:00:00", "--comment", "after CANARY"]
    done = run("approve", "dep-1", *options, "--as", "cab-anna")
    assert done.out == "CONDITIONAL for Fieldnotes 3.2.0 before PILOT: accepted\n"
    assert api.bodies("POST /cab/rev-1/approve") == [
        {
            "pack_digest": "d" * 64,
            "comment": "after CANARY",
            "conditions": {"min_success_rate": 98.0, "not_before": "2025-11-03T10:00:00+00:00"},
        }
    ]


def test_a_vote_without_an_open_review_is_refused_here(api: ScriptedApi, run: Any) -> None:
    api.on("GET /cab/pending", {"items": [], "next_cursor": None})
    done = run("reject", "dep-1", "--comment", "no", "--as", "cab-anna")
    assert done.status == 1
    assert "[no_open_review]" in done.err


def test_watching_ends_with_the_deployment_and_prints_a_line_per_change(
    api: ScriptedApi, run: Any, answers: SimpleNamespace
) -> None:
    running, ended = answers.deployment(), answers.deployment(state="COMPLETED", sequence=30)
    api.on("GET /deployments/dep-1", running, running, ended)
    done = run("watch", "dep-1", "--interval", "0.2", "--as", "auditor-ava", "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [(line["state"], line["sequence"]) for line in lines] == [("DEPLOYING", 17), ("COMPLETED", 30)]
    assert done.status == 0


def test_watching_a_deployment_that_was_rolled_back_ends_with_status_1(
    api: ScriptedApi, run: Any, answers: SimpleNamespace
) -> None:
    api.on("GET /deployments/dep-1", answers.deployment(state="ROLLED_BACK"))
    done = run("watch", "dep-1", "--as", "auditor-ava")
    assert done.status == 1
    assert done.out.startswith("ROLLED_BACK  CANARY: sim-windows 20 ok 1 failed")


@pytest.mark.parametrize("as_json", [False, True])
def test_watching_waits_for_a_worker_that_has_not_come(
    api: ScriptedApi, run: Any, answers: SimpleNamespace, as_json: bool
) -> None:
    api.on("GET /deployments/dep-1", answers.deployment(state="COMPLETED"))
    api.first("GET /deployments/dep-1", PENDING, status=202)
    api.first("GET /deployments/dep-1", PENDING, status=202)
    options = ["--interval", "0.2", "--as", "auditor-ava", *(["--json"] if as_json else [])]
    done = run("watch", "dep-1", *options)
    lines = done.out.splitlines()
    assert done.status == 0
    if as_json:
        assert [json.loads(line)["state"] for line in lines] == ["PENDING", "COMPLETED"]
    else:
        assert lines[0] == "PENDING  kept; waits for a worker"
        assert [line.split()[0] for line in lines] == ["PENDING", "COMPLETED"]


def test_a_deployment_that_waits_for_a_worker_is_shown(api: ScriptedApi, run: Any) -> None:
    api.on("GET /deployments/dep-1", PENDING, status=202)
    done = run("show", "dep-1", "--as", "auditor-ava", columns=40)
    assert done.status == 0
    assert "dep-1 is PENDING: kept; waits for a worker" in done.out
    assert "eucora watch dep-1 --as auditor-ava" in done.out


@pytest.mark.parametrize("columns", [36, 50, 80, 100, 130, 200])
def test_a_list_never_cuts_an_id_or_a_state(api: ScriptedApi, run: Any, answers: SimpleNamespace, columns: int) -> None:
    ids = ["0b7f3f4e-7f0e-5a52-9f3c-6a3a5d4be001", "0b7f3f4e-7f0e-5a52-9f3c-6a3a5d4be002"]
    items = [answers.deployment(id=one, state="AWAITING_CAB") for one in ids]
    api.on("GET /deployments", {"items": items, "next_cursor": None})
    out = run("list", "--as", "auditor-ava", columns=columns).out
    assert max(map(len, out.splitlines())) <= columns
    if columns >= 50:
        assert all(one in out for one in ids)
        assert out.count("AWAITING_CAB") == 2
    assert "…" not in out
    assert ("sim-windows" in out, "score" in out) == (columns >= 200, columns >= 130), "planes go first, then the score"


def test_a_submission_that_ended_long_ago_says_how_it_ended_and_how_to_submit_anew(
    api: ScriptedApi, run: Any, answers: SimpleNamespace
) -> None:
    first = {**PENDING, "outcome": "accepted", "state": "DEPLOYING", "risk_score": 32, "tier": "automated"}
    api.on("POST /deployments", first, status=201)
    api.on("GET /deployments/dep-1", answers.deployment(state="ROLLED_BACK"))
    manifest = EXAMPLES / "wordcard" / "manifest.yaml"
    done = run("submit", str(manifest), "--evidence", "e" * 64, "--as", "publisher-petra", columns=40)
    assert "dep-1 is ROLLED_BACK: risk score 32, tier automated" in done.out
    assert "DEPLOYING" not in done.out
    (anew,) = [line for line in done.out.splitlines() if line.startswith("to submit it anew:")]
    assert f"eucora submit {manifest} --evidence {'e' * 64} --idempotency-key " in anew
    assert anew.endswith(" --as publisher-petra")


def test_what_is_no_url_is_said_to_be_none(api: ScriptedApi, run: Any) -> None:
    done = run("list", "--api", "nonsense", "--as", "auditor-ava")
    assert done.status == 1
    assert "'nonsense' is no URL" in done.err
    assert "[api_url_invalid, field --api]" in done.err


def test_an_export_that_cannot_be_written_is_an_error_in_a_line(api: ScriptedApi, run: Any, tmp_path: Path) -> None:
    api.on("GET /audit/export", {})
    target = tmp_path / "missing" / "record.jsonl"
    done = run("audit", "export", str(target), "--as", "auditor-ava")
    assert done.status == 1
    assert done.err == f"error: {target} cannot be written: No such file or directory. [export_unwritable]\n"


def test_a_key_is_made_only_when_it_is_asked_for(run: Any, tmp_path: Path) -> None:
    artifact, key = tmp_path / "artifact.bin", tmp_path / "packaging.pem"
    artifact.write_bytes(b"a release")
    done = run("evidence", "sign", str(artifact), "--key", str(key))
    assert (done.status, key.exists(), artifact.with_name("artifact.bin.sig.json").exists()) == (1, False, False)
    assert "[key_missing, field --key]" in done.err
    assert run("evidence", "sign", str(artifact), "--key", str(key), "--new-key").status == 0
    made = key.read_bytes()
    assert run("evidence", "sign", str(artifact), "--key", str(key)).status == 0
    assert "[key_exists, field --key]" in run("evidence", "sign", str(artifact), "--key", str(key), "--new-key").err
    assert key.read_bytes() == made


def test_lists_and_details_are_drawn(api: ScriptedApi, run: Any, answers: SimpleNamespace) -> None:
    api.on("GET /deployments", {"items": [answers.deployment()], "next_cursor": None})
    api.on("GET /deployments/dep-1", answers.deployment())
    assert "Fieldnotes 3.2.0" in run("list", "--state", "DEPLOYING", "--as", "auditor-ava").out
    assert api.asked[-1][1] == "state=DEPLOYING&limit=50"
    assert "packager-pia" in run("show", "dep-1", "--as", "auditor-ava").out


def packaged(tmp_path: Path) -> Path:
    """A copy of the wordcard example with its package built and signed by the command line itself."""
    import shutil
    import subprocess
    import sys

    example = tmp_path / "wordcard"
    shutil.copytree(EXAMPLES / "wordcard", example)
    artifact = example / "dist" / "wordcard-7.1.0.pyz"
    subprocess.run([sys.executable, str(EXAMPLES / "build.py"), str(example), str(artifact)], check=True)
    return example / "manifest.yaml"


def test_evidence_is_uploaded_sealed_and_submitted(
    api: ScriptedApi, run: Any, answers: SimpleNamespace, tmp_path: Path
) -> None:
    manifest = packaged(tmp_path)
    artifact = manifest.parent / "dist" / "wordcard-7.1.0.pyz"
    signed = run("evidence", "sign", str(artifact), "--key", str(tmp_path / "packaging.pem"), "--new-key", "--json")
    stored = [artifact, manifest.parent / "sbom.cdx.json", manifest.parent / "scan.sample.json"]
    import hashlib

    uploads = [
        {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size} for path in stored
    ]
    for kind, upload in zip(("artifacts", "documents", "documents"), uploads, strict=True):
        api.on(f"PUT /evidence/{kind}/{upload['sha256']}", upload, status=201)
    pack = {"pack_digest": "e" * 64, "release_digest": "f" * 64, "version": 1, "author": "packager-pia"}
    api.on("POST /evidence", {**pack, "blockers": [], "pack": {}}, status=201)
    done = run("evidence", "create", str(manifest), "--as", "packager-pia")
    assert f"eucora submit {manifest} --evidence {'e' * 64} --as PERSON" in done.out
    (draft,) = api.bodies("POST /evidence")
    assert draft["artifact"]["sha256"] == uploads[0]["sha256"] == json.loads(signed.out)["sha256"]
    assert draft["artifact"]["signature"]["artifact_sha256"] == uploads[0]["sha256"]
    assert draft["attestations"]["data_access"] == "scoped_to_app_directory"
    assert "users" not in draft["application"]

    from eucora.evidence.draft import EvidenceDraft, complete

    assert complete(EvidenceDraft.model_validate(draft)) == []

    submission = {
        "deployment_id": "dep-1",
        "outcome": "accepted",
        "state": "DEPLOYING",
        "correlation_id": "c-1",
        "location": "/api/v1/deployments/dep-1",
        "risk_score": 32,
        "tier": "automated",
        "quorum": 1,
        "checkpoints": [],
    }
    api.on("POST /deployments", submission, status=201)
    api.on("GET /deployments/dep-1", answers.deployment())
    for _ in range(2):
        done = run("submit", str(manifest), "--evidence", "e" * 64, "--as", "publisher-petra")
        assert "dep-1 is DEPLOYING: risk score 32, tier automated" in done.out
        assert "eucora watch dep-1 --as publisher-petra" in done.out
    from models.wire.deployments import DeploymentRequest

    bodies = [DeploymentRequest.model_validate(body) for body in api.bodies("POST /deployments")]
    assert bodies[0].application.users == 60
    assert bodies[0].rings["PILOT"].targets[0].cohort.take == 50
    keys = {headers["Idempotency-Key"] for call, _, headers, _ in api.asked if call == "POST /deployments"}
    assert len(keys) == 1, "the same manifest, pack and person make the same key"


def test_an_artifact_with_another_hash_is_refused_before_it_is_uploaded(
    api: ScriptedApi, run: Any, tmp_path: Path
) -> None:
    manifest = packaged(tmp_path)
    (manifest.parent / "dist" / "wordcard-7.1.0.pyz").write_bytes(b"something else")
    done = run("evidence", "create", str(manifest), "--as", "packager-pia", "--json")
    assert done.status == 1
    (problem,) = json.loads(done.out)["error"]["problems"]
    assert problem["field"] == "artifact.sha256"
    assert not [call for call, *_ in api.asked if call.startswith("PUT")]


def test_a_manifest_error_is_told_line_by_line(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text("manifest: v1\nringz: {}\n", encoding="utf-8")
    done = run("submit", str(path), "--as", "publisher-petra")
    assert done.status == 1
    assert f"{path}:2: ringz: is no field of a manifest" in done.err
