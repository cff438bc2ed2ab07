"""How facts are written on pages: numbers, sizes, times, initials. Pure functions, used as template filters."""

import math
import re
import time
import zlib
from datetime import UTC, date, datetime

from markupsafe import Markup, escape

_MINUS = "\u2212"
_THIN_SPACE = "\u202f"
_NOTHING = "\u2013"
_DIGITS = 4
_LARGE = 1e6
_SMALL = 1e-4
_TILES = 8
_KIB = 1024
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_UNITS = ((31_556_952, "year"), (2_629_746, "month"), (86_400, "day"), (3600, "hour"), (60, "minute"))
_SEPARATOR = re.compile(r"[_/.:-]+(?=\w)")


def count(number: int) -> str:
    """A count with its thousands set apart: 1 240."""
    return f"{number:,}".replace(",", _THIN_SPACE)


def quantity(number: int, noun: str, plural: str = "") -> str:
    """A count with what is counted: 1 file, 1 240 files."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def measure(number: float | None) -> str:
    """A measured value with four significant digits; powers of ten for the very large and the very small."""
    if number is None:
        return _NOTHING
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("∞" if number > 0 else f"{_MINUS}∞")
    in_powers = f"{number:.{_DIGITS - 1}e}"
    size = abs(float(in_powers))  # rounded, as it may have a digit more then
    if number == int(number) and abs(number) < _LARGE:
        text = str(int(number))
    elif size < _SMALL or abs(round(number)) >= _LARGE:
        mantissa, exponent = in_powers.split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    elif size >= 10**_DIGITS:
        text = f"{number:.0f}"
    else:
        text = f"{number:#.{_DIGITS}g}".removesuffix(".")
    return text.replace("-", _MINUS)


def exact(number: float | None) -> str:
    """Every digit that was logged, for hovering and copying."""
    return _NOTHING if number is None else repr(number)


def size(size_bytes: int) -> str:
    """A size in binary units: 1.2 GiB."""
    amount = float(size_bytes)
    for unit in _SIZES:
        if abs(amount) < _KIB or unit == _SIZES[-1]:
            return f"{int(amount)} {unit}" if unit == "B" else f"{amount:.{1 if amount < 10 else 0}f} {unit}"  # noqa: PLR2004 - one decimal below ten
        amount /= _KIB
    raise AssertionError("The last unit takes everything.")


def duration(seconds: float | None) -> str:
    """A stretch of time by its two largest units: 2 h 5 min."""
    if seconds is None or seconds < 0:
        return _NOTHING
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - one decimal below ten
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    first = next(index for index, (amount, _) in enumerate(parts) if amount)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount)


def ago(seconds: float) -> str:
    """A distance in time, in words; negative is past. `static/src/js/times.js` writes the same words."""
    distance = abs(seconds)
    for unit_seconds, unit in _UNITS:
        if distance >= unit_seconds:
            amount = int(distance // unit_seconds)
            words = f"{amount} {unit}{'' if amount == 1 else 's'}"
            return f"{words} ago" if seconds < 0 else f"in {words}"
    return "just now" if seconds <= 0 else "in a moment"


def relative(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in words: 3 minutes ago."""
    return ago((moment - (now or datetime.now(UTC))).total_seconds())


def iso_of_ms(moment_ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601: as `iso`, for the thousand of them in a table."""
    seconds, rest = divmod(moment_ms, 1000)
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z"


def absolute(moment: datetime) -> str:
    """The moment to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(moment: datetime) -> str:
    """The moment as ISO 8601 with milliseconds, for `datetime` attributes."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(moment: date) -> str:
    """A day as people write it: 21 Nov 2026."""
    return f"{moment.day} {moment:%b %Y}"


def initial(name: str) -> str:
    """The first letter or digit of a name, for its tile."""
    return next((character.upper() for character in name if character.isalnum()), "?")


def breakable(name: str) -> Markup:
    """A name that may go on in the next line behind its own separators rather than inside a word."""
    return Markup(_SEPARATOR.sub(r"\g<0><wbr>", str(escape(name))))  # noqa: S704  # escaped before


def tile(key: str) -> int:
    """Which of the eight tile colours stands for a key: always the same one."""
    return zlib.crc32(key.encode()) % _TILES + 1
