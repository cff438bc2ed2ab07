"""What server this is."""

from pydantic import Field

import modelyard
from modelyard.entrypoints.request import SIGNED_IN
from modelyard.entrypoints.rest.fields import Answer
from modelyard.entrypoints.rest.router import Asking, Routes

# A release is its own revision; there is no other name for what is running.
REVISION = f"v{modelyard.__version__}"

routes = Routes("Version")


class Version(Answer):
    """Which Modelyard this is. It does not pretend to be a version of GitLab."""

    version: str = modelyard.__version__
    revision: str = REVISION


class Kas(Answer):
    """GitLab's agent for Kubernetes, which there is none of here."""

    enabled: bool = False
    external_url: str | None = Field(default=None, serialization_alias="externalUrl")
    version: str | None = None


class Metadata(Version):
    """The same with what GitLab's clients ask about editions and agents."""

    kas: Kas = Kas()
    enterprise: bool = False


@routes.get("/version", policy=SIGNED_IN, answer=Version)
def get_version(asked: Asking) -> Version:  # noqa: ARG001  # every handler asks
    """Tell the version of this server."""
    return Version()


@routes.get("/metadata", policy=SIGNED_IN, answer=Metadata)
def get_metadata(asked: Asking) -> Metadata:  # noqa: ARG001  # every handler asks
    """Tell the version and the edition of this server."""
    return Metadata()
