"""What people write in the benches' messages: reviews with their rating, comments and feedback."""

from __future__ import annotations

REVIEWS: tuple[tuple[int, str], ...] = (
    (5, "Absolutely loved it! The host was warm and the food was fantastic."),
    (5, "Best evening I have had in months, thank you so much."),
    (5, "Great music, friendly people, and it started right on time. Wonderful!"),
    (5, "Brilliant workshop. I learned more in two hours than in a whole course."),
    (5, "Such a beautiful hike, and the guide was amazing :)"),
    (4, "Really nice crowd and a good venue, I will come again."),
    (4, "Well organised and fun, although the room was a bit small."),
    (4, "Enjoyed the talks a lot, the coffee was excellent too."),
    (4, "Good value for the price and easy to find."),
    (3, "It was about what I had expected."),
    (3, "Two hours long, around forty people, next to the station."),
    (3, "The first half covered the basics and the second half was practice."),
    (3, "We met at six and walked along the river to the old town."),
    (2, "The sound was bad and we had to wait outside for half an hour."),
    (2, "Disappointing. Half of what was announced did not take place."),
    (2, "Far too crowded, it was a mess and we got lost."),
    (1, "Terrible organisation, the host never showed up. I want my money back."),
    (1, "A complete waste of time and money, I was really angry."),
    (1, "Rude staff, a dirty room and awful food. Never again!"),
)

COMMENTS: tuple[str, ...] = (
    "This looks great, count me in!",
    "Is there parking nearby?",
    "I love this community, everyone is so helpful.",
    "The link to the tickets does not work for me, very annoying.",
    "See you all on Saturday.",
    "Sad that it is sold out already.",
    "Does anyone know if it starts at seven or at eight?",
    "Beautiful photos, thanks for sharing!",
)

FEEDBACK: tuple[tuple[int, str], ...] = (
    (5, "The new calendar is excellent, so much easier to use."),
    (4, "Nice app, I would like a dark mode."),
    (3, "I use it about once a week to look for events."),
    (2, "Search is slow and often finds nothing useful."),
    (1, "The app crashes every time I try to pay. Horrible experience."),
)
