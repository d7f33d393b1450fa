from __future__ import annotations

from loopin_streams.enrich.steps.catalogued import check_catalogue
from tests.streams.enrich.drafts import body, context, draft_before


def warnings(event: str, properties: dict[str, object]) -> tuple[str, ...]:
    draft = draft_before("catalogue", body(event=event, properties=properties))
    assert check_catalogue(draft, context()) is None
    return draft.enriched.warnings


def test_an_unknown_event_is_welcome_as_it_is() -> None:
    assert warnings("never heard of", {"amount": "lots"}) == ()


def test_a_catalogued_event_with_a_wrong_type_passes_with_a_warning() -> None:
    assert "amount:wrong_type" in warnings("payment_succeeded", {"amount": "lots", "currency": "EUR"})


def test_a_catalogued_event_as_it_should_be_has_no_warning() -> None:
    assert warnings("$pageview", {"$current_url": "https://a.example/"}) == ()
