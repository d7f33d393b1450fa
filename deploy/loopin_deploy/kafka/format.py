"""The one-time format of a broker's storage."""

from __future__ import annotations

import base64
import secrets
import shutil
import subprocess
from pathlib import Path

from loopin_deploy.errors import DeployError
from loopin_deploy.kafka.config import java_command, server_properties
from loopin_deploy.ports import free_port

FORMAT_TIMEOUT_S = 120
_UNFINISHED = "data.unformatted"


def format_storage(java: str, jars: Path, data_dir: Path, log_dir: str) -> None:
    """Format ``data_dir/log_dir`` unless it is there; a format that was killed half-way is done again.

    Raises:
        DeployError: ``kafka_format_failed``.
        OSError: the folder cannot be written.
    """
    if (data_dir / log_dir).is_dir():
        return
    shutil.rmtree(data_dir / _UNFINISHED, ignore_errors=True)
    properties = data_dir / "format.properties"
    port = free_port()
    properties.write_text(server_properties(port, free_port(besides=port), _UNFINISHED))
    command = java_command(java, jars, data_dir, "kafka.tools.StorageTool", "format", "--standalone")
    command += ["-t", cluster_id(), "-c", properties.name]
    done = subprocess.run(command, cwd=data_dir, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S)
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise DeployError(
            "kafka_format_failed",
            str(data_dir),
            f"Kafka could not format {data_dir} ({_cause(lines)}): check its space and rights.",
            lines[-20:],
        )
    properties.unlink()
    (data_dir / _UNFINISHED).rename(data_dir / log_dir)


def _cause(lines: list[str]) -> str:
    """The last line, or of a Java stack trace the line that names the exception."""
    named = [line for line in lines if "Exception" in line and not line.startswith("\t")]
    return (named or lines)[-1].strip()[:300]


def cluster_id() -> str:
    """A random id in Kafka's spelling of UUIDs: 22 characters, URL-safe base64, no leading dash."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not text.startswith("-"):
            return text
