"""Errors of eucora: one class per thing that a caller would do differently.

    EucoraError                     every error of ours; stable ``code``, human ``sentence``, optional ``field``
    ├── InvalidInput                mend the input and send it again                    (HTTP 422)
    │   └── TooLarge                send less                                           (HTTP 413)
    ├── Unauthenticated             sign in                                             (HTTP 401)
    ├── Forbidden                   somebody with another role or scope must do it      (HTTP 403)
    ├── NotFound                    it does not exist, or not for you                   (HTTP 404)
    ├── Conflict                    it clashes with something that stands               (HTTP 409)
    ├── Refused                     a rule of governance says no                        (HTTP 409)
    ├── Unavailable                 try again after ``retry_after``                     (HTTP 503)
    └── PlaneError                  an execution plane did not do it (domain.md §12)
        ├── PlaneTransient          try again                                           TRANSIENT
        │   ├── PlaneThrottled      try again after ``retry_after``                     TRANSIENT
        │   └── UnknownOutcome      look by marker before doing it again                TRANSIENT
        ├── PlanePermanent          trying again cannot help                            PERMANENT
        │   ├── PlaneNotFound       the object or target does not exist                 PERMANENT
        │   ├── PlaneConflict       something of that name is not ours                  PERMANENT
        │   └── PlaneInvalid        the plane refused the request as malformed          PERMANENT
        └── PlanePolicyViolation    credential, permission or scope                     POLICY_VIOLATION
            ├── PlaneAuth           the credential was refused
            └── PlanePermission     the credential lacks a permission

Write ``except PlaneTransient`` to retry; everything else of ``PlaneError`` is final for that attempt's inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eucora.domain.vocabulary import ErrorClass

if TYPE_CHECKING:
    from datetime import timedelta


class EucoraError(Exception):
    """An error with a stable ``code`` (snake_case), a ``sentence`` that says what to do, and the ``field`` at fault."""

    code: str = "error"

    def __init__(self, sentence: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        if code is not None:
            self.code = code

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code!r}, sentence={self.sentence!r}, field={self.field!r})"


class InvalidInput(EucoraError):
    """The input is wrong; ``field`` names where."""

    code = "invalid_input"


class TooLarge(InvalidInput):
    """The input is over a limit; the sentence names the limit."""

    code = "too_large"


class Unauthenticated(EucoraError):
    """No valid credential came with the request."""

    code = "unauthenticated"


class Forbidden(EucoraError):
    """The caller is known but lacks the role or scope that the sentence names."""

    code = "forbidden"


class NotFound(EucoraError):
    """The thing does not exist for this caller."""

    code = "not_found"


class Conflict(EucoraError):
    """The request clashes with something that stands; the sentence names its holder."""

    code = "conflict"


class Refused(EucoraError):
    """A rule of governance says no; the code names the rule."""

    code = "refused"


class Unavailable(EucoraError):
    """A part of the system does not answer now; try again after ``retry_after``."""

    code = "unavailable"

    def __init__(self, sentence: str, *, retry_after: timedelta, code: str | None = None) -> None:
        super().__init__(sentence, code=code)
        self.retry_after = retry_after


class PlaneError(EucoraError):
    """An execution plane did not do what was asked."""

    code = "plane_error"
    error_class: ErrorClass = ErrorClass.PERMANENT

    def __init__(
        self, sentence: str, *, code: str | None = None, field: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(sentence, code=code, field=field)
        self.request_id = request_id


class PlaneTransient(PlaneError):
    """A timeout, a reset before the request was sent, a 503: trying again may help."""

    code = "plane_transient"
    error_class = ErrorClass.TRANSIENT


class PlaneThrottled(PlaneTransient):
    """The plane asked for patience."""

    code = "plane_throttled"

    def __init__(self, sentence: str, *, retry_after: timedelta | None, request_id: str | None = None) -> None:
        super().__init__(sentence, request_id=request_id)
        self.retry_after = retry_after


class UnknownOutcome(PlaneTransient):
    """The answer to a call that is not idempotent was lost: look by marker before repeating it."""

    code = "plane_unknown_outcome"


class PlanePermanent(PlaneError):
    """Trying again with the same input cannot help."""

    code = "plane_permanent"


class PlaneNotFound(PlanePermanent):
    """The object, group or device does not exist on the plane."""

    code = "plane_not_found"


class PlaneConflict(PlanePermanent):
    """An object of that name exists on the plane and is not ours."""

    code = "plane_conflict"


class PlaneInvalid(PlanePermanent):
    """The plane refused the request as malformed."""

    code = "plane_invalid"


class PlanePolicyViolation(PlaneError):
    """The credential or its scope does not allow the call; never retried."""

    code = "plane_policy_violation"
    error_class = ErrorClass.POLICY_VIOLATION


class PlaneAuth(PlanePolicyViolation):
    """The plane refused the credential."""

    code = "plane_auth"


class PlanePermission(PlanePolicyViolation):
    """The credential is valid and lacks a permission."""

    code = "plane_permission"
