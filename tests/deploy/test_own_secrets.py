from __future__ import annotations

import stat
from pathlib import Path

import pytest

from loopin_api.auth import Authenticator
from loopin_api.keys import Keyring, read_keys
from loopin_deploy.errors import DeployError
from loopin_deploy.own_secrets import load_or_create_secrets, write_keys_file
from loopin_schemas.key_format import well_formed


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_kept_for_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    made = load_or_create_secrets(path, ["shop", "demo"])

    assert mode(path) == 0o600
    assert load_or_create_secrets(path, ["demo", "shop"]) == made
    assert [each.name for each in tmp_path.iterdir()] == ["secrets.json"]
    assert len({made.jwt_secret, *(key.key for key in made.keys)}) == 5
    assert len(made.jwt_secret.encode()) >= 32


def test_each_project_has_a_write_key_and_a_personal_key(tmp_path: Path) -> None:
    made = load_or_create_secrets(tmp_path / "secrets.json", ["shop"])

    assert {key.key: key.scopes for key in made.keys} == {
        made.write_key("shop"): ("ingest",),
        made.personal_key("shop"): ("read", "write", "admin"),
    }
    assert made.write_key("shop").startswith("lp_w_")
    assert made.personal_key("shop").startswith("lp_p_")
    assert all(well_formed(key.key) for key in made.keys)
    with pytest.raises(KeyError):
        made.write_key("other")


def test_a_new_project_gets_keys_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    before = load_or_create_secrets(path, ["shop"])

    after = load_or_create_secrets(path, ["shop", "demo"])

    assert after.jwt_secret == before.jwt_secret
    assert after.keys[:2] == before.keys
    assert after.personal_key("demo")
    assert mode(path) == 0o600


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, rights: int) -> None:
    path = tmp_path / "secrets.json"
    load_or_create_secrets(path)
    path.chmod(rights)

    with pytest.raises(DeployError, match="chmod 600") as raised:
        load_or_create_secrets(path)

    assert raised.value.code == "secrets_readable_by_others"


@pytest.mark.parametrize("content", ["", "{", '{"jwt_secret": 5, "keys": []}'])
def test_a_damaged_file_is_refused_and_not_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(DeployError) as raised:
        load_or_create_secrets(path)

    assert raised.value.code == "secrets_invalid"
    assert path.read_text() == content


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="cannot be written") as raised:
        load_or_create_secrets(tmp_path / "none" / "secrets.json")

    assert raised.value.code == "folder_not_writable"


def test_secrets_do_not_show_in_logs(tmp_path: Path) -> None:
    made = load_or_create_secrets(tmp_path / "secrets.json")

    assert not any(text in repr(made) for text in (made.jwt_secret, *(key.key for key in made.keys)))


def test_the_api_accepts_the_keys_from_a_file_that_does_not_hold_them(tmp_path: Path) -> None:
    made = load_or_create_secrets(tmp_path / "secrets.json", ["shop"])
    keys_file = tmp_path / "keys.json"

    write_keys_file(keys_file, made.keys)

    known = Authenticator(made.jwt_secret, Keyring(read_keys(keys_file), None))
    for key in made.keys:
        caller = known.authenticate(f"Bearer {key.key}")
        assert (caller.project, caller.scopes) == ("shop", frozenset(key.scopes))
        assert key.key not in keys_file.read_text()
    assert mode(keys_file) == 0o600
