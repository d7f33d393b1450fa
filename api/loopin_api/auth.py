"""Who asks: bearer tokens, either JWTs or keys, and the scopes they carry."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import jwt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from loopin_api.errors import ApiError
from loopin_api.settings import ApiSettings, ConfigurationError

Scope = Literal["ingest", "read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

ALGORITHM: Final = "HS256"
MIN_SECRET_BYTES: Final = 32
"""Shortest secret for HS256: as long as its hash (RFC 7518, section 3.2)."""

LEEWAY_S: Final = 10
"""How far the clock of a token's issuer may be off, in seconds."""

Project = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class Key(BaseModel):
    """A key as it is configured: its SHA-256 and what it allows, never the key itself.

    A project's write key has the scope ``ingest`` only, so it is no secret: web pages of the project's
    origins carry it too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    project: Project
    scopes: frozenset[Scope] = Field(min_length=1)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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


class Authenticator:
    """Tells callers by their bearer token."""

    def __init__(self, jwt_secret: str | None, keys: Sequence[Key]) -> None:
        self._jwt_secret = jwt_secret
        self._keys = tuple(keys)

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller of an ``Authorization`` header.

        Raises:
            ApiError: 401 when it is missing, malformed, unknown or expired.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _unauthenticated(
                "UNAUTHENTICATED", "Send the header Authorization: Bearer with a token or key."
            )
        if token.count(".") == 2:
            return self._by_jwt(token)
        return self.authenticate_key(token)

    def authenticate_key(self, token: str) -> Caller:
        """The caller with this key.

        Raises:
            ApiError: 401 when it is unknown.
        """
        digest = hash_key(token)
        found: Key | None = None
        # All keys are compared, each in constant time, so that the time taken tells nothing.
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        if found is None:
            raise _rejected("This key is not known; use one that is configured.")
        return Caller(found.project, found.scopes, None, found.sha256[:16])

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


def authenticator(settings: ApiSettings, more_keys: Sequence[Key] = ()) -> Authenticator:
    """The authenticator of these settings, and of keys beside those of the keys file.

    Raises:
        ConfigurationError: neither a secret nor keys are configured, or they cannot be used.
    """
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    if secret and len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"Make LOOPIN_JWT_SECRET at least {MIN_SECRET_BYTES} bytes long.")
    keys = [*(read_keys(settings.keys_file) if settings.keys_file else []), *more_keys]
    if not secret and not keys:
        raise ConfigurationError(
            "Set LOOPIN_JWT_SECRET or LOOPIN_KEYS_FILE: without one nobody could sign in."
        )
    return Authenticator(secret or None, keys)


def read_keys(path: Path) -> list[Key]:
    """The keys of a file, a JSON list of {"name", "project", "scopes", "sha256"}.

    Raises:
        ConfigurationError: the file is missing or does not hold that.
    """
    try:
        return TypeAdapter(list[Key]).validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"Check LOOPIN_KEYS_FILE: {path} cannot be read ({error.strerror})."
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"Correct {path}: {where}: {first['msg']}.") from None


def hash_key(token: str) -> str:
    """SHA-256 of a key, hexadecimal: what the keys file holds. A key is random, so it needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def new_key() -> str:
    """A fresh key of 256 random bits. Only its ``hash_key`` is to be kept."""
    return f"lk_{secrets.token_urlsafe(32)}"


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
