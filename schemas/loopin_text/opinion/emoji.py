"""What the most used emoji say, by a list of our own.

None of the rated texts has an emoji, but a few hundred tweets have emoticons, which every method knows. So an
emoji counts as emoticons of like feeling: how far these are to be believed was learned from people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_RATED: Final = {
    4: "😍🥰🤩❤💖💗💓💞💘🏆",
    3: "😀😃😄😁😆😊😇🤣😘😻🥳🎉🎊💕💝💟💙💚💛🧡💜🖤🤍🤎💯🔥❣🥇👏🙌🤗😸😹🤟",
    2: "😂🙂☺😉😋😛😜🤪😝😎😗😙😚😺😽👍👌🤘💪🙏🫶😌🥹✨🌟🌈🎁💐🌹🌸🌞☀🎂🍾🥂🍻👑💋🫂🤝💃🕺🍀✌",
    -2: "🙄😒😕🙁☹😟😞😔😥😓😖😣😦😧😰😨🤦🤕🤒😩😫😵😿👎❌😱🤡😤😭🚫⛔",
    -3: "😢😠😾💔🤢🤮💩🖕😡👿",
    -4: "🤬",
}
VALENCES: Final[Mapping[str, int]] = {emoji: valence for valence, all_ in _RATED.items() for emoji in all_}
"""Whole numbers from -4 (negative) to 4 (positive), as people rated the texts; none for weak feelings."""

EMOTICONS: Final = {4: ":D :D", 3: ":D", 2: ":)", -2: ":(", -3: ":( :(", -4: ":( :( :("}
"""As what an emoji of each valence counts."""

_EMOJI: Final = re.compile(
    "[\u231a-\u23ff\u2600-\u27bf\u2934-\u2b55\U0001f000-\U0001faff]"  # a picture of whatever
    "[\ufe0f\u200d\u20e3\U0001f3fb-\U0001f3ff]*"  # how it is drawn: colour, skin, joined to another
)


def with_emoticons(text: str) -> str:
    """The text with emoticons in the place of each rated emoji, and with nothing in that of any other."""
    return text if text.isascii() else _EMOJI.sub(_emoticons, text)


def _emoticons(found: re.Match[str]) -> str:
    return f" {EMOTICONS.get(VALENCES.get(found[0][0], 0), '')} "
