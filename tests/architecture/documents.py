"""The project's documents as tests read them: prose, code, links, and blocks with the words after their fence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from tools.house.sources import project_files

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
IMAGE = re.compile(r"(?:src|srcset|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
SHELL = frozenset({"sh", "bash", "console"})


@dataclass(frozen=True)
class Block:
    """A fenced block. The first word of its fence is its language, the others are for these tests."""

    words: tuple[str, ...]
    body: str
    line: int

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def file(self) -> str | None:
        """The name under which the reader is told to save this block."""
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)

    def is_marked(self, word: str) -> bool:
        return word in self.words[1:]


@dataclass(frozen=True)
class Document:
    """One Markdown file, by its path from the project's root."""

    path: str
    text: str

    @cached_property
    def blocks(self) -> list[Block]:
        return [
            Block(tuple(found["info"].split()), found["body"], self.text.count("\n", 0, found.start()) + 1)
            for found in FENCE.finditer(self.text)
        ]

    @cached_property
    def prose(self) -> str:
        """Everything outside the fences."""
        return FENCE.sub("", self.text)

    @cached_property
    def spans(self) -> list[str]:
        """What stands between backticks in the prose."""
        return SPAN.findall(self.prose)

    @cached_property
    def links(self) -> list[str]:
        """Targets of links and images that are not in code."""
        plain = SPAN.sub("", self.prose)
        return [*LINK.findall(plain), *IMAGE.findall(plain)]

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What can follow `#` in a link to this document."""
        return frozenset(_slug(heading) for heading in HEADING.findall(self.prose))

    @cached_property
    def commands(self) -> list[str]:
        """Lines of shell, continued ones joined, and code in the prose."""
        shell = "".join(block.body for block in self.blocks if block.language in SHELL)
        return [*shell.replace("\\\n", " ").splitlines(), *self.spans]


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def documents() -> tuple[Document, ...]:
    """Every Markdown file of the project."""
    names = [name for name in project_files(ROOT) if name.endswith(".md")]
    return tuple(Document(name, (ROOT / name).read_text(encoding="utf-8")) for name in names)


def document(path: str) -> Document:
    """The document at `path`."""
    return next(found for found in documents() if found.path == path)


def guides() -> Iterator[Document]:
    """Documents with blocks that are marked to be run."""
    return (found for found in documents() if any(block.is_marked("run") for block in found.blocks))
