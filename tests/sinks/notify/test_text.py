"""What people read."""

from __future__ import annotations

from markdown_it import MarkdownIt

from loopin_sinks.notify.text import markdown, plain, subject
from tests.sinks.notify.told import FIRED_MS, alert

READ = "# IN Bcc: all@example.com _soon_"
HOSTILE = "# IN\r\nBcc: all@example.com\x00 _soon_ [here](http://evil.example) *now* <b>&amp;"


def test_the_subject_says_how_bad_what_and_where() -> None:
    assert subject(alert()) == "Warning: payment_failures (country IN), project shop"
    assert subject(alert(event="worse", severity="critical")).startswith("Now critical: ")
    assert subject(alert(event="reminded")).startswith("Still warning: ")
    assert subject(alert(event="escalated", severity="critical")).startswith("Escalated, critical: ")
    assert subject(alert(event="resolved", state="resolved")).startswith("Resolved: ")
    assert subject(alert(project="", dimensions={})) == "Warning: payment_failures"


def test_the_body() -> None:
    resolved = alert(
        state="resolved", resolved_at=FIRED_MS + 60_000, labels={"runbook": "https://wiki.example/pay"}
    )
    assert plain(resolved).splitlines() == [
        "payment_failure_rate of project shop (country IN) is 12.0% over 10 minutes (limit 5.0%).",
        "",
        "Severity: warning",
        "State: resolved",
        "Rule: payment_failures (version 1)",
        "Judged: 2026-09-21 14:03 UTC to 2026-09-21 14:13 UTC",
        "Firing since: 2026-09-21 14:13 UTC",
        "Resolved at: 2026-09-21 14:14 UTC",
        "runbook: https://wiki.example/pay",
        "Alert: shop:payment_failures:country=IN:1",
    ]


def test_what_comes_from_events_breaks_neither_header_nor_line() -> None:
    hostile = alert(dimensions={"country": HOSTILE}, message=HOSTILE, id=HOSTILE)
    assert subject(hostile).isprintable()
    assert all(line.isprintable() for line in plain(hostile).splitlines())
    assert len(plain(hostile).splitlines()) == len(plain(alert()).splitlines())


def test_what_comes_from_events_is_no_mark_up() -> None:
    """As a renderer of Markdown that is not ours sees it."""
    html = MarkdownIt().render(markdown(alert(message=HOSTILE, id=HOSTILE, labels={"a": HOSTILE})))
    assert "<a " not in html
    assert "<em>" not in html
    assert "<b>" not in html
    assert html.count(f"{READ} [here](http://evil.example) *now*") == 3
    assert html.count("<strong>") == html.count("<li>") == 7


def test_no_more_is_escaped_than_has_to_be() -> None:
    assert markdown(alert()).splitlines()[0] == alert().message
    assert (
        MarkdownIt().render(markdown(alert(message="# _all_ is lost"))).startswith("<p># _all_ is lost</p>")
    )


def test_a_long_value_is_cut() -> None:
    assert len(subject(alert(dimensions={"country": "x" * 10_000}))) == 300
