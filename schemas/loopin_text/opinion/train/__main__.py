"""Learns from all rated texts and writes the files that are read at run time.

Takes a minute, the extra ``models``, and the rated texts, which ``make test`` fetches. How good it is, is
another matter, judged with texts that were not learned from: ``python -m tests.evaluate --parts sentiment``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from loopin_text.opinion.learned import FOLDER
from loopin_text.opinion.train.base import STEP
from loopin_text.opinion.train.combined import train
from loopin_text.opinion.train.snippets import FETCHED, snippets


def main() -> None:
    """Train, and write."""
    parser = argparse.ArgumentParser(prog="python -m loopin_text.opinion.train", description=__doc__)
    parser.add_argument(
        "--texts", type=Path, default=FETCHED, help="folder of vaderSentiment's source package"
    )
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder of the files that are written")
    chosen = parser.parse_args()
    texts = snippets(chosen.texts)
    train(texts).write(chosen.to, STEP)
    sizes = ", ".join(
        f"{file.name} {file.stat().st_size:,} bytes" for file in sorted(chosen.to.glob("*.json"))
    )
    print(f"Learned from {len(texts):,} texts: {sizes}.")


if __name__ == "__main__":
    main()
