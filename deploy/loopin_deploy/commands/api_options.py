"""Options of the commands that ask an API: which one, and by which key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from loopin_deploy.api_client import ApiClient
from loopin_deploy.data_folder import DataFolder
from loopin_deploy.errors import DeployError
from loopin_deploy.own_secrets import PERSONAL_SCOPES, load_or_create_secrets
from loopin_deploy.own_secrets import Key as OwnKey
from loopin_deploy.stack_state import read_state
from loopin_schemas.codec import encode

Project = Annotated[
    str,
    typer.Option(
        envvar="LOOPIN_PROJECT",
        help="The project, of several on the data folder; elsewhere the key says it.",
        show_default=False,
    ),
]
Url = Annotated[str, typer.Option(help="Address of an API, e.g. http://10.0.0.5:8000.", show_default=False)]
Key = Annotated[
    str,
    typer.Option(envvar="LOOPIN_KEY", help="Key with the scopes read and write, for an API elsewhere."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


class Address(NamedTuple):
    """An API, the key for it, and the project of the key, empty where only the API knows it."""

    url: str
    key: str
    project: str = ""


def api_address(data: Path, project: str, url: str, key: str, scopes: str = "read,write") -> Address:
    """The API at ``url``, else that of the system on the data folder, by its own key where none is given.

    ``scopes`` are those that a key needs, with commas between, for whoever has none yet.

    Raises:
        DeployError: ``nothing_runs``, ``url_invalid`` or ``project_unknown``.
    """
    if url:
        if not url.startswith(("http://", "https://")):
            raise DeployError(
                "url_invalid", "--url", f"{url} is no address: give one like http://10.0.0.5:8000."
            )
        return Address(url.rstrip("/"), key)
    state = read_state(data)
    if state is None:
        raise DeployError(
            "nothing_runs",
            str(data),
            f"Nothing runs on the data folder {data}: start it with `loopin up`, or name an API with --url.",
        )
    if key:
        return Address(state.api_url, key)
    own = _own_key(data, project, scopes)
    return Address(state.api_url, own.key, own.project)


def api_client(data: Path, project: str, url: str, key: str, scopes: str = "read,write") -> ApiClient:
    """A client of :func:`api_address`.

    Raises:
        DeployError: as there.
    """
    found = api_address(data, project, url, key, scopes)
    return ApiClient(found.url, found.key)


def print_json(value: object) -> None:
    """One line for a program."""
    sys.stdout.write(encode(value).decode() + "\n")


def _own_key(data: Path, project: str, scopes: str) -> OwnKey:
    own = load_or_create_secrets(DataFolder(data).secrets, ()).keys
    for key in own:
        if key.scopes == PERSONAL_SCOPES and project in ("", key.project):
            return key
    if not project:
        raise DeployError("project_unknown", "--project", f"There is no key in {data}: give one with --key.")
    known = sorted({key.project for key in own})
    others = f", or name one of {', '.join(known)}" if known else ""
    raise DeployError(
        "project_unknown",
        "--project",
        f"There is no key of project {project} on the data folder: make one with `loopin keys create "
        f"--project {project} --kind personal --scopes {scopes}` and give it with --key{others}.",
    )
