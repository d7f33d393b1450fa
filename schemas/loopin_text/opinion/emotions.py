"""The emotions that a text names, by a small lexicon of our own.

Not a model of feelings: it finds words that say one. ``docs/sentiment.md`` tells how many of the rated texts
have any. Written for this project, word by word; no list of others is copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from loopin_text.opinion.words import NEGATED, described_words_of

EMOTIONS: Final[Mapping[str, str]] = {
    "joy": "happy happier happiest happily happiness joy joyful joyous glad delighted delight "
    "delightful cheerful cheer fun funny laugh laughed laughing laughter lol haha hahaha hehe lmao "
    "smile smiled smiling smiles enjoy enjoyed enjoying enjoys enjoyable enjoyment yay yayy woohoo "
    "hilarious merry grin pleased pleasure :) :-) :d :-d =) =d ;) ;-) :p :-p",
    "love": "love loved loves loving lovely adore adored adores adorable beloved sweetheart darling "
    "romantic romance affection affectionate hug hugs kiss kisses kissing heart hearts tender <3",
    "excitement": "excited exciting excitement excite thrilled thrilling thrill thrills amazing "
    "incredible stoked psyched pumped hyped exhilarating electrifying ecstatic eager eagerly "
    "awesome epic fantastic spectacular breathtaking stunning omg wow whoa",
    "satisfaction": "satisfied satisfying satisfaction satisfies content contented perfect perfectly "
    "excellent flawless impressed impressive recommend recommended worth worthwhile happy pleased "
    "comfortable reliable smooth smoothly proud pride proudly",
    "gratitude": "thank thanks thanked thankful thankfully thx ty grateful gratitude appreciate "
    "appreciated appreciates appreciation blessed blessing blessings",
    "hope": "hope hoped hopes hopeful hopefully hoping optimistic optimism confident confidence "
    "promising encouraged encouraging",
    "relief": "relief relieved relieving phew finally calm calmed peaceful relaxed relaxing relax soothing",
    "surprise": "surprise surprised surprises surprising surprisingly unexpected unexpectedly "
    "astonished astonishing astounding shocked shocking shock stunned unbelievable amazed wow whoa "
    "omg wtf speechless",
    "sadness": "sad sadly sadder saddest sadness cry cried cries crying tears tearful unhappy "
    "miserable misery depressed depressing depression heartbroken heartbreaking heartbreak grief "
    "grieving mourn mourning lonely loneliness sorrow sob sobbing miss missed tragic tragedy gloomy "
    "melancholy :( :-( :'( =(",
    "anger": "angry anger angrily mad furious fury rage raging outrage outraged outrageous annoyed "
    "annoying annoy annoys irritated irritating irritate frustrated frustrating frustration hate "
    "hated hates hating hatred pissed infuriating resent resentment hostile rude insulting insulted",
    "disappointment": "disappointed disappointing disappointment disappoint disappoints "
    "disappointingly letdown underwhelming underwhelmed regret regrets regretted unfortunately "
    "unsatisfied unsatisfying dissatisfied waste wasted overrated mediocre lacks lacking lackluster "
    "meh boring bored bore dull tedious",
    "fear": "afraid fear feared fears fearful fearing scared scary scare scares frightened frightening "
    "frighten terrified terrifying terror horror horrified panic panicked anxious anxiety worry "
    "worried worries worrying nervous dread dreadful creepy unsafe threat threatened threatening "
    "danger dangerous",
    "disgust": "disgust disgusted disgusting disgusts gross grossed nasty revolting repulsive sick "
    "sickening vomit puke nauseating nausea yuck ew eww filthy vile stinks stink stinking",
}
"""Words, and emoticons, in small letters, of each emotion. Emoji count as the words of their description."""

_OF_WORD: Final[Mapping[str, tuple[str, ...]]] = {
    word: tuple(name for name, listed in EMOTIONS.items() if word in listed.split())
    for word in dict.fromkeys(" ".join(EMOTIONS.values()).split())
}


def emotions_of(text: str) -> tuple[str, ...]:
    """Names of the emotions that the text's scored part has words of, those with most words first.

    A word that is negated ("not happy") does not count.
    """
    found = Counter(
        name
        for word in described_words_of(text)
        if not word.startswith(NEGATED)
        for name in _OF_WORD.get(word, ())
    )
    order = list(EMOTIONS)
    return tuple(sorted(found, key=lambda name: (-found[name], order.index(name))))
