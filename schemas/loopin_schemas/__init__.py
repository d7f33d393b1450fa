"""What travels through the system: events, dead letters, topics, and the catalogue of event names.

Depends on nothing else of ours; every other package builds on it.
"""

from loopin_schemas.codec import decode, encode
from loopin_schemas.dead_letter import DeadLetter
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.event import EnrichedEvent, Event, Source

__all__ = ["DeadLetter", "EnrichedEvent", "Event", "InvalidEvent", "Source", "decode", "encode"]
