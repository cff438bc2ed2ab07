"""The product's own errors. Each way in translates them once, in one table.

The message is a sentence for the person who made the request: what is wrong and what to do about it.
"""


class ModelyardError(Exception):
    """Something the person who asked can be told about."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(ModelyardError):
    """Nobody is signed in, or the credentials are wrong, expired or revoked."""


class Forbidden(ModelyardError):
    """The actor may see this, but may not do that to it."""


class InsufficientScope(Forbidden):
    """The actor may do it, but the token they use may not. `scopes` are those that would do."""

    def __init__(self, message: str, *, scopes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.scopes = scopes


class NotFound(ModelyardError):
    """It is not there, or the actor may not know that it is."""


class Hidden(NotFound):
    """A place that is not there for this actor: whether it is for others, nobody may learn from the answer."""


class Conflict(ModelyardError):
    """Another thing has the name, or the thing is in a state that does not allow this."""


class Invalid(ModelyardError):
    """The request cannot be understood or breaks a rule."""


class TooLarge(Invalid):
    """More bytes or more items than are accepted at once."""


class Busy(ModelyardError):
    """Refused before any work was done; the same request may be sent again.

    `retry_after_s` is what the answer's Retry-After header says.
    """

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Contended(Busy):
    """Others hold something that this would change, and did not let it go in time."""


class Unavailable(ModelyardError):
    """A part that is needed is away, and it is not known whether the work was done."""


class UnknownOutcome(Unavailable):
    """A commit was begun and not answered: doing it again could do it twice."""
