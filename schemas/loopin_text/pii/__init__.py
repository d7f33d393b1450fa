"""Personal data and credentials in properties, texts and addresses: found by form and by name, and replaced.

Pure functions of the standard library only, for the client, the API and the stream alike.
"""

from loopin_text.pii.kinds import KINDS, Kind
from loopin_text.pii.scrubber import Scrubber

__all__ = ["KINDS", "Kind", "Scrubber"]
