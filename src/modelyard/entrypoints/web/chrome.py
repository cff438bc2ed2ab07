"""What surrounds every page: who looks at it, where it stands, how it is navigated, what the reader prefers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from markupsafe import Markup

COOKIE_PREFIX = "modelyard_"
CHOICES = {
    "theme": ("system", "light", "dark"),
    "density": ("default", "compact", "comfortable"),
    "sidebar": ("open", "collapsed"),
    "shortcuts": ("on", "off"),
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one reader chose for one browser, each one of `CHOICES`."""

    theme: str = "system"
    density: str = "default"
    sidebar: str = "open"
    shortcuts: str = "on"

    def attributes(self) -> Markup:
        """The choices that differ from the usual, as attributes of `<html>`."""
        chosen = ((name, getattr(self, name)) for name in CHOICES)
        return Markup().join(
            Markup(' data-{}="{}"').format(name, value) for name, value in chosen if value != CHOICES[name][0]
        )


def preferences_from(cookies: Mapping[str, str]) -> Preferences:
    """The preferences in a browser's cookies; anything unknown counts as not chosen."""
    found = {name: cookies.get(COOKIE_PREFIX + name, "") for name in CHOICES}
    return Preferences(**{name: value for name, value in found.items() if value in CHOICES[name]})


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person."""

    name: str
    username: str
    is_administrator: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A crumb, tab or item of the navigation. `count` None shows none."""

    label: str
    url: str
    icon: str = "circle"
    count: int | None = None
    current: bool = False
    shortcut: str = ""


@dataclass(frozen=True, slots=True)
class NavigationSection:
    """Links of the sidebar under one heading; without a label, under none."""

    label: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The project, group or home that a page belongs to, with its navigation. `kind` is project, group or home."""

    kind: str
    name: str
    url: str
    sections: tuple[NavigationSection, ...] = ()


@dataclass(frozen=True, slots=True)
class Toast:
    """A sentence about what just happened, with a link to it or a way back."""

    text: str
    link_label: str = ""
    link_url: str = ""
    undo_label: str = ""
    undo_url: str = ""
    failed: bool = False


HOME = Surroundings(
    "home",
    "Home",
    "/",
    (
        NavigationSection("", (Link("Projects", "/", "layout-dashboard", shortcut="g h"),)),
        NavigationSection(
            "Your account",
            (
                Link("Preferences", "/-/user_settings/preferences", "sliders-horizontal"),
                Link("Access tokens", "/-/user_settings/personal_access_tokens", "key-round"),
            ),
        ),
    ),
)
USERS = "/admin/users"
NEW_USER = USERS + "/new"
ADMINISTRATION = NavigationSection("Administration", (Link("Users", USERS, "users", shortcut="g u"),))
CREATE_LINKS = (Link("Project", "/projects/new", "box"), Link("Group", "/groups/new", "folder-plus"))


def as_seen_by(viewer: Viewer | None, place: Surroundings, path: str) -> Surroundings:
    """Home has, for administrators, what only they may open; other places are as they are."""
    if place.kind != "home" or viewer is None or not viewer.is_administrator:
        return place
    links = tuple(replace(link, current=path.startswith(link.url)) for link in ADMINISTRATION.links)
    return replace(place, sections=(*place.sections, replace(ADMINISTRATION, links=links)))


@dataclass(frozen=True, slots=True)
class Shell:
    """Everything that the layouts need beside a page's own content."""

    title: str
    path: str
    csrf_token: str
    nonce: str
    viewer: Viewer | None = None
    place: Surroundings = HOME
    crumbs: tuple[Link, ...] = ()
    preferences: Preferences = Preferences()
    toasts: tuple[Toast, ...] = ()
    create_links: tuple[Link, ...] = CREATE_LINKS


@dataclass(frozen=True, slots=True)
class FormState:
    """What stands in a form's fields and what is wrong with it, by field; `problem` concerns the whole of it."""

    values: Mapping[str, object] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
