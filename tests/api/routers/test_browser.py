"""How loopin.js is served: small, kept, shared across origins, and unchangeable by its hash."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import zlib
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.routers.browser import INTEGRITY, PATH, PINNED_PATH, SCRIPT
from loopin_api.server import serving
from loopin_api.version import VERSION
from loopin_sinks.store import Store

MOST_BYTES = 4096
CLIENTS_MD = Path(__file__).parents[3] / "docs/clients.md"
SOURCE = (files("loopin_api") / "static" / "loopin.src.js").read_text()


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


@pytest.fixture
async def wire(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the real server, without an Accept-Encoding of its own."""
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        client.headers.pop("accept-encoding")
        yield client


async def raw(client: httpx.AsyncClient, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    async with client.stream("GET", path, headers=headers) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


def test_it_is_small_as_zlib_measures_it() -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    assert len(packed.compress(SCRIPT) + packed.flush()) <= MOST_BYTES


async def test_it_is_small_on_the_wire(wire: httpx.AsyncClient) -> None:
    response, body = await raw(wire, PATH, **{"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) == len(body) <= MOST_BYTES
    assert gzip.decompress(body) == SCRIPT


@pytest.mark.parametrize("accept", ["", "identity", "br", "gzip;q=0", "gzip;q=0.0, *", "*;q=0", "xgzip"])
async def test_who_does_not_take_gzip_gets_it_plain(wire: httpx.AsyncClient, accept: str) -> None:
    response, body = await raw(wire, PATH, **{"Accept-Encoding": accept})
    assert "content-encoding" not in response.headers
    assert body == SCRIPT


@pytest.mark.parametrize("accept", ["gzip", "GZIP", "br;q=1, gzip;q=0.5", "*", "deflate,gzip ; q=0.001"])
async def test_who_takes_gzip_gets_it(wire: httpx.AsyncClient, accept: str) -> None:
    response, body = await raw(wire, PATH, **{"Accept-Encoding": accept})
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == SCRIPT


@pytest.mark.parametrize("path", [PATH, PINNED_PATH])
async def test_any_page_may_load_it_as_what_it_is(wire: httpx.AsyncClient, path: str) -> None:
    response, _ = await raw(wire, path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["vary"] == "Accept-Encoding"


async def test_it_is_kept_for_an_hour_and_under_its_hash_for_ever(wire: httpx.AsyncClient) -> None:
    current, _ = await raw(wire, PATH)
    pinned, _ = await raw(wire, PINNED_PATH)
    assert current.headers.get_list("cache-control") == ["public, max-age=3600, stale-while-revalidate=86400"]
    assert pinned.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert hashlib.sha256(SCRIPT).hexdigest()[:16] in PINNED_PATH
    other, _ = await raw(wire, "/static/loopin-0123456789abcdef.js")
    assert other.status_code == 404


@pytest.mark.parametrize("accept", ["gzip", "identity"])
async def test_what_has_not_changed_is_not_sent_again(wire: httpx.AsyncClient, accept: str) -> None:
    first, _ = await raw(wire, PATH, **{"Accept-Encoding": accept})
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again, body = await raw(wire, PATH, **{"Accept-Encoding": accept, "If-None-Match": known})
        assert (again.status_code, body) == (304, b"")
        assert again.headers["etag"] == etag
        assert "max-age" in again.headers["cache-control"]
    changed, body = await raw(wire, PATH, **{"Accept-Encoding": accept, "If-None-Match": '"other"'})
    assert changed.status_code == 200
    assert body


async def test_the_two_encodings_are_two_entities(wire: httpx.AsyncClient) -> None:
    plain, _ = await raw(wire, PATH)
    packed, _ = await raw(wire, PATH, **{"Accept-Encoding": "gzip"})
    assert plain.headers["etag"] != packed.headers["etag"]


def test_the_integrity_documented_is_that_of_what_is_served() -> None:
    digest = base64.b64encode(hashlib.sha384(SCRIPT).digest()).decode()
    assert f"sha384-{digest}" == INTEGRITY
    documented = CLIENTS_MD.read_text()
    assert INTEGRITY in documented
    assert PINNED_PATH in documented


def test_it_names_the_version_that_serves_it() -> None:
    named = re.search(r'const VERSION = "(.*)";', SOURCE)
    assert named
    assert named[1] == VERSION
    assert f'"{VERSION}"'.encode() in SCRIPT


def test_it_runs_under_a_strict_content_security_policy() -> None:
    assert not re.search(rb"\beval\b|new Function|innerHTML|document\.write|createElement", SCRIPT)
