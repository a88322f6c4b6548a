"""The four deployments of the demo, and what must be true of each when it has ended.

A  a real command-line application, by Ansible, into five rings of local hosts                      -> COMPLETED
B  a privileged application on two planes, approved twice under conditions, worker killed in PILOT  -> COMPLETED
C  a release that fails in CANARY                                                                   -> ROLLED_BACK
D  an application that the change advisory board rejects before CANARY                              -> REJECTED
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from eucora.cli import render
from eucora.cli.errors import ApiRefused
from eucora.cli.manifest import LoadedManifest
from eucora.cli.submission import create_pack, idempotency_key, submit
from eucora.cli.watch import find_deployment, open_review
from eucora.demo import people
from eucora.demo.board import Board, Track
from eucora.demo.ledgers import Fleet, ansible_effects, duplicated, missing_effects
from eucora.demo.people import Desk
from eucora.domain.states import FINAL
from eucora.domain.vocabulary import ApprovalTier, DeploymentState
from models.wire.cab import ReviewView
from models.wire.deployments import DeploymentView, EventView, Submission

__all__ = ["EXPECTED", "Interrupted", "Scenario", "Setting", "bad_release", "command_line", "privileged", "rejected"]

EXPECTED: Final[Mapping[str, DeploymentState]] = {
    "A": DeploymentState.COMPLETED,
    "B": DeploymentState.COMPLETED,
    "C": DeploymentState.ROLLED_BACK,
    "D": DeploymentState.REJECTED,
}
SECONDS: Final = 240.0
"""A scenario that has not ended by then has failed."""
LOOK: Final = 0.5
OTHERS_SECONDS: Final = 60.0
BAD_RELEASE: Final = {"groups": {"canary": {"success_rate": 0.4, "latency": [0.5, 1.5], "retry_delay": 0.3}}}
"""How scenario C's release behaves: well, but for CANARY's devices, of which six in ten refuse it."""


GOOD_RELEASE: Final = {"latency": [0.4, 2.0], "offline": {"intermittent": [2.0, 0.5], "air_gapped": [3.0, 0.6]}}
"""How scenario B's release behaves: as others, with shorter days at sea for the devices that are not always online."""


class Interrupted(Exception):
    """The demo is being stopped."""


class TooSlow(Exception):
    """A scenario did not get where it should be in time."""


@dataclass(slots=True, kw_only=True)
class Setting:
    """What all scenarios share. ``kill_worker`` kills and restarts the worker and returns (pid before, pid after)."""

    board: Board
    desk: Desk
    fleet: Fleet
    manifests: Mapping[str, LoadedManifest]
    ansible_state: Path
    hosts: Path
    kill_worker: Callable[[Callable[[], None]], tuple[int, int]]
    stop: threading.Event


class Scenario:
    """One deployment from its manifest to its end, watched by an auditor."""

    def __init__(self, setting: Setting, letter: str) -> None:
        self.setting = setting
        self.letter = letter
        self.loaded = setting.manifests[letter]
        self.rings = {name: tuple(planes) for name, planes in self.loaded.manifest.rings.items()}
        application = self.loaded.manifest.application
        title = f"{application.name} {application.version} on {', '.join(self.loaded.manifest.planes)}"
        self.track: Track = setting.board.track(letter, title)
        self.deployment = ""
        self._deadline = time.monotonic() + SECONDS

    def claim(self, sentence: str, *, true: bool) -> None:
        """Write down something that must be true."""
        self.setting.board.claim(self.letter, sentence, true=true)

    def note(self, sentence: str) -> None:
        """Say what happens."""
        self.setting.board.note(self.track, sentence)

    def submit(self) -> None:
        """Evidence by the packaging engineer, submission by a publisher: two people."""
        author, submitter = self.setting.desk.of(people.AUTHOR), self.setting.desk.of(people.SUBMITTER)
        pack = create_pack(author, self.loaded)
        self.note(f"evidence sealed by {people.AUTHOR}: pack {pack.pack_digest[:12]}")
        key = idempotency_key(self.loaded, pack_digest=pack.pack_digest, person=people.SUBMITTER)
        answer = submit(submitter, self.loaded, pack_digest=pack.pack_digest, key=key)
        self.deployment = answer.deployment_id
        score = "" if answer.risk_score is None else f", score {answer.risk_score}, {answer.tier}"
        self.note(f"submitted by {people.SUBMITTER}: {answer.deployment_id}{score}")

    def look(self) -> DeploymentView | None:
        """How the deployment stands; None while nothing is recorded yet."""
        client = self.setting.desk.of(people.AUDITOR)
        try:
            view = find_deployment(client, self.deployment)
        except ApiRefused as error:
            if error.problem.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        if isinstance(view, Submission):
            return None
        waiting = view.state is DeploymentState.AWAITING_CAB
        self.setting.board.seen(self.track, view, open_review(client, view.id) if waiting else None)
        return view

    def until(self, what: str, reached: Callable[[DeploymentView], bool], *, pause: float = LOOK) -> DeploymentView:
        """Watch until ``reached``. Raises :class:`TooSlow`, also when the deployment ends before."""
        while True:
            if self.setting.stop.is_set():
                raise Interrupted
            view = self.look()
            if view is not None and reached(view):
                return view
            if view is not None and view.state in FINAL:
                raise TooSlow(f"ended {view.state.value} before {what}: {view.reason.sentence}")
            if time.monotonic() > self._deadline:
                standing = "nothing recorded" if view is None else f"{view.state.value}: {view.reason.sentence}"
                raise TooSlow(f"not there after {SECONDS:.0f} s: {what}; it stands at {standing}")
            self.setting.stop.wait(pause)

    def end(self) -> DeploymentView:
        """Watch to the end, and claim that it is the expected one."""
        view = self.until("its end", lambda seen: seen.state in FINAL)
        wanted = EXPECTED[self.letter]
        reason = "" if view.state is wanted else f" (it is {view.state.value}: {view.reason.sentence})"
        self.claim(f"ended {wanted.value}{reason}", true=view.state is wanted)
        self.note(f"ended {view.state.value}")
        return view

    def review(self, ring: str) -> ReviewView:
        """Wait for the review before ``ring`` to be open for votes."""

        def is_open(_view: DeploymentView) -> bool:
            review = self.track.review
            return review is not None and review.ring == ring and review.status == "open"

        self.until(f"the review before {ring}", is_open, pause=0.3)
        if self.track.review is None:
            raise TooSlow(f"the review before {ring} closed before anybody voted")
        return self.track.review

    def wait_for_others(self, letters: tuple[str, ...]) -> None:
        """Return when those scenarios have ended, or are late.

        What the kill below interrupts is found again after a heartbeat timeout, which may be longer than the seconds in
        which C must breach: the kill shall prove B, and not test C's patience.
        """
        late = time.monotonic() + OTHERS_SECONDS
        while time.monotonic() < late and not self.setting.stop.is_set():
            views = [self.setting.board.tracks[letter].view for letter in letters]
            if all(view is not None and view.state in FINAL for view in views):
                return
            self.look()
            self.setting.stop.wait(LOOK)

    def vote(self, person: str, decision: str, review: ReviewView, body: Mapping[str, Any]) -> None:
        """Cast a vote on the pack that the review shows."""
        path = f"/cab/{review.id}/{decision}"
        vote = {"pack_digest": review.evidence_pack, **body}
        _, answer = self.setting.desk.of(person).post(path, vote, key=f"{review.id}-{person}")
        self.note(f"{person}: {answer['decision']} before {review.ring} ({answer['outcome']})")

    def events(self) -> list[EventView]:
        """The deployment's facts."""
        client = self.setting.desk.of(people.AUDITOR)
        return [EventView.model_validate(item) for item in client.pages(f"/deployments/{self.deployment}/events")]


def command_line(scenario: Scenario) -> None:
    """A: installed by Ansible on every host of five rings, and found there by running it."""
    scenario.submit()
    view = scenario.end()
    tier = view.risk.tier if view.risk else "none"
    score = view.risk.score if view.risk else None
    scenario.claim(f"approved by the system: score {score}, tier {tier}", true=tier == ApprovalTier.AUTOMATED.value)
    effects = [one for one in ansible_effects(scenario.setting.ansible_state) if one.deployment == view.id]
    _exactly_once(scenario, effects)
    hosts = sorted((scenario.setting.hosts / "hosts").iterdir())
    wanted = scenario.loaded.manifest.application.version
    wrong = [host.name for host in hosts if _version_on(host) != wanted]
    scenario.claim(
        f"codespell {wanted} answers on {len(hosts) - len(wrong)} of {len(hosts)} hosts"
        + (f", not on {', '.join(wrong)}" if wrong else ""),
        true=bool(hosts) and not wrong,
    )


def privileged(scenario: Scenario) -> None:
    """B: two conditional approvals, and a worker killed with SIGKILL while PILOT is under way."""
    application = scenario.loaded.manifest.application
    scenario.setting.fleet.behave(application.name, application.version, GOOD_RELEASE)
    scenario.submit()
    canary = scenario.review("CANARY")
    conditions = {"min_success_rate": 97, "rollback_below": 80, "text": "watch the start-up time on Macs"}
    scenario.vote(people.APPROVER, "approve", canary, {"comment": "after LAB", "conditions": conditions})
    pilot = scenario.review("PILOT")
    scenario.wait_for_others(("C", "D"))
    conditions = {"min_success_rate": 97, "max_ring": "GLOBAL"}
    scenario.vote(people.SECOND_APPROVER, "approve", pilot, {"comment": "after CANARY", "conditions": conditions})
    scenario.until("PILOT under way", lambda seen: _under_way(seen, "PILOT"), pause=0.1)
    caught: list[DeploymentView | None] = []
    killed_at = time.time()
    before, after = scenario.setting.kill_worker(lambda: caught.append(scenario.look()))
    seen = caught[0] if caught else None
    scenario.note(f"worker {before} killed with SIGKILL in PILOT, worker {after} took over")
    scenario.claim(
        f"the worker was killed while PILOT was under way, and is another process now ({before} -> {after})",
        true=before != after and seen is not None and _under_way(seen, "PILOT"),
    )
    view = scenario.end()
    events = scenario.events()
    _approved_by_others(scenario, view, events)
    resumed = [event.at.timestamp() for event in events if event.at.timestamp() > killed_at]
    if resumed:
        scenario.note(f"the first fact after the kill came {min(resumed) - killed_at:.1f} s later")
    score = view.risk.score if view.risk else 0
    scenario.claim(f"scored {score}, above 50", true=score > 50)
    rehearsed = {event.plane for event in events if event.type == "ROLLBACK_REHEARSED" and event.payload["succeeded"]}
    scenario.claim(
        f"the rollback was rehearsed in LAB on {', '.join(sorted(map(str, rehearsed))) or 'no plane'}",
        true=rehearsed == set(scenario.rings["LAB"]),
    )
    targeted = sum(plane.targeted for ring in view.rings for plane in ring.planes)
    scenario.claim(f"{targeted} devices were targeted", true=targeted == 2000)
    _exactly_once(scenario, scenario.setting.fleet.effects(view.id))


def bad_release(scenario: Scenario) -> None:
    """C: breaches CANARY's gate before any deadline, and is taken back everywhere."""
    application = scenario.loaded.manifest.application
    scenario.setting.fleet.behave(application.name, application.version, BAD_RELEASE)
    scenario.submit()
    view = scenario.end()
    events = scenario.events()
    promoted = [event.payload.get("to_ring") for event in events if event.type == "RING_PROMOTED"]
    scenario.claim("LAB passed and CANARY was the last ring", true=promoted == ["CANARY"])
    started = _first(events, "RING_STARTED", "CANARY")
    breach = next((event.at for event in events if event.type == "GATE_EVALUATED" and _breached(event, "CANARY")), None)
    window = _window(events, "CANARY")
    in_time = started is not None and breach is not None and breach < started + window
    after = (breach - started).total_seconds() if started and breach else 0.0
    scenario.claim(
        f"the breach was known {after:.1f} s after CANARY began, before its deadline of {window.total_seconds():.0f} s",
        true=in_time,
    )
    _taken_back(scenario, view, events, rings=("LAB", "CANARY"))


def rejected(scenario: Scenario) -> None:
    """D: nothing beyond LAB is touched, and LAB is taken back."""
    scenario.submit()
    canary = scenario.review("CANARY")
    scenario.vote(people.REJECTER, "reject", canary, {"comment": "offers files to the whole network; not like this"})
    view = scenario.end()
    events = scenario.events()
    rings = {effect.ring for effect in scenario.setting.fleet.effects(view.id)}
    scenario.claim(
        f"the ledger shows {', '.join(sorted(rings)) or 'no ring'} and nothing beyond LAB", true=rings == {"LAB"}
    )
    _taken_back(scenario, view, events, rings=("LAB",))


def _under_way(view: DeploymentView, ring: str) -> bool:
    """Whether the ring has started and is the last one that did, and its gate has not let the rollout pass."""
    current = render.running_ring(view)
    return current is not None and current.name == ring and current.promoted_at is None and view.state not in FINAL


def _approved_by_others(scenario: Scenario, view: DeploymentView, events: list[EventView]) -> None:
    approvals = [event for event in events if event.type == "CAB_CONDITIONAL"]
    approvers = [name for event in approvals for name in event.payload["approvers"]]
    scenario.claim(
        f"approved twice, under conditions, by {' and '.join(approvers) or 'nobody'}, "
        f"who neither submitted ({view.requester}) nor made the evidence ({view.author})",
        true=len(approvals) == 2 and not {view.requester, view.author} & set(approvers) and bool(approvers),
    )


def _exactly_once(scenario: Scenario, effects: list[Any]) -> None:
    twice, missing = duplicated(effects), missing_effects(effects, rings=scenario.rings)
    trouble = [f"{one.ring}/{one.plane}/{one.operation} {one.applied} times" for one in twice] + missing
    planes = ", ".join(scenario.loaded.manifest.planes)
    sentence = f"the ledger of {planes} shows every effect exactly once ({len(effects)} effects)"
    scenario.claim(sentence + (f"; not so: {'; '.join(trouble)}" if trouble else ""), true=not trouble)


def _taken_back(scenario: Scenario, view: DeploymentView, events: list[EventView], *, rings: tuple[str, ...]) -> None:
    """Every touched ring and plane was rolled back and verified, and the fleet's ledger shows the removals."""
    wanted = {(ring, plane) for ring in rings for plane in scenario.rings[ring]}
    verified = {
        (str(event.ring), str(event.plane))
        for event in events
        if event.type == "PLANE_ROLLED_BACK" and event.payload["clean"] == event.payload["targeted"] > 0
    }
    ordered = {
        (effect.ring, effect.plane)
        for effect in scenario.setting.fleet.effects(view.id)
        if effect.operation == "roll_back"
    }
    scenario.claim(
        f"taken back and verified on every plane of {' and '.join(rings)} ({len(verified)} of {len(wanted)})",
        true=verified == wanted and ordered == wanted,
    )


def _first(events: list[EventView], kind: str, ring: str) -> datetime | None:
    return next((event.at for event in events if event.type == kind and event.ring == ring), None)


def _breached(event: EventView, ring: str) -> bool:
    return event.ring == ring and event.payload.get("result") == "BREACH"


def _window(events: list[EventView], ring: str) -> timedelta:
    """The shortest time to compliance of a ring, as its plan says."""
    plan: Mapping[str, Any] = events[0].payload["plan"]
    gate = next(one["gate"] for one in plan["rings"] if one["name"] == ring)
    return timedelta(seconds=min(gate["compliance"].values()))


def _version_on(host: Path) -> str:
    """What the application on a host says its version is; empty when it does not run."""
    program = host / "environments" / "codespell" / "bin" / "codespell"
    try:
        done = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
