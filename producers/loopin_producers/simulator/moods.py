"""What users write, put together from fragments by a hidden mood."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from loopin_producers.simulator.dice import Dice

Mood = Literal["positive", "neutral", "negative"]

AMBIGUOUS_SHARE = 0.12
_CUTS = (-0.45, 0.35)
"""Below the first a tone is negative, from the second on positive."""


class Text(NamedTuple):
    """A text, the mood behind it, and whether that can be told from the words."""

    words: str
    mood: Mood
    ambiguous: bool


class MoodTruth(msgspec.Struct, frozen=True):
    """The truth about the text of one event."""

    uuid: str
    mood: Mood
    ambiguous: bool


_OPENINGS: dict[Mood, tuple[str, ...]] = {
    "positive": (
        "Absolutely loved it!", "What a wonderful evening.", "Really great from start to end.",
        "Best event I have been to in months.", "So much fun, honestly.", "I am very happy that I went.",
        "A lovely crowd and a warm welcome.", "This was fantastic.", "Brilliant idea, well done.",
        "Thanks a lot, I enjoyed every minute.",
    ),
    "neutral": (
        "It was about what I had expected.", "We met at six and walked along the river.",
        "Two hours long, around forty people.", "The first half covered the basics.",
        "It took place on the second floor.", "There were tables, chairs and a screen.",
        "I came with two colleagues.", "It began at seven and ended at nine.",
        "The room is next to the station.", "Half talk, half practice.",
    ),
    "negative": (
        "Very disappointing.", "What a waste of time.", "I am quite angry about this one.",
        "Terrible organisation.", "Sadly this was bad from start to end.", "I would not recommend it.",
        "Honestly awful.", "This annoyed me a lot.", "A horrible evening.", "It failed on every level.",
    ),
}  # fmt: skip
_DETAILS: dict[Mood, tuple[str, ...]] = {
    "positive": (
        "The host was friendly and helpful.", "The food was delicious.", "The music was excellent.",
        "I made new friends.", "Everything was perfectly organised.", "The venue is beautiful.",
        "I learned something useful.", "Great value for the price.",
    ),
    "neutral": (
        "Doors opened at half past six.", "You need a ticket on your phone.",
        "There is a second part next month.", "Bring your own water.", "Most people came by train.",
        "The list was checked at the entrance.", "It is held every other week.", "There was one break.",
    ),
    "negative": (
        "The host was rude.", "The sound was terrible.", "We had to wait outside in the cold, a mess.",
        "Half of what was promised never happened.", "It was crowded and dirty.",
        "The food was disgusting.", "Nobody could answer a question, poor preparation.",
        "I lost my money.",
    ),
}  # fmt: skip
_CLOSINGS: dict[Mood, tuple[str, ...]] = {
    "positive": ("I will come again.", "Highly recommended!", "Thank you so much :)", "", ""),
    "neutral": ("That is all.", "See the page for the next date.", "", "", ""),
    "negative": ("Never again.", "I want my money back.", "Avoid it.", "", ""),
}
_IRONY = (
    "Great, another hour of waiting.", "Fantastic, nobody told us that it was cancelled.",
    "Lovely, the third time this month.", "Well, thank you for nothing.",
)  # fmt: skip
_COMMENTS: dict[Mood, tuple[str, ...]] = {
    "positive": (
        "This looks great, count me in!", "I love this.", "Beautiful, thanks for sharing!",
        "So happy to see this.", "Excellent idea.",
    ),
    "neutral": (
        "Is there parking nearby?", "Does it start at seven or at eight?", "See you on Saturday.",
        "Which platform does the train leave from?", "Is this the same place as last time?",
    ),
    "negative": (
        "The link does not work, very annoying.", "Sad that it is sold out already.",
        "This is wrong and misleading.", "Too expensive, a shame.", "I hate the new rules.",
    ),
}  # fmt: skip
_FEEDBACK: dict[Mood, tuple[str, ...]] = {
    "positive": (
        "The new calendar is excellent.", "A great app, easy to use.", "I love the recommendations.",
        "Support was quick and helpful.",
    ),
    "neutral": (
        "I use it about once a week.", "I would like a dark mode.", "I look for events on the train.",
        "My phone is two years old.",
    ),
    "negative": (
        "Search is slow and bad.", "The app crashes when I pay, horrible.",
        "I was charged twice, I am angry.", "Too many useless notifications.",
    ),
}  # fmt: skip
_OPPOSITE: dict[Mood, Mood] = {"positive": "negative", "neutral": "neutral", "negative": "positive"}


def mood_of(tone: float) -> Mood:
    """The mood of a tone, which is about standard normal, higher being friendlier."""
    if tone < _CUTS[0]:
        return "negative"
    return "positive" if tone >= _CUTS[1] else "neutral"


def rating_of(tone: float, dice: Dice) -> int:
    """Stars, 1 to 5, that follow a tone with noise."""
    return max(1, min(5, round(3.3 + 1.3 * tone + 0.5 * dice.normal())))


def review(mood: Mood, dice: Dice) -> Text:
    """A review of an event."""
    if dice.happens(AMBIGUOUS_SHARE):
        return Text(_ambiguous(mood, dice), mood, True)
    parts = (dice.pick(_OPENINGS[mood]), dice.pick(_DETAILS[mood]), dice.pick(_CLOSINGS[mood]))
    return Text(" ".join(part for part in parts if part), mood, False)


def comment(mood: Mood, dice: Dice) -> Text:
    """A comment on a piece of content."""
    return Text(dice.pick(_COMMENTS[mood]), mood, False)


def feedback(mood: Mood, dice: Dice) -> Text:
    """Feedback on the product."""
    more = dice.pick((*_FEEDBACK["neutral"], "", ""))
    words = dice.pick(_FEEDBACK[mood])
    return Text(words if more in ("", words) else f"{words} {more}", mood, False)


def message_marks(tone: float, dice: Dice) -> dict[str, float | int]:
    """What a client leaves of a private message: a sentiment of -1 to 1, and its length."""
    felt = max(-0.98, min(0.98, 0.35 * tone + 0.3 * dice.normal()))
    return {"$sentiment": round(felt, 4), "$text_length": dice.whole(4, 160)}


def _ambiguous(mood: Mood, dice: Dice) -> str:
    if mood == "negative" and dice.happens(0.4):
        return dice.pick(_IRONY)
    if dice.happens(0.5):
        return f"{dice.pick(_OPENINGS[mood])} But: {dice.pick(_DETAILS[_OPPOSITE[mood]])}"
    return f"{dice.pick(_OPENINGS['neutral'])} {dice.pick(_DETAILS['neutral'])}"
