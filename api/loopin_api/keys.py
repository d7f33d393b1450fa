"""The keys that the API knows: those of its file, and those that are configured while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from loopin_api.settings import ConfigurationError
from loopin_schemas.config import ApiKey, Scope
from loopin_schemas.key_format import hash_key
from loopin_streams.kafka.config_state import Configuration, Item

Project = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class Key(BaseModel):
    """A key as the keys file has it: its SHA-256 and what it allows, never the key itself.

    A project's write key has the scope ``ingest`` only, so it is no secret: web pages carry it too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    project: Project
    scopes: frozenset[Scope] = Field(min_length=1)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that is known, which does not say that it is valid. Times are epoch ms."""

    id: str
    project: str
    scopes: frozenset[Scope]
    expires_at: int | None = None
    revoked_at: int | None = None


class Configured(Protocol):
    """The configuration as it is followed: see :class:`loopin_streams.kafka.config_log.ConfigLog`."""

    @property
    def configuration(self) -> Configuration: ...
    def unready(self) -> str | None: ...
    def uncertain(self) -> str | None: ...
    def age_s(self) -> float | None: ...


class Keyring:
    """Finds keys by what is sent. Where a key is in the file and configured, what is configured counts."""

    def __init__(self, of_file: Sequence[Key], config: Configured | None) -> None:
        self._config = config
        # Looked up under a secret of this process: what the time of a look-up tells is of no use to anybody.
        self._secret = token_bytes(32)
        self._of_file = {
            self._blind(key.sha256): KnownKey(key.sha256[:16], key.project, key.scopes) for key in of_file
        }
        self._configured: dict[bytes, KnownKey] = {}
        self._indexed: tuple[Configuration, int] | None = None

    def find(self, token: str) -> KnownKey | None:
        """The key that was sent, if there is one."""
        self._index()
        at = self._blind(hash_key(token))
        return self._configured.get(at) or self._of_file.get(at)

    def uncertain(self) -> str | None:
        """One sentence while keys may exist that are not known here."""
        return self._config.uncertain() if self._config is not None else None

    def _index(self) -> None:
        if self._config is None:
            return
        now = self._config.configuration
        if self._indexed == (now, now.changes):
            return
        found = [(item.body.sha256, _known(item)) for item in now.of(ApiKey).values()]
        # Should two items hold the same hash, the one that is revoked counts.
        found.sort(key=lambda pair: pair[1].revoked_at is not None)
        self._configured = {self._blind(sha256): key for sha256, key in found}
        self._indexed = now, now.changes

    def _blind(self, sha256: str) -> bytes:
        return blake2b(sha256.encode(), key=self._secret, digest_size=16).digest()


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


def _known(item: Item[ApiKey]) -> KnownKey:
    key = item.body
    return KnownKey(item.id, key.project, frozenset(key.scopes), key.expires_at, key.revoked_at)
