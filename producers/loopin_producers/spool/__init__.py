"""Events on disk until the broker has them: what memory has no room for, or a dying process would lose."""

from loopin_producers.spool.record import SpooledRecord
from loopin_producers.spool.spool import Chunk, Hindered, Spool

__all__ = ["Chunk", "Hindered", "Spool", "SpooledRecord"]
