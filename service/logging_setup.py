"""How log lines look and where they go: standard error, as JSON or for a person to read."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from soloist.json_text import json_text


def configure_logging(*, level: str, form: str) -> None:
    """Set up logging for the whole process: ours (structlog) and that of libraries (logging) look the same.

    Args:
        level: the least level that is written, as in the standard library ("info").
        form: "json", one object a line, or "console".

    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(serializer=json_text)]
        if form == "json"
        # rich tracebacks span pages; a log is no place for them
        else [
            structlog.dev.ConsoleRenderer(
                exception_formatter=structlog.dev.plain_traceback, pad_event_to=0, colors=sys.stderr.isatty()
            )
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
