"""Who asks: bearer tokens, either JWTs or keys, and the scopes they carry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loopin_api.errors import ApiError, unavailable
from loopin_api.keys import Configured, Key, Keyring, Project, read_keys
from loopin_api.settings import ApiSettings, ConfigurationError

# Also for those who ask for scopes or make keys.
from loopin_schemas.config import Scope as Scope
from loopin_schemas.key_format import hash_key as hash_key
from loopin_schemas.key_format import mistyped

ALGORITHM: Final = "HS256"
MIN_SECRET_BYTES: Final = 32
"""Shortest secret for HS256: as long as its hash (RFC 7518, section 3.2)."""

LEEWAY_S: Final = 10
"""How far the clock of a token's issuer may be off, in seconds."""


BEARER: Final = "Send the header Authorization: Bearer with a token or key."
"""What to do about a missing key, where it stands in the header."""


class Claims(BaseModel):
    """What a token must say beside ``exp``."""

    model_config = ConfigDict(strict=True)

    sub: Annotated[str, Field(min_length=1, max_length=200)]
    project: Project
    scopes: list[Scope] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent the request.

    ``user`` is the token's subject, None for a key. ``key_id`` is always the same for a key, and for a
    token's subject: what rate limits count by.
    """

    project: str
    scopes: frozenset[Scope]
    user: str | None
    key_id: str

    def may(self, scope: Scope) -> bool:
        """Whether the scope was granted; ``admin`` holds the others."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def author(self) -> str:
        """Who changes what is configured, as it is kept with the change."""
        return (self.user or f"key {self.key_id}")[:200]


class Authenticator:
    """Tells callers by their token or key; ``clock`` gives the time in seconds since 1970."""

    def __init__(self, jwt_secret: str | None, keys: Keyring, clock: Callable[[], float] = time.time) -> None:
        self._jwt_secret = jwt_secret
        self._keys = keys
        self._clock = clock

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller of an ``Authorization`` header.

        Raises:
            ApiError: 401 when it is missing, malformed, unknown, expired or revoked; 503 as
                :meth:`authenticate_key`.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise without_key(BEARER)
        if token.count(".") == 2:
            return self._by_jwt(token)
        return self.authenticate_key(token)

    def authenticate_key(self, token: str) -> Caller:
        """The caller with this key, which may have come in a header or in a body.

        Raises:
            ApiError: 401 when it is mistyped, unknown, expired or revoked; 503 when it is unknown and may
                have been made since the broker was last heard.
        """
        found = self._keys.find(token)
        if found is None:
            raise self._unknown(token)
        if found.revoked_at is not None:
            raise _unauthenticated("KEY_REVOKED", "This key has been revoked; use another.", invalid=True)
        if found.expires_at is not None and found.expires_at <= self._clock() * 1000:
            raise _unauthenticated("KEY_EXPIRED", "This key has expired; use another.", invalid=True)
        return Caller(found.project, found.scopes, None, found.id)

    def _unknown(self, token: str) -> ApiError:
        if mistyped(token):
            return _unauthenticated(
                "KEY_MISTYPED",
                "This key was cut or mistyped: its checksum is wrong; copy it again.",
                invalid=True,
            )
        if self._keys.uncertain() is not None:
            # A client gives up at 401; that would be wrong for a key that was just made.
            return unavailable("KEYS_NOT_KNOWN", "Whether this key exists is not known now; try again.")
        return _rejected("This key is not known; use one that exists (`loopin keys`).")

    def _by_jwt(self, token: str) -> Caller:
        if self._jwt_secret is None:
            raise _rejected("Tokens are not accepted here; use a key.")
        try:
            payload = jwt.decode(
                token,
                self._jwt_secret,
                algorithms=[ALGORITHM],
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub"]},
            )
            claims = Claims.model_validate(payload)
        except jwt.ExpiredSignatureError:
            raise _unauthenticated(
                "TOKEN_EXPIRED", "The token has expired; get a new one.", invalid=True
            ) from None
        except (jwt.InvalidTokenError, ValidationError):
            raise _rejected("The token is not valid here; get a new one.") from None
        return Caller(claims.project, frozenset(claims.scopes), claims.sub, f"{claims.project}:{claims.sub}")


def authenticator(
    settings: ApiSettings, more_keys: Sequence[Key] = (), config: Configured | None = None
) -> Authenticator:
    """The authenticator of these settings, of keys beside those of the keys file, and of those configured.

    Raises:
        ConfigurationError: the secret or the keys file cannot be used.
    """
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    if secret and len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"Make LOOPIN_JWT_SECRET at least {MIN_SECRET_BYTES} bytes long.")
    of_file = [*(read_keys(settings.keys_file) if settings.keys_file else []), *more_keys]
    return Authenticator(secret or None, Keyring(of_file, config))


def issue_jwt(secret: str, *, sub: str, project: str, scopes: Sequence[Scope], ttl_s: float) -> str:
    """A signed token for ``sub``, which expires after ``ttl_s`` seconds."""
    now = time.time()
    claims = {
        "sub": sub,
        "project": project,
        "scopes": list(scopes),
        "iat": int(now),
        "exp": int(now + ttl_s),
    }
    return jwt.encode(claims, secret, ALGORITHM)


def without_key(message: str) -> ApiError:
    """401 for a request without a token or key; ``message`` says where to put it."""
    return _unauthenticated("UNAUTHENTICATED", message)


def _rejected(message: str) -> ApiError:
    return _unauthenticated("INVALID_TOKEN", message, invalid=True)


def _unauthenticated(code: str, message: str, *, invalid: bool = False) -> ApiError:
    challenge = 'Bearer realm="loopin"' + (', error="invalid_token"' if invalid else "")
    return ApiError(401, code, message, headers={"WWW-Authenticate": challenge})


def forbidden(scope: Scope) -> ApiError:
    """403 for a caller without the scope."""
    challenge = f'Bearer realm="loopin", error="insufficient_scope", scope="{scope}"'
    return ApiError(
        403,
        "INSUFFICIENT_SCOPE",
        f"This needs the scope {scope}; use a token or key that has it.",
        headers={"WWW-Authenticate": challenge},
    )
