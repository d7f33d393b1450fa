"""Texts as people and machines could have written them: the rated ones, changed at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SENTIMENT_LADEN_IDIOMS, SPECIAL_CASES

from .library import LIBRARY

Mutation = Callable[[list[str], random.Random], None]

LEXICON: list[str] = list(LIBRARY.lexicon)
BOOSTERS = list(BOOSTER_DICT)
EMOJI: list[str] = list(LIBRARY.emojis)
IDIOMS = [*SPECIAL_CASES, *SENTIMENT_LADEN_IDIOMS]
PHRASES = ["never so", "never this", "without doubt", "without a doubt", "kind", "kind of", "just enough"]
PHRASES += ["least", "at least", "the least", "very least"]
PHRASES += ["no", "no or", "no nor", "nor", "or", "so", "this"]
CONTRACTIONS = ["n't", "N'T", "n’t", "n'tx", "'s", "'ll", "'"]
PUNCTUATION = [*'!?.,:()*_#@<-$`’"', "...", ":)", ":-("]
UNICODE = [*"éßẞİıςΣǅﬁⅧдДև中ع\u212a\u0301\u200d\ufe0f\U0001f3fb\x00\ud800\U0010ffff"]
BLANKS = ["", "  ", "\r\n", *" \t\n\x0b\x1c\x85\xa0\u2003\u2028\u3000\u200b"]


def _at(words: Sequence[str], chance: random.Random) -> int:
    return chance.randrange(len(words))


def _insert(words: list[str], chance: random.Random, choices: Sequence[str]) -> None:
    words.insert(chance.randint(0, len(words)), chance.choice(choices))


def _attach(words: list[str], chance: random.Random, choices: Sequence[str]) -> None:
    at, addition = _at(words, chance), chance.choice(choices)
    cut = chance.choice((0, len(words[at]), chance.randint(0, len(words[at]))))
    words[at] = words[at][:cut] + addition + words[at][cut:]


def swap(words: list[str], chance: random.Random) -> None:
    one, other = _at(words, chance), _at(words, chance)
    words[one], words[other] = words[other], words[one]


def repeat(words: list[str], chance: random.Random) -> None:
    words.insert(_at(words, chance), words[_at(words, chance)])


def drop(words: list[str], chance: random.Random) -> None:
    start = _at(words, chance)
    del words[start : start + chance.choice((1, 1, 2, len(words)))]


def known_word(words: list[str], chance: random.Random) -> None:
    words[_at(words, chance)] = chance.choice(LEXICON)


def negation(words: list[str], chance: random.Random) -> None:
    _insert(words, chance, NEGATE)


def booster(words: list[str], chance: random.Random) -> None:
    _insert(words, chance, BOOSTERS)


def but(words: list[str], chance: random.Random) -> None:
    _insert(words, chance, ["but", "But", "BUT", "but,", "'but'"])


def idiom(words: list[str], chance: random.Random) -> None:
    _insert(words, chance, IDIOMS)


def phrase(words: list[str], chance: random.Random) -> None:
    _insert(words, chance, PHRASES)


def one_case(words: list[str], chance: random.Random) -> None:
    at = _at(words, chance)
    words[at] = chance.choice((str.upper, str.lower, str.title, str.swapcase))(words[at])


def every_case(words: list[str], chance: random.Random) -> None:
    words[:] = map(chance.choice((str.upper, str.upper, str.lower, str.title)), words)


def punctuation(words: list[str], chance: random.Random) -> None:
    _attach(words, chance, PUNCTUATION)


def contraction(words: list[str], chance: random.Random) -> None:
    _attach(words, chance, CONTRACTIONS)


def emoji(words: list[str], chance: random.Random) -> None:
    chance.choice((_insert, _attach))(words, chance, EMOJI)


def emphasis(words: list[str], chance: random.Random) -> None:
    words[-1] += "".join(chance.choices("!?", k=chance.randint(1, 6)))


def foreign(words: list[str], chance: random.Random) -> None:
    _attach(words, chance, UNICODE)


MUTATIONS: tuple[Mutation, ...] = (
    swap,
    repeat,
    drop,
    known_word,
    negation,
    booster,
    but,
    idiom,
    phrase,
    one_case,
    every_case,
    punctuation,
    contraction,
    emoji,
    emphasis,
    foreign,
)


def mutations(texts: Sequence[str], count: int, seed: int) -> Iterator[str]:
    """``count`` texts, each one of ``texts`` after one to six mutations; the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        words = chance.choice(texts).split()
        for mutate in chance.choices(MUTATIONS, k=chance.randint(1, 6)):
            if words:
                mutate(words, chance)
        yield _joined(words, chance)


def _joined(words: list[str], chance: random.Random) -> str:
    """Mostly with single blanks between the words, and else with what blanks there are."""
    if chance.random() < 0.8:
        return " ".join(words)
    return "".join(chance.choice(BLANKS) + word for word in [*words, ""])
