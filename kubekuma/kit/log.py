"""Logging: structlog to stdout, JSON outside a terminal."""

import logging
import sys
from typing import Final, TextIO

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")

# Libraries that log through the standard library, and how loud they may be.
_QUIET: Final = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "hypercorn": logging.WARNING,
    # Their lines quote URLs, which are credentials of providers.
    "apprise": logging.CRITICAL,
    "oauthlib": logging.WARNING,
    "requests_oauthlib": logging.WARNING,
    "urllib3": logging.WARNING,
}


def configure_logging(level: str, stream: TextIO = sys.stdout) -> None:
    """Send everything of ``level`` and above to ``stream``, the standard library's logs too."""
    number = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
    ]
    renderer: structlog.typing.Processor
    if stream.isatty():
        shared += [structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False), _without_empty]
        renderer = structlog.dev.ConsoleRenderer(
            sort_keys=False,
            pad_event_to=0,
            # Others show the values of variables, some of which are credentials.
            exception_formatter=structlog.dev.plain_traceback,
        )
    else:
        shared += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ]
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # A record is one write: threads of libraries log as well, under a lock of their own.
        logger_factory=structlog.WriteLoggerFactory(stream),
        # Lines are few, and who is told of another configuration should follow it.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(number, least))


def _without_empty(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    # People need not read what is not there; programs count on every key.
    return {name: value for name, value in event.items() if value is not None and value != ""}
