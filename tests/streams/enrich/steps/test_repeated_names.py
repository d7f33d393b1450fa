from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.enrich.draft import Draft
from loopin_streams.enrich.steps.repeated_names import settle_repeated_names
from tests.streams.enrich.drafts import body, context, draft_before


def after(properties: str) -> Draft:
    whole = body().decode()[:-1] + f', "properties": {properties}}}'
    draft = draft_before("repeated_names", whole.encode())
    assert settle_repeated_names(draft, context()) is None
    return draft


@pytest.mark.parametrize(
    "properties",
    [
        '{"amount": 1, "amount": 2}',
        '{"amount":"x","amount":2}',
        '{"amount":1,"amount" :2}',
        '{"amount":1,"amount"\n:\t2}',
        '{"amount":1,"\\u0061mount":2}',
        '{"amount":{"a":1,"b":2},"at":"10:30","amount":2, "at": "10:30"}',
    ],
)
def test_the_last_value_of_a_name_is_kept(properties: str) -> None:
    draft = after(properties)
    kept = json.loads(bytes(draft.event.properties), object_pairs_hook=list)
    assert [name for name, _ in kept] == sorted({name for name, _ in kept})
    assert dict(kept)["amount"] == draft.properties["amount"] == 2


@pytest.mark.parametrize(
    "properties",
    [
        "{}",
        '{"url": "https://a.b/c?d=e:f", "at": "10:30:00", "n": {"n": 1, "url": {}}}',
        '{ "a" : 1,\n "b" : "c\\":d" }',
        '{"a":' + "1" * 4000 + ',"b":[{"a":1},{"a":1}]}',
    ],
)
def test_other_properties_stay_as_they_were_written(properties: str) -> None:
    assert bytes(after(properties).event.properties).decode() == properties


names = st.sampled_from(["a", "b", "a:", '":', "\u00e9"])
spaces = st.sampled_from(["", " ", "\t\r\n"])
values = st.sampled_from([1, "x", "12:30", '":"', {"a": 1}, [{"b": 2}, {"b": 2}], {}])


@given(st.lists(st.tuples(names, spaces, values, spaces), max_size=5), st.booleans())
def test_whatever_is_written_a_name_comes_once_then(
    parts: list[tuple[str, str, object, str]], ascii: bool
) -> None:
    written = ",".join(
        f"{json.dumps(name, ensure_ascii=ascii)}{before}:{after_}{json.dumps(value)}"
        for name, before, value, after_ in parts
    )
    whole = f"{{{written}}}"
    kept = json.loads(bytes(after(whole).event.properties), object_pairs_hook=list)
    assert len(kept) == len({name for name, *_ in parts})
    assert [name for name, _ in kept] == list(dict.fromkeys(name for name, *_ in parts))
    assert dict(kept) == {
        name: json.loads(json.dumps(value), object_pairs_hook=list) for name, _, value, _ in parts
    }
    if len(kept) == len(parts):
        assert bytes(after(whole).event.properties).decode() == whole
