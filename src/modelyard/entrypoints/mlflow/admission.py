"""Who asks, in which project, and whether they may: what every route of the MLflow protocol begins with."""

from collections.abc import Callable

from modelyard.domains.namespaces.access import check
from modelyard.entrypoints.request import Admission, Installation, Policy, credentials_of
from modelyard.platform.errors import NotFound, Unauthenticated
from modelyard.platform.http import Headers

WORKSPACE_HEADER = b"x-mlflow-workspace"


def identify(headers: Headers, reference: bytes) -> tuple[bytes, bytes]:
    """The credentials that headers carry, and the name of the project (empty: the token's default)."""
    credentials = b""
    workspace = b""
    for name, value in headers:
        if name == b"authorization":
            credentials = value
        elif name == b"private-token" and not credentials:
            credentials = b"Bearer " + value
        elif name == WORKSPACE_HEADER and not reference:
            workspace = value
    return credentials, reference or workspace


def check_policy(policy: Policy, admission: Admission) -> None:
    """Refuse who has not the ability that a route declares, before anything of their request is looked at.

    Raises:
        NotFound, Forbidden
    """
    if policy.ability is not None:
        check(admission.standing, policy.ability)


def counted(installation: Installation, peer: str, headers: Headers, find: Callable[[], Admission]) -> Admission:
    """What `find` finds out about who asks, and the request counted.

    Raises:
        Unauthenticated, NotFound: of `find`.
        LimitReachedError: they ask too often.
    """
    try:
        admission = find()
    except Unauthenticated:
        installation.count_stranger(peer, headers)
        raise
    if admission.actor.is_anonymous:
        installation.count_stranger(peer, headers)
    if installation.limits.has_tracking:
        installation.limits.count_tracking(admission)
    return admission


def admission_of(installation: Installation, credentials: bytes, reference: bytes) -> Admission:
    """Who asks and where; looks it up unless it was known a moment ago.

    Raises:
        Unauthenticated: nobody who may is named.
        NotFound: the project.
    """
    known = installation.known_admission(credentials, reference)
    if known is not None:
        return known
    with installation.database.read() as session:
        actor = installation.authenticate(session, credentials_of(credentials.decode("latin-1")))
        try:
            return installation.admit(session, actor, credentials, reference)
        except NotFound:
            if actor.is_anonymous:
                raise Unauthenticated(
                    "Set MLFLOW_TRACKING_TOKEN to an access token; make one in Modelyard under Access tokens."
                ) from None
            raise
