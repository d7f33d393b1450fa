"""Events of the web site and the app: pages, clicks, searches, performance, failures."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

_PAGE = (
    Property("$current_url", "text", "Full address of the page"),
    Property("$pathname", "text", "Path of the page"),
    Property("$referrer", "text", "Address that the user came from"),
)

WEB: tuple[EventType, ...] = (
    EventType("$pageview", "A page or screen was shown", _PAGE, (Alias("page_view", "documents"),)),
    EventType(
        "$pageleave",
        "A page or screen was left",
        (Property("duration_s", "number", "Time on the page", "s", minimum=0), *_PAGE),
    ),
    EventType(
        "click",
        "An element was clicked or tapped",
        (Property("element", "text", "Name that the page gave the element"),),
    ),
    EventType(
        "search_performed",
        "A user searched",
        (
            Property("query_length", "integer", "Length of the query", "characters", minimum=0),
            Property("results", "integer", "Number of results", "results", minimum=0),
        ),
        (Alias("search", "documents"), Alias("Products Searched", "segment")),
    ),
    EventType(
        "page_loaded",
        "A page finished loading",
        (Property("load_ms", "number", "Time to load", "ms", required=True, minimum=0),),
    ),
    EventType(
        "$web_vitals",
        "The browser measured a page's web vitals",
        (
            Property("$web_vitals_LCP_value", "number", "Largest contentful paint", "ms", minimum=0),
            Property("$web_vitals_FCP_value", "number", "First contentful paint", "ms", minimum=0),
            Property("$web_vitals_INP_value", "number", "Interaction to next paint", "ms", minimum=0),
            Property("$web_vitals_CLS_value", "number", "Cumulative layout shift", "score", minimum=0),
            Property("$web_vitals_TTFB_value", "number", "Time to first byte", "ms", minimum=0),
        ),
    ),
    EventType("app_crashed", "The app crashed", aliases=(Alias("Application Crashed", "segment"),)),
    EventType(
        "$exception",
        "Code raised an error",
        (
            Property("$exception_list", "list", "The errors, outermost first"),
            Property("$exception_level", "text", "Severity"),
        ),
    ),
)
