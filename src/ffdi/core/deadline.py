"""Parse a deadline as people write it."""

import re
from datetime import datetime, timedelta

from ffdi.core.errors import UserError


def parse_until(text: str, now: float, option: str = "--until") -> float | None:
    """Return seconds since the epoch; None for an empty text.

    Args:
        text: Such as "11h30m" from now, or a local time in ISO form.
        now: Seconds since the epoch.
        option: Named in a message.

    Raises:
        UserError: The text is no time, or one that is over.
    """
    if not text:
        return None
    lasting = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if lasting and any(lasting.groups()):
        hours, minutes, seconds = (int(part or 0) for part in lasting.groups())
        return now + timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise UserError(f"{option} {text!r} is no time; write 11h30m, 45m or 2026-11-22T18:00.") from error
    if moment <= now:
        raise UserError(f"{option} {text!r} is over already; name a later time.")
    return moment
