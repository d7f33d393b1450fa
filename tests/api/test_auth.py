"""Who gets in, and to what."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest

from loopin_api.app import create_app
from loopin_api.auth import Authenticator, Caller, Key, authenticator, hash_key, issue_jwt, read_keys
from loopin_api.errors import ApiError
from loopin_api.settings import ApiSettings, ConfigurationError
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

SECRET = "a secret of at least thirty-two bytes"
CLAIMS = {"sub": "user-1", "project": "shop", "scopes": ["read"], "exp": int(time.time()) + 86_400}
KEY = "lk_" + "aB3_" * 10 + "xyz"
GATE = Authenticator(
    SECRET, [Key(name="desk", project="shop", scopes=frozenset({"read"}), sha256=hash_key(KEY))]
)

OVERVIEW = ("GET", "/api/analytics/overview", None)
SENTIMENT = ("POST", "/api/analytics/sentiment", {"text": "good"})
TRACK = ("POST", "/api/analytics/events/track", {"event_name": "click", "user_id": "user-1"})
EXPORT = ("GET", "/api/analytics/export/events", None)
EXPORT_BY_NAME = ("GET", "/api/analytics/export?dataset=events", None)
METRICS = ("GET", "/metrics", None)
SCOPE_OF = {OVERVIEW[1]: "read", SENTIMENT[1]: "read", TRACK[1]: "ingest", EXPORT[1]: "read"}
SCOPE_OF |= {EXPORT_BY_NAME[1]: "read", METRICS[1]: "read"}
GUARDED = [OVERVIEW, SENTIMENT, TRACK, EXPORT, EXPORT_BY_NAME, METRICS]


def token(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm)


def unsigned(claims: dict[str, Any], algorithm: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims)}."


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name != claim}


def test_a_token_says_who_asks() -> None:
    issued = issue_jwt(SECRET, sub="user-1", project="shop", scopes=["read", "ingest"], ttl_s=60)
    assert GATE.authenticate(f"Bearer {issued}") == Caller(
        "shop", frozenset({"read", "ingest"}), "user-1", "shop:user-1"
    )


def test_a_key_stands_for_a_project() -> None:
    assert GATE.authenticate(f"bearer {KEY}") == Caller("shop", frozenset({"read"}), None, hash_key(KEY)[:16])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        KEY,
        f"Token {KEY}",
    ],
)
def test_without_a_bearer_token_nobody_is_known(header: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        GATE.authenticate(header)
    assert (caught.value.status, caught.value.code) == (401, "UNAUTHENTICATED")
    assert caught.value.headers["WWW-Authenticate"] == 'Bearer realm="loopin"'


@pytest.mark.parametrize(
    "bad",
    [
        "lk_unknown",
        hash_key(KEY),
        KEY + "x",
        "\udcff",
        "a.b.c",
        "..",
        token(CLAIMS, "another secret of thirty-two bytes!!"),
        token(CLAIMS, SECRET * 2, "HS512"),
        token(CLAIMS, SECRET * 2, "HS384"),
        unsigned(CLAIMS, "none"),
        unsigned(CLAIMS, "HS256"),
        unsigned(CLAIMS, "RS256"),
        token(CLAIMS)[:-2],
        token(without("exp")),
        token(without("sub")),
        token(without("project")),
        token(without("scopes")),
        token({**CLAIMS, "sub": ""}),
        token({**CLAIMS, "sub": "x" * 201}),
        token({**CLAIMS, "scopes": []}),
        token({**CLAIMS, "scopes": "read"}),
        token({**CLAIMS, "scopes": ["read", "root"]}),
        token({**CLAIMS, "project": "sh op"}),
        token({**CLAIMS, "project": ["shop"]}),
        token({**CLAIMS, "aud": "another service"}),
        token({**CLAIMS, "nbf": int(time.time()) + 86_400}),
    ],
)
def test_tokens_that_are_not_ours_are_refused(bad: str) -> None:
    with pytest.raises(ApiError) as caught:
        GATE.authenticate(f"Bearer {bad}")
    assert (caught.value.status, caught.value.code) == (401, "INVALID_TOKEN")
    assert 'error="invalid_token"' in caught.value.headers["WWW-Authenticate"]


def test_an_expired_token_says_so() -> None:
    with pytest.raises(ApiError) as caught:
        GATE.authenticate(f"Bearer {token({**CLAIMS, 'exp': int(time.time()) - 60})}")
    assert caught.value.code == "TOKEN_EXPIRED"


def test_without_a_secret_no_token_is_accepted() -> None:
    with pytest.raises(ApiError, match="use a key"):
        Authenticator(None, []).authenticate(f"Bearer {token(CLAIMS)}")


def test_admin_holds_the_other_scopes() -> None:
    admin = Caller("shop", frozenset({"admin"}), None, "a")
    assert all(admin.may(scope) for scope in ("ingest", "read", "write", "admin"))
    reader = Caller("shop", frozenset({"read"}), None, "b")
    assert [scope for scope in ("ingest", "read", "write", "admin") if reader.may(scope)] == ["read"]


@pytest.mark.parametrize("scope", ["ingest", "read", "write", "admin"])
@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
async def test_the_scope_decides(
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Callable[..., Any],
    scope: str,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    response = await client.request(method, path, json=body, headers=bearer(scope))
    if scope in (SCOPE_OF[path], "admin"):
        assert response.status_code == 200, response.text
    else:
        refused(response, 403, "INSUFFICIENT_SCOPE")
        assert f'scope="{SCOPE_OF[path]}"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
async def test_nobody_gets_in_without_a_token(
    client: httpx.AsyncClient,
    refused: Callable[..., Any],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    refused(await client.request(method, path, json=body), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/api/analytics/health", "/openapi.json", "/docs"]
)
async def test_these_are_public(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_strangers_are_refused_before_their_body_is_read(
    client: httpx.AsyncClient, refused: Callable[..., Any]
) -> None:
    response = await client.post("/api/analytics/sentiment", content=b"x" * 200_000)
    refused(response, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sha256": None}, "0.sha256"),
        ({"sha256": "clear text"}, "0.sha256"),
        ({"scopes": []}, "0.scopes"),
        ({"scopes": ["root"]}, "0.scopes"),
        ({"project": "p q"}, "0.project"),
        ({"expires": 1}, "0.expires"),
    ],
)
def test_a_key_with_a_fault_is_named(tmp_path: Path, change: dict[str, Any], place: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(
        json.dumps([{"name": "web", "project": "p", "scopes": ["read"], "sha256": hash_key("a"), **change}])
    )
    with pytest.raises(ConfigurationError, match=place) as caught:
        read_keys(path)
    assert "clear text" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "[", "null"])
def test_a_keys_file_that_is_no_list_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="the file"):
        read_keys(path)


async def test_keys_may_be_given_beside_the_file(store: Store, broker: Broker) -> None:
    keys = [Key(name="demo", project="demo", scopes=frozenset({"read"}), sha256=hash_key(KEY))]
    app = create_app(
        ApiSettings.model_validate({"keys_file": None, "jwt_secret": None}), store, broker, keys=keys
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        response = await client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})
    assert response.status_code == 200


def test_a_missing_keys_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_keys(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Set LOOPIN_JWT_SECRET or LOOPIN_KEYS_FILE"),
        ({"jwt_secret": ""}, "Set LOOPIN_JWT_SECRET or LOOPIN_KEYS_FILE"),
        ({"jwt_secret": "too short"}, "at least 32 bytes"),
    ],
)
def test_without_usable_secrets_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], sentence: str
) -> None:
    monkeypatch.delenv("LOOPIN_JWT_SECRET", raising=False)
    monkeypatch.delenv("LOOPIN_KEYS_FILE", raising=False)
    with pytest.raises(ConfigurationError, match=sentence):
        authenticator(ApiSettings.model_validate(given))
