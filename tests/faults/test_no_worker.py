"""No worker runs: what is asked is kept, asked twice it is kept once, and it is done when a worker starts."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import pytest

from tests.faults.live import Live, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@dataclass(kw_only=True)
class Absence:
    """What the API answered while no worker ran, and the deployments concerned: both have ended since."""

    posts: list[httpx.Response] = field(default_factory=list)
    look: httpx.Response
    votes: list[httpx.Response] = field(default_factory=list)
    look_at_vote: httpx.Response
    look_at_vote_later: httpx.Response
    holds: list[httpx.Response] = field(default_factory=list)

    @property
    def submitted(self) -> str:
        return str(self.posts[0].json()["deployment_id"])

    @property
    def voted_on(self) -> str:
        return str(self.votes[0].json()["review_id"]).partition(".")[0]


@pytest.fixture(scope="module")
def absence(live: Live) -> Absence:
    reviewed = live.begin("Voted on without a worker", board=True)
    live.review(reviewed)
    live.behave("Submitted without a worker")
    request = live.request("Submitted without a worker")
    with live.without("worker"):
        posts = [live.petra.post("/deployments", request, key="without-a-worker") for _ in range(2)]
        location = posts[0].headers["location"].removeprefix("/api/v1")
        look = live.petra.get(location)
        votes = [live.vote(reviewed, "cab-anna", key="annas-vote") for _ in range(2)]
        vote = votes[0].headers["location"].removeprefix("/api/v1")
        look_at_vote = live.as_("cab-anna").get(vote)
        holds = [_hold(live, reviewed)]
    holds.append(wait_for("the hold to be answered", lambda: _ok(_hold(live, reviewed))))
    live.petra.post(f"/deployments/{reviewed}/release", {"why": "somebody is there"}).raise_for_status()
    later = wait_for("the vote to be judged", lambda: _ok(live.as_("cab-anna").get(vote)))
    for deployment in (posts[0].json()["deployment_id"], reviewed):
        live.until(deployment, "COMPLETED")
    return Absence(
        posts=posts, look=look, votes=votes, look_at_vote=look_at_vote, look_at_vote_later=later, holds=holds
    )


def _hold(live: Live, deployment: str) -> httpx.Response:
    return live.petra.post(f"/deployments/{deployment}/hold", {"why": "nobody is there"}, key="petras-hold")


def _ok(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


def test_a_submission_is_kept_and_has_an_address(absence: Absence) -> None:
    answer = absence.posts[0]
    assert (answer.status_code, answer.json()["outcome"], answer.json()["state"]) == (202, "pending", "PENDING")
    assert answer.headers["location"] == f"/api/v1/deployments/{absence.submitted}"


def test_the_address_answers_before_anybody_has_begun(absence: Absence) -> None:
    assert (absence.look.status_code, absence.look.json()["deployment_id"]) == (202, absence.submitted)


def test_the_same_submission_again_is_the_same_deployment(absence: Absence) -> None:
    assert [answer.status_code for answer in absence.posts] == [202, 202]
    assert absence.posts[1].json() == absence.posts[0].json()


def test_what_was_submitted_proceeds_once_when_a_worker_starts(live: Live, absence: Absence) -> None:
    assert len(live.events(absence.submitted, "DEPLOYMENT_CREATED")) == 1
    assert live.amiss(absence.submitted) == []


def test_a_vote_is_kept_and_has_an_address(absence: Absence) -> None:
    answer = absence.votes[0]
    assert (answer.status_code, answer.json()["outcome"]) == (202, "pending")
    assert answer.headers["location"].endswith(f"/votes/{answer.json()['message_id']}")


def test_the_votes_address_says_that_it_is_not_judged_yet(absence: Absence) -> None:
    assert (absence.look_at_vote.status_code, absence.look_at_vote.json()["code"]) == (404, "vote_not_recorded")


def test_the_same_vote_again_is_the_same_vote(absence: Absence) -> None:
    assert absence.votes[1].status_code == 202
    assert absence.votes[1].json() == absence.votes[0].json()


def test_the_vote_counts_once_when_a_worker_starts(live: Live, absence: Absence) -> None:
    votes = live.events(absence.voted_on, "CAB_VOTED", "CAB_VOTE_REFUSED")
    assert [(event["type"], event["actor"]) for event in votes] == [("CAB_VOTED", "cab-anna")]


def test_the_votes_address_tells_its_outcome_then(absence: Absence) -> None:
    answer = absence.look_at_vote_later.json()
    assert (answer["outcome"], answer["voter"]) == ("accepted", "cab-anna")
    assert answer["message_id"] == absence.votes[0].json()["message_id"]


def test_a_deployment_that_waited_for_the_vote_goes_on(live: Live, absence: Absence) -> None:
    assert live.amiss(absence.voted_on) == []


def test_a_control_cannot_be_answered_and_says_so(absence: Absence) -> None:
    """Controls are answered at once with yes or no; nobody is there to say either."""
    answer = absence.holds[0]
    assert (answer.status_code, answer.json()["code"]) == (503, "no_worker")
    assert int(answer.headers["retry-after"]) >= 1


def test_the_same_control_again_counts_once(live: Live, absence: Absence) -> None:
    """The engine may have kept the first one, and may not: the caller repeats it with its key and need not know."""
    assert absence.holds[1].status_code == 200
    assert len(live.events(absence.voted_on, "DEPLOYMENT_HELD")) == 1
