"""Time stamps as the protocols write them; inside they are seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime


def iso8601(seconds: float) -> str:
    """``2026-01-02T03:04:05.678Z``: milliseconds, as EC2 and the load balancers answer."""
    whole = int(seconds // 1)
    millis = round((seconds - whole) * 1000)
    if millis == 1000:
        whole, millis = whole + 1, 0
    moment = datetime.fromtimestamp(whole, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def iso8601_short(seconds: float) -> str:
    """The same without a fraction that is nought: what IAM, STS and Route 53 answer."""
    return iso8601(seconds).replace(".000Z", "Z")


def rfc822(seconds: float) -> str:
    """``Fri, 02 Jan 2026 03:04:05 GMT``."""
    return formatdate(seconds, usegmt=True)


def epoch(seconds: float) -> float | int:
    """Seconds, as an integer when they are whole."""
    rounded = round(float(seconds), 3)
    return int(rounded) if rounded.is_integer() else rounded


def parse(text: str | float) -> float:
    """Any of the three forms. Raises ValueError."""
    if isinstance(text, int | float):
        return float(text)
    text = text.strip()
    if not text:
        raise ValueError("empty time stamp")
    if text[:4].isdigit() and "-" in text[1:]:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if text[0].isdigit() or text[0] in "-+":
        return float(text)
    return parsedate_to_datetime(text).timestamp()
