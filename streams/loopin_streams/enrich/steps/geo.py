"""Where the client is, by its address."""

from __future__ import annotations

from collections.abc import Sequence

from loopin_streams.enrich.draft import Context, Draft
from loopin_streams.enrich.ip_address import ip_of


def locate(drafts: Sequence[Draft], context: Context) -> None:
    """Add country, subdivision and city of the client's address; what the client said of it stays.

    Not where it asks for none, by PostHog's rule: an SDK of a server has that server's address.
    """
    geo = context.geo
    if geo is None:
        return
    for draft in drafts:
        ip = ip_of(draft.properties)
        if ip is not None and not draft.properties.get("$geoip_disable"):
            draft.add(geo.place_of(ip))
