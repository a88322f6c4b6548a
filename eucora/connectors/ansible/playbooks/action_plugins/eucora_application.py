# ruff: noqa: INP001  - Ansible loads plugins from a plain folder, not from a package
"""An Ansible action: one application on one host, installed, taken off or looked for.

Every step is a command over the host's connection; nothing but a POSIX shell is needed there. A module in Python would
cost 0.3 s of processor time per task and host to unpack itself, more than half of what an installation takes (README).

Detection is done by running the application. Commands are split as a shell would split them and run without one.
Placeholders in commands: ``{root}``; ``{environment}``, a folder of the application's own below it; ``{python}``, the
interpreter in that folder; ``{interpreter}``, the host's; ``{artifact}``, ``{application}``, ``{version}``.

Result: ``changed``; ``found``, the version that the application says it has (null: it is not there); ``broken``, why
it is there and does not run (null: it runs, or is not there); ``carries``, whether the host has the version, working or
not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail  # type: ignore[import-untyped]
from ansible.plugins.action import ActionBase  # type: ignore[import-untyped]

ARGUMENTS = {
    "state": {"choices": ["present", "absent", "detected"], "required": True},
    "root": {"required": True},
    "application": {"required": True},
    "version": {"required": True},
    "interpreter": {"required": True},
    "artifact": {},
    "artifact_sha256": {},
    "copy_artifact": {"type": "bool", "default": False},
    "environment_command": {},
    "install_command": {},
    "uninstall_command": {},
    "detect_command": {"required": True},
}

VERSION = re.compile(r"v?(\d+(?:\.\d+)*[0-9A-Za-z.+!-]*)")
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
ABSENT = "eucora: there is no such program"
SAID = 400
"""Characters of a failed command's words that are reported."""


class Answer(NamedTuple):
    """How a command ended, and its words."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        words = (self.err.strip() or self.out.strip())[-SAID:]
        return f"status {self.status}: {words}" if words else f"status {self.status}"


class Found(NamedTuple):
    """What detection saw."""

    version: str | None
    broken: str | None


class Application:
    """One application on one host.

    ``execute`` runs a line of POSIX shell on the host; ``transfer`` copies a file of the controller to a path there.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        *,
        execute: Callable[[str], Answer],
        transfer: Callable[[str, str], None],
    ) -> None:
        self._arguments = arguments
        self._execute = execute
        self._transfer = transfer
        self.version: str = arguments["version"]
        slug = re.sub(r"[^a-z0-9]+", "-", arguments["application"].lower()).strip("-")
        if not slug:
            raise AnsibleActionFail("the application's name has no letter or digit")
        root = PurePosixPath(arguments["root"])
        self._environment = root / "environments" / slug
        # Absent while an installation is under way: an environment without it was left by a run that was cut off,
        # and the package manager's own records in it may be half-written, so it is made again.
        self._whole = self._environment / ".whole"
        artifact = arguments["artifact"] or ""
        if arguments["copy_artifact"]:
            artifact = str(root / "content" / arguments["artifact_sha256"] / PurePosixPath(artifact).name)
        self._placeholders = {
            "root": str(root),
            "environment": str(self._environment),
            "python": str(self._environment / "bin" / "python"),
            "interpreter": arguments["interpreter"],
            "artifact": artifact,
            "application": arguments["application"],
            "version": self.version,
        }

    def carries(self, found: Found) -> bool:
        return found.broken is not None or found.version == self.version

    def detect(self) -> Found:
        program, line = self._command("detect_command")
        answer = self._execute(
            f"if command -v {program} >/dev/null 2>&1 || test -e {program} || test -L {program}; "
            f"then {line}; else echo {shlex.quote(ABSENT)}; fi"
        )
        if answer.status != 0:
            return Found(None, answer.said)
        if answer.out.strip() == ABSENT:
            return Found(None, None)
        words = answer.out.split()
        seen = [match.group(1) for match in map(VERSION.fullmatch, words) if match]
        if self.version in seen or self.version in words:
            return Found(self.version, None)
        return (
            Found(seen[0], None) if seen else Found(None, f"it does not say its version: {answer.out.strip()[:SAID]}")
        )

    def install(self) -> None:
        """Install into an environment that is whole. Raises ``AnsibleActionFail`` with the words of what failed."""
        if self._arguments["copy_artifact"]:
            self._bring()
        environment, whole = shlex.quote(str(self._environment)), shlex.quote(str(self._whole))
        if self._arguments["environment_command"]:
            parent = shlex.quote(str(self._environment.parent))
            _, make = self._command("environment_command")
            made = self._execute(f"test -f {whole} || {{ rm -rf {environment} && mkdir -p {parent} && {make}; }}")
            if made.status != 0:
                raise AnsibleActionFail(f"the environment could not be made: {made.said}")
        _, install = self._command("install_command")
        done = self._execute(f"rm -f {whole} && {install}")
        if done.status != 0:
            if self.detect().broken is None:
                self.mark_whole()  # an upgrade that was refused leaves what was there before
            raise AnsibleActionFail(f"the installation failed: {done.said}")

    def mark_whole(self) -> None:
        environment, whole = shlex.quote(str(self._environment)), shlex.quote(str(self._whole))
        self._execute(f"test ! -d {environment} || : > {whole}")

    def uninstall(self, found: Found) -> tuple[bool, str]:
        """Take it off and remove its environment.

        Returns whether there was anything, and what the command said if it failed. Whether it is off is for detection
        to say.
        """
        environment = shlex.quote(str(self._environment))
        said = ""
        if self.carries(found):
            _, line = self._command("uninstall_command")
            answer = self._execute(line)
            said = "" if answer.status == 0 else answer.said
        left = self._execute(f"if test -d {environment}; then rm -rf {environment} && echo removed; fi")
        return self.carries(found) or "removed" in left.out, said

    def _bring(self) -> None:
        """Copy the artifact to the host unless it is there and whole."""
        sha256, path = self._arguments["artifact_sha256"], PurePosixPath(self._placeholders["artifact"])
        arriving = path.with_name(f".arriving-{path.name}")
        check = "{ sha256sum %s 2>/dev/null || shasum -a 256 %s; } | grep -q ^" + shlex.quote(sha256)
        quoted = {"path": shlex.quote(str(path)), "arriving": shlex.quote(str(arriving))}
        if self._execute(check % (quoted["path"], quoted["path"])).status == 0:
            return
        made = self._execute(f"mkdir -p {shlex.quote(str(path.parent))}")
        if made.status != 0:
            raise AnsibleActionFail(f"the folder of the artifact could not be made: {made.said}")
        self._transfer(self._arguments["artifact"], str(arriving))
        moved = self._execute(
            f"{check % (quoted['arriving'], quoted['arriving'])} && mv {quoted['arriving']} {quoted['path']}"
        )
        if moved.status != 0:
            raise AnsibleActionFail(f"the artifact did not arrive whole: {moved.said}")

    def _command(self, name: str) -> tuple[str, str]:
        """Return the program and the whole line of a command, quoted for a shell, placeholders filled in."""

        def value(match: re.Match[str]) -> str:
            if match.group(1) not in self._placeholders:
                raise AnsibleActionFail(f"{name}: unknown placeholder {match.group(0)}")
            return str(self._placeholders[match.group(1)])

        try:
            words = [PLACEHOLDER.sub(value, word) for word in shlex.split(self._arguments[name] or "")]
        except ValueError as error:
            raise AnsibleActionFail(f"{name}: {error}") from error
        if not words:
            raise AnsibleActionFail(f"{name} is empty")
        return shlex.quote(words[0]), shlex.join(words)


def carry_out(application: Application, state: str, *, check_only: bool) -> dict[str, Any]:
    """Bring the host to the state; returns the action's result. Raises ``AnsibleActionFail`` when it cannot."""
    before = after = application.detect()
    changed = False
    if state == "present" and before != Found(application.version, None):
        changed = True
        if not check_only:
            application.install()
            after = application.detect()
            if after != Found(application.version, None):
                seen = after.broken or after.version or "no application"
                raise AnsibleActionFail(f"installed, and then found {seen}")
            application.mark_whole()
    elif state == "absent" and (application.carries(before) or before.version is None):
        changed = application.carries(before)
        if not check_only:
            changed, said = application.uninstall(before)
            after = application.detect()
            if application.carries(after):
                raise AnsibleActionFail(f"uninstalled, and it is still there; {said or after.broken or after.version}")
    return {
        "changed": changed,
        "found": after.version,
        "broken": after.broken,
        "carries": application.carries(after),
    }


class ActionModule(ActionBase):  # type: ignore[misc]
    """What Ansible calls for the task ``eucora_application``."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(ARGUMENTS)
        application = Application(arguments, execute=self._execute, transfer=self._transfer_file)
        return result | carry_out(application, arguments["state"], check_only=self._task.check_mode)

    def _execute(self, line: str) -> Answer:
        done = self._low_level_execute_command(line)
        return Answer(done["rc"], done["stdout"], done["stderr"])
