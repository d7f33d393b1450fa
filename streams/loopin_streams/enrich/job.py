"""The enrichment as a job of the exactly-once runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from loopin_schemas import topics
from loopin_streams.anomalies.detector import Detector
from loopin_streams.enrich.absorber import EnrichAbsorber
from loopin_streams.enrich.costs import StepCosts
from loopin_streams.enrich.draft import Context, Origin
from loopin_streams.enrich.geo import Geo
from loopin_streams.enrich.ip_address import Privacy
from loopin_streams.enrich.seen import LIMIT, WINDOW_MS, Seen
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.foresight import Foresight
from loopin_streams.projects.project import Projects
from loopin_streams.state.profiles import Profiles
from loopin_streams.state.sessions import TIMEOUT_MS
from loopin_streams.state.spill import keyed_store
from loopin_streams.windows.open_windows import OpenWindows
from loopin_text.pii import KINDS, Kind, Scrubber
from loopin_text.sentiment import TEXT_PROPERTIES


@dataclass(frozen=True, slots=True)
class EnrichOptions:
    """What the enrichment is told by the settings.

    ``partitions`` is how many ``events.raw`` has. With ``spill_folder`` profiles are kept there, with
    ``cache_mb`` of them in memory, instead of all in memory.
    A client's duplicates are known for ``seen_ms``, at most ``seen_limit`` uuids a partition. ``scrub`` are
    the kinds of personal data to replace, but for the properties ``scrub_except``; ``geoip_db`` is a
    MaxMind-format file, ``ip`` says what becomes of addresses, ``sampling_rate`` is a share of users (0-1).
    """

    topic_prefix: str
    partitions: int
    text_properties: tuple[str, ...] = TEXT_PROPERTIES
    sentiment: bool = True
    spill_folder: Path | None = None
    cache_mb: int = 64
    seen_ms: int = WINDOW_MS
    seen_limit: int = LIMIT
    scrub: frozenset[Kind] = KINDS
    scrub_except: frozenset[str] = frozenset()
    geoip_db: Path | None = None
    ip: Privacy = "drop"
    session_timeout_ms: int = TIMEOUT_MS
    track_anonymous_users: bool = True
    sampling_rate: float = 1.0
    real_time: bool = True


class EnrichJob:
    """From ``events.raw`` to ``events.enriched``, ``events.dlq``, ``profiles``, ``windows``, ``anomalies``
    and ``identity.links``.

    Raises:
        RefusedToOpen: ``geoip_unreadable``.
    """

    name = "enrich"
    input = topics.RAW.name
    state_topic = topics.ENRICH_STATE.name
    history = (topics.SEEN.name, topics.PROFILES.name)
    outputs = (topics.ENRICHED.name, topics.DLQ.name)

    def __init__(
        self,
        options: EnrichOptions,
        projects: Projects | None = None,
        answers: Answers | None = None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``projects`` knows their currencies and their own people; without it, all are as by default.

        ``answers`` are what the models say of users; without it, heuristics do.
        """
        self.costs = StepCosts()
        self._options = options
        self._projects = Projects() if projects is None else projects
        # Shared by all partitions, with what they remember.
        self._scrubber = Scrubber(options.scrub, options.scrub_except)
        self._geo = None if options.geoip_db is None else Geo(options.geoip_db)
        self._answers = Answers() if answers is None else answers
        self._clock = clock

    def open(self, partition: int, topic_id: str) -> EnrichAbsorber:
        """A partition's enrichment, with nothing known yet."""
        options = self._options
        context = Context(
            origin=Origin(options.topic_prefix + self.input, topic_id, partition),
            text_properties=options.text_properties,
            sentiment=options.sentiment,
            seen=Seen(options.seen_ms, options.seen_limit),
            profiles=Profiles(
                keyed_store(options.spill_folder, f"{self.name}-{partition}", options.cache_mb)
            ),
            windows=OpenWindows(),
            partitions=options.partitions,
            projects=self._projects,
            scrubber=self._scrubber,
            geo=self._geo,
            ip=options.ip,
            session_timeout_ms=options.session_timeout_ms,
            track_anonymous_users=options.track_anonymous_users,
            sampling_rate=options.sampling_rate,
            costs=self.costs,
            foresight=Foresight(self._answers),
            detector=Detector(self._answers),
        )
        return EnrichAbsorber(context, self._clock, real_time=options.real_time)
