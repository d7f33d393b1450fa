"""The texts that VADER's authors had rated: tweets, sentences of product and film reviews, of editorials.

They come with vaderSentiment's source package only (MIT licence). Their writers are many, so they are not
copied here: ``make test`` fetches that package (``requirements/texts.in``), which is never built or imported.
"""

from __future__ import annotations

import io
import sys
import tarfile
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from loopin_text.sentiment import POSITIVE_FROM, Label

FETCHED: Final = Path(sys.prefix) / "share" / "texts"

SETS: Final = {
    "amazonReviewSnippets": "amazon",
    "movieReviewSnippets": "film",
    "nytEditorialSnippets": "nyt",
    "tweets": "tweets",
}
"""Names of the sets, by the beginnings of their files' names."""

NEUTRAL_BELOW: Final = 4 * POSITIVE_FROM
"""A mean rating below 0.2 either way, of -4 to 4, is neutral: VADER's bound of 0.05, of -1 to 1."""


class Snippet(NamedTuple):
    """A text and what people say of it."""

    set: str
    group: str
    """The review or article it is a sentence of; of one group, no part may be predicted from another."""
    rating: float
    """Mean of some 20 people's ratings (of tweets, 90), -4 to 4."""
    text: str

    @property
    def label(self) -> Label:
        """Positive from 0.2, negative from -0.2 down, else neutral."""
        if self.rating >= NEUTRAL_BELOW:
            return "positive"
        return "negative" if self.rating <= -NEUTRAL_BELOW else "neutral"


@cache
def snippets(folder: Path = FETCHED) -> tuple[Snippet, ...]:
    """All 23,703, in the order of the files.

    Raises:
        FileNotFoundError: the source package has not been fetched.
    """
    packages = sorted(folder.glob("vader*.tar.gz"))
    if not packages:
        raise FileNotFoundError(f"No rated texts in {folder}; `make test` fetches them.")
    with tarfile.open(packages[-1]) as package:
        (paper,) = (
            _bytes(package, name) for name in package.getnames() if name.endswith("ICWSM_2014.tar.gz")
        )
    with tarfile.open(fileobj=io.BytesIO(paper)) as data:
        files = {name: _bytes(data, name) for name in data.getnames() if name.endswith("_GroundTruth.txt")}
    return tuple(
        _snippet(SETS[Path(name).name.removesuffix("_GroundTruth.txt")], line)
        for name, file in sorted(files.items())
        for line in file.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
        if line
    )


def _snippet(of: str, line: str) -> Snippet:
    number, rating, text = line.split("\t", 2)
    # A tweet and a sentence on a film have numbers of their own, others that of their text before "_".
    return Snippet(of, f"{of} {number.partition('_')[0]}", float(rating), text)


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read()
