"""Every compression, made by others, comes back as it was; none grows beyond its limit."""

from __future__ import annotations

import base64
import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_api.ingest.compression import ENCODINGS, TooLarge, Undecodable, decompress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 100_000


def _bare_deflate(body: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(body) + deflater.flush()


COMPRESS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "gzip-js": ("gzip-js", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", _bare_deflate),
    "zstd": ("zstd", zstd.compress),
    "br": ("br", lambda body: bytes(cramjam.brotli.compress(body))),
    "base64": ("base64", base64.b64encode),
    "base64 for URLs": ("base64", lambda body: base64.urlsafe_b64encode(body).rstrip(b"=")),
}

each_way = pytest.mark.parametrize("way", COMPRESS)


def test_every_encoding_is_tried_here() -> None:
    assert {encoding for encoding, _ in COMPRESS.values()} == set(ENCODINGS)


@each_way
@given(body=st.binary(max_size=5_000))
def test_a_body_comes_back_as_it_was(way: str, body: bytes) -> None:
    encoding, compress = COMPRESS[way]
    assert decompress(compress(body), encoding, LIMIT) == body


@each_way
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(way: str) -> None:
    encoding, compress = COMPRESS[way]
    assert len(decompress(compress(b"a" * LIMIT), encoding, LIMIT)) == LIMIT
    with pytest.raises(TooLarge):
        decompress(compress(b"a" * (LIMIT + 1)), encoding, LIMIT)


@pytest.mark.parametrize("way", [way for way in COMPRESS if "base64" not in way])
def test_a_body_that_ends_early_is_refused(way: str) -> None:
    encoding, compress = COMPRESS[way]
    whole = compress(bytes(range(256)) * 8)
    with pytest.raises(Undecodable):
        decompress(whole[: len(whole) // 2], encoding, LIMIT)


@each_way
@given(body=st.binary(min_size=1, max_size=200))
def test_no_body_does_more_than_be_refused(way: str, body: bytes) -> None:
    encoding, _ = COMPRESS[way]
    with suppress(Undecodable, TooLarge):
        assert len(decompress(body, encoding, LIMIT)) <= LIMIT


@pytest.mark.parametrize("way", ["gzip", "deflate", "zstd", "br"])
def test_a_bomb_takes_no_more_memory_than_the_limit(way: str) -> None:
    encoding, compress = COMPRESS[way]
    bomb = compress(b"\0" * 64_000_000)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decompress(bomb, encoding, LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * LIMIT


@pytest.mark.parametrize("way", ["gzip", "zstd"])
def test_a_second_stream_behind_the_first_is_refused(way: str) -> None:
    """A million empty ones would take hours."""
    encoding, compress = COMPRESS[way]
    with pytest.raises(Undecodable):
        decompress(compress(b"a") + compress(b"b"), encoding, LIMIT)


def test_a_window_of_a_hundred_megabytes_is_refused() -> None:
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.compression_level: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    wide = compressor.compress(b"a" * 1000) + compressor.flush()
    with pytest.raises(Undecodable):
        decompress(wide, "zstd", LIMIT)
