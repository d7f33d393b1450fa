"""What Python's garbage collector looks at."""

from __future__ import annotations

import gc


def settle_memory() -> None:
    """Keep the collector off what stays; called once, when a role has loaded all it needs.

    Events and state are structs and bytes, which hold no cycles. So all that the imports made is frozen, and
    a batch's objects are looked at once, not seven times.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
