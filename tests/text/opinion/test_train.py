"""Learning from rated texts."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean

import pytest

from loopin_text.opinion.learned import FOLDER, Learned, learned, read
from loopin_text.opinion.opinions import Opinions
from loopin_text.opinion.train.base import STEP
from loopin_text.opinion.train.combined import part_of, train
from loopin_text.opinion.train.snippets import Snippet, snippets

TEXTS = snippets()[::20]


@pytest.fixture(scope="module")
def some() -> Learned:
    return train(TEXTS)


def test_the_rated_texts_are_those_of_the_paper() -> None:
    counts = {
        name: sum(each.set == name for each in snippets()) for name in ("tweets", "amazon", "film", "nyt")
    }
    # Of their README: 4,200 tweets, 3,708 sentences on products, 10,605 on films, 5,190 of editorials.
    assert counts == {"tweets": 4_200, "amazon": 3_708, "film": 10_605, "nyt": 5_190}


@pytest.mark.parametrize(
    ("rating", "label"),
    [(0.2, "positive"), (0.19, "neutral"), (0.0, "neutral"), (-0.19, "neutral"), (-0.2, "negative")],
)
def test_a_rating_of_a_twentieth_of_its_scale_is_a_feeling(rating: float, label: str) -> None:
    assert Snippet("tweets", "tweets 1", rating, "text").label == label


def test_sentences_of_one_review_are_in_one_part() -> None:
    parts: dict[str, set[int]] = {}
    for snippet in snippets():
        parts.setdefault(snippet.group, set()).add(part_of(snippet, 5))
    assert {len(each) for each in parts.values()} == {1}
    sizes = [sum(part_of(each, 5) == part for each in snippets()) for part in range(5)]
    assert min(sizes) > 0.17 * len(snippets())


def test_what_is_learned_tells_texts_apart_that_it_has_not_seen(some: Learned) -> None:
    opinions = Opinions(some)
    fresh = [each for each in snippets()[7::200] if abs(each.rating) > 1.5]
    right = fmean(opinions.of(each.text).sentiment == each.label for each in fresh)
    assert right > 0.75


def test_the_combination_does_not_believe_what_the_methods_have_by_heart() -> None:
    """Ratings that mean nothing teach nothing, yet a method that was trained with a text knows its rating."""
    dice = random.Random(7)
    noise = [
        Snippet("film", f"film {at}", dice.choice((-2.0, 0.0, 2.0)), each.text)
        for at, each in enumerate(TEXTS)
    ]
    opinions = Opinions(train(noise))
    said = [opinions.of(each.text) for each in noise]
    by_heart = [scored.label for each in said if (scored := each.methods["linear"])]
    assert fmean(label == each.label for label, each in zip(by_heart, noise, strict=True)) > 0.9
    assert fmean(each.confidence or 0 for each in said) < 0.6


def test_what_is_written_is_read_again(some: Learned, tmp_path: Path) -> None:
    some.write(tmp_path / "models", STEP)
    again = read(tmp_path / "models")
    assert (again.valences, again.stacks, again.intercepts) == (some.valences, some.stacks, some.intercepts)
    assert again.weights.keys() == some.weights.keys()
    for gram, weights in some.weights.items():
        assert again.weights[gram] == pytest.approx(weights)


def test_the_files_of_the_release_are_small_and_as_they_would_be_written(tmp_path: Path) -> None:
    learned().write(tmp_path, STEP)
    for file in FOLDER.glob("*.json"):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert sum(file.stat().st_size for file in FOLDER.glob("*.json")) <= 300 * 1024
