"""Names that users give: paths of files inside a package, names and versions of packages.

A path is a name in a row and never touches a file system of ours; but clients write files under it, so it must be safe
for them too.
"""

import re
import unicodedata
from urllib.parse import unquote

from modelyard.platform.errors import Invalid

# What stands in a text for bytes that were none.
UNREADABLE = "\ufffd"
MOST_PATH_BYTES = 1024
MOST_SEGMENT_BYTES = 255
MOST_NAME_LENGTH = 255
MOST_DECODINGS = 10
GENERIC_NAME = re.compile(r"[A-Za-z0-9._+~@-]+")
# What clients take for a place outside the folder they write to: a drive, a file: address.
ELSEWHERE = re.compile(r"[A-Za-z]:|file:", re.IGNORECASE)
# Lines and directions in a name make it look like another one.
DECEPTIVE = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
RULE = (
    "A path has folders and a file name with '/' between them, none of them empty, '.' or '..', "
    "and no backslash, '#' or control character."
)


def file_path(text: str) -> str:
    """`text` in its one spelling, as it is stored: Unicode NFC.

    Raises:
        Invalid: it is not the name of a file, or clients would take it for another place.
    """
    try:
        path = unicodedata.normalize("NFC", text)
        size_bytes = len(path.encode())
    except UnicodeEncodeError:
        raise Invalid("A path is Unicode text.") from None
    if UNREADABLE in path:
        raise Invalid("A path is Unicode text.")
    if size_bytes > MOST_PATH_BYTES:
        raise Invalid(f"A path has at most {MOST_PATH_BYTES} bytes, this one has {size_bytes}.")
    for segment in path.split("/"):
        if len(segment.encode()) > MOST_SEGMENT_BYTES:
            raise Invalid(f"Each folder and file name in a path has at most {MOST_SEGMENT_BYTES} bytes.")
        if segment == "":
            raise Invalid(f"The path {_shown(path)} is not valid. {RULE}")
    _refuse_escapes(path)
    return path


def _refuse_escapes(path: str) -> None:
    """Refuse what leads elsewhere, now or after the decodings that clients and proxies may add."""
    decoded = path
    for _ in range(MOST_DECODINGS):
        if any(_leads_elsewhere(segment) for segment in decoded.split("/")) or decoded.startswith("/"):
            raise Invalid(f"The path {_shown(path)} is not valid. {RULE}")
        further = unquote(decoded)
        if further == decoded:
            return
        decoded = further
    raise Invalid(f"The path {_shown(path)} is encoded too many times.")


def _leads_elsewhere(segment: str) -> bool:
    return (
        segment in {".", ".."}
        or ELSEWHERE.match(segment) is not None
        or any(
            character in "\\#" or character in DECEPTIVE or unicodedata.category(character) == "Cc"
            for character in segment
        )
    )


def _shown(path: str) -> str:
    return ascii(path if len(path) <= MOST_SEGMENT_BYTES else path[:MOST_SEGMENT_BYTES] + "…")


def folder_path(text: str) -> str:
    """A folder's path as files are stored below it; the empty text is the package itself.

    Raises:
        Invalid
    """
    return file_path(text) if text else ""


def folded(path: str) -> str:
    """What two paths have in common that some file systems take for the same.

    Source: The Unicode Standard, 3.13, compatibility caseless match (D146).
    """
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", path).casefold())
    return unicodedata.normalize("NFKD", once.casefold())


def ancestors(path: str) -> list[str]:
    """The folders that a path lies in, the outermost first."""
    names = path.split("/")
    return ["/".join(names[:depth]) for depth in range(1, len(names))]


def package_name(text: str) -> str:
    """The name of a generic package.

    Raises:
        Invalid
    """
    return _generic(text, "package name")


def package_version(text: str) -> str:
    """The version of a generic package: free text of the same characters.

    Raises:
        Invalid
    """
    return _generic(text, "package version")


def generic_file_path(text: str) -> str:
    """The path of a file in a generic package: the characters of names, with folders.

    Raises:
        Invalid
    """
    path = file_path(text)
    for segment in path.split("/"):
        _generic(segment, "file name")
    return path


def _generic(text: str, what: str) -> str:
    if len(text) > MOST_NAME_LENGTH or not GENERIC_NAME.fullmatch(text) or text in {".", ".."}:
        raise Invalid(
            f"A {what} has 1 to {MOST_NAME_LENGTH} letters, digits and the characters '.', '_', '-', '+', '~' and '@'."
        )
    return text
