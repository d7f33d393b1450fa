"""The texts that VADER's authors rated: tweets, and sentences of product reviews, film reviews, editorials.

They come with vaderSentiment's source package only. Their authors are many, so they are not copied here:
``make test`` fetches that package (``requirements/texts.in``), which is never built or imported.
"""

from __future__ import annotations

import io
import sys
import tarfile
from functools import cache
from pathlib import Path

FETCHED = Path(sys.prefix) / "share" / "texts"


@cache
def rated_snippets() -> tuple[str, ...]:
    """All 23,703 texts, in the order of the files.

    Raises:
        FileNotFoundError: the source package has not been fetched.
    """
    packages = sorted(FETCHED.glob("vader*.tar.gz"))
    if not packages:
        raise FileNotFoundError(f"No rated texts in {FETCHED}; `make test` fetches them.")
    with tarfile.open(packages[-1]) as package:
        (paper,) = (
            _bytes(package, name) for name in package.getnames() if name.endswith("ICWSM_2014.tar.gz")
        )
    with tarfile.open(fileobj=io.BytesIO(paper)) as data:
        rated = [_bytes(data, name) for name in sorted(data.getnames()) if name.endswith("_GroundTruth.txt")]
    return tuple(
        line.split("\t", 2)[2]
        for file in rated
        for line in file.decode().replace("\r\n", "\n").split("\n")
        if line
    )


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read()
