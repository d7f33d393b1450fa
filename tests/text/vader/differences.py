"""Counts the texts that the scorer and the library score differently, and prints the first ten.

``python -m tests.text.vader.differences [--mutations N] [--seed N]``; 100,000 mutations take about ten
seconds. Exit 1 on any difference.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable

from loopin_text.vader import Vader

from .library import differences
from .mutations import mutations
from .snippets import rated_snippets


def compare(name: str, count: int, texts: Iterable[str]) -> int:
    """Prints and returns how many of the ``count`` texts differ."""
    found = list(differences(Vader(), texts))
    print(f"{name:<22}{count:>9,} texts{len(found):>9,} differences")
    for difference in itertools.islice(found, 10):
        print(f"  {difference!r}")
    return len(found)


def main() -> int:
    arguments = argparse.ArgumentParser(
        description="Compares the scorer with the library on the rated texts and on mutations of them."
    )
    arguments.add_argument("--mutations", type=int, default=100_000, metavar="N")
    arguments.add_argument("--seed", type=int, default=1, metavar="N")
    chosen = arguments.parse_args()
    texts = rated_snippets()
    found = compare("rated texts", len(texts), texts)
    found += compare("mutations", chosen.mutations, mutations(texts, chosen.mutations, chosen.seed))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
