"""Paths that have led servers or their clients astray, and their mutations."""

from urllib.parse import quote

TRAVERSALS = [
    "..",
    "../secret",
    "../../../../etc/passwd",
    "a/../../secret",
    "a/b/../c",
    "a/..",
    "./a",
    "a/./b",
    ".",
    "/etc/passwd",
    "//proc/self/root/etc/passwd",
    "/",
    "a//b",
    "a/",
    "..\\secret",
    "a\\..\\..\\secret",
    "\\\\host\\share",
    "C:\\Windows\\win.ini",
    "C:/Windows/win.ini",
    "c:secret",
    "a/C:/b",
    "file:///etc/passwd",
    "FILE:/etc/passwd",
    "file:etc",
    "a/file:b",
    "a\x00.txt",
    "\x00",
    "a\nb",
    "a\r\nSet-Cookie: b",
    "a\tb",
    "\x1b[31mred",
    "a\x7fb",
    "a\x85b",
    "a#b",
    "#",
    "model#/../../secret",
    "a\u2028b",
    "a\u2029b",
    "gpj.\u202etxt",
    "a\u2066b",
    "",
    "a" * 256,
    "é" * 128,
    "a/" * 512 + "a",
    "\ud800",
    "a/\udfff/b",
]
ENCODED = [path for path in TRAVERSALS if any(part in {".", ".."} for part in path.replace("\\", "/").split("/"))]
DOTS = ["%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "%25252e%25252e", "%25%32%65%25%32%65", "%2525252e%2525252e"]
SLASHES = ["/", "%2f", "%2F", "%252f", "%5c", "%255c", "\\"]


def hostile_paths() -> list[str]:
    """A few hundred of them, none of which may be stored."""
    paths = list(TRAVERSALS)
    for path in ENCODED:
        once = quote(path, safe="")
        paths += [once.replace(".", "%2e"), quote(once.replace(".", "%2e"), safe="")]
    for dots in DOTS:
        for slash in SLASHES:
            for depth in (1, 3, 8):
                paths.append((dots + slash) * depth + "etc" + slash + "passwd")
            paths.append(f"a{slash}{dots}{slash}b")
            paths.append(f"a/{dots}{slash}{dots}{slash}..")
    paths += [f"a/{control}b" for control in map(chr, [*range(32), *range(127, 160)])]
    paths += [f"a%{code:02x}b" for code in range(32)]
    nested = "../secret"
    for _ in range(12):
        nested = quote(nested, safe="").replace(".", "%2e")
        paths.append(nested)
    return list(dict.fromkeys(paths))
