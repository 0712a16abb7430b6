"""Cron expressions of five fields, as Debian's cron understands them. Pure."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


def parse_cron(text: str) -> None:
    """Raises ValueError unless ``text`` is an expression whose time comes, and comes again."""
    try:
        cron_after(text, "UTC", datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"must be a cron expression such as 30 2 * * 1-5: {error}") from error
    except StopIteration as error:
        raise ValueError(
            "must be a cron expression whose time comes: no day has this date"
        ) from error


def cron_after(text: str, timezone: str, after: datetime) -> datetime:
    """The first time of ``text`` later than ``after``, by the clocks of ``timezone``.

    What falls into the gap of a clock that is put forward comes right after
    it; what falls into the hour that there is twice comes once.

    Raises CronSimError for what is no expression, StopIteration if there is
    no such time within fifty years.
    """
    if len(text.split()) != 5:
        raise CronSimError("it must have five fields")
    return next(CronSim(text, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)
