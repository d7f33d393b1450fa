"""Writes small files in MaxMind's DB format 2.0, from networks to records.

After the published specification (MaxMind DB File Format): a binary tree of 32-bit records, data, metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from struct import pack
from typing import Any

_UTF8, _DOUBLE, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 3, 5, 6, 7, 9, 11

_TYPES = {"node_count": _UINT32, "build_epoch": _UINT64}
"""Of numbers; all others are of 16 bits."""


def write_mmdb(file: Path, networks: Mapping[str, Any], ip_version: int = 6) -> Path:
    """A file that gives each network its record; of nested networks the longer is to come later."""
    data = b""
    tree: list[list[int | None]] = [[None, None]]
    for name, record in networks.items():
        _insert(tree, _bits(name, ip_version), -1 - len(data))
        data += _encoded(record)
    count = len(tree)
    nodes = b""
    for node in tree:
        for to in node:
            place = count if to is None else to if to >= 0 else count + 16 + (-1 - to)
            nodes += place.to_bytes(4, "big")
    metadata = {
        "node_count": count,
        "record_size": 32,
        "ip_version": ip_version,
        "database_type": "Test",
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000,
        "description": {"en": "Test"},
    }
    file.write_bytes(nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encoded(metadata))
    return file


def _bits(name: str, ip_version: int) -> str:
    network = ip_network(name)
    bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
    return "0" * 96 + bits if ip_version == 6 and network.version == 4 else bits


def _insert(tree: list[list[int | None]], bits: str, leaf: int) -> None:
    at = 0
    for bit in map(int, bits[:-1]):
        to = tree[at][bit]
        if to is None or to < 0:
            # A shorter network's record goes to both halves.
            tree.append([to, to])
            to = tree[at][bit] = len(tree) - 1
        at = to
    tree[at][int(bits[-1])] = leaf


def _encoded(value: Any, name: str = "") -> bytes:
    if isinstance(value, str):
        return _control(_UTF8, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return _control(_DOUBLE, 8) + pack(">d", value)
    if isinstance(value, int):
        small = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _control(_TYPES.get(name, _UINT16 if value < 2**16 else _UINT32), len(small)) + small
    if isinstance(value, list):
        return _control(_ARRAY, len(value)) + b"".join(map(_encoded, value))
    pairs = b"".join(_encoded(name) + _encoded(each, name) for name, each in value.items())
    return _control(_MAP, len(value)) + pairs


def _control(kind: int, size: int) -> bytes:
    assert size < 285
    length, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | length]) + more if kind < 8 else bytes([length, kind - 7]) + more
