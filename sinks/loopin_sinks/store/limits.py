"""Engine settings that bound what queries and streams may take, the same for both forms of the store."""

from __future__ import annotations

from loopin_sinks.store.interface import MAX_RESULT_ROWS, STREAM_BLOCK_ROWS, STREAM_TIMEOUT_S

Limits = dict[str, int | float | str]


def query_limits(timeout_s: float) -> Limits:
    """A query only reads, in bounded time, with a bounded answer; ``readonly=2`` still allows settings."""
    return {
        "max_execution_time": timeout_s,
        # Zero makes the limit wall time; otherwise the engine stops queries early by an estimate.
        "timeout_before_checking_execution_speed": 0,
        "max_result_rows": MAX_RESULT_ROWS,
        "result_overflow_mode": "throw",
        "readonly": 2,
    }


def stream_limits() -> Limits:
    """A stream only reads, block by block, for as long as exports may take."""
    return {
        "max_execution_time": STREAM_TIMEOUT_S,
        "timeout_before_checking_execution_speed": 0,
        "max_block_size": STREAM_BLOCK_ROWS,
        "readonly": 2,
    }


def spill_limits(memory_bytes: int) -> Limits:
    """Grouping and sorting go to disk from a quarter of the memory on; one query may use three quarters."""
    return {
        "max_memory_usage": memory_bytes * 3 // 4,
        "max_bytes_before_external_group_by": memory_bytes // 4,
        "max_bytes_before_external_sort": memory_bytes // 4,
    }
