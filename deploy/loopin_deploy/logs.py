"""Structured logs: readable lines on a terminal, one JSON object a line otherwise."""

from __future__ import annotations

import logging
import sys

import structlog

QUIET = ("aiokafka", "faust", "mode", "asyncio", "urllib3", "clickhouse_connect", "loopin_streams.kafka.lane")
"""Loggers that speak only from warnings on; the lane's is Faust's, which names services by module."""


def configure_logs(level: int = logging.INFO) -> None:
    """Send everything, structlog's and the standard library's, to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    human = sys.stderr.isatty()
    # Plain tracebacks: the default ones print local variables, and with them request headers and keys.
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if human
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
