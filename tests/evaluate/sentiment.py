"""The methods that judge texts, and their combination, on the texts that VADER's authors had rated.

All that is learned is judged by texts that it was not learned from: five parts, each predicted by what the
other four have taught, sentences of one review or article in one part. The files of the release are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import correlation, fmean
from typing import Final, NamedTuple

from sklearn.metrics import accuracy_score, f1_score

from loopin_text.opinion.language import ENGLISH, language_of, supported
from loopin_text.opinion.opinions import Opinion, Opinions
from loopin_text.opinion.train.combined import part_of, train
from loopin_text.opinion.train.snippets import Snippet, snippets
from loopin_text.sentiment import Label
from tests.evaluate.part import Figure, Section, Table

FOLDS: Final = 5
BINS: Final = 10
COMBINATION: Final = "combination"
SETS: Final = ("tweets", "amazon", "film", "nyt")
GAIN: Final = 0.01
LOSS: Final = -0.01
ECE: Final = 0.03

INTRO: Final = f"""\
Texts that some 20 people each (tweets: 90) have rated from -4 to 4, of vaderSentiment's source package. True
is positive from a mean rating of 0.2 on (VADER's bound of 0.05, of -1 to 1), negative from -0.2 down, else
neutral. Lexicon, linear model, combination and calibration were learned from other texts than those that they
are judged by: {FOLDS} parts, sentences of one review or article in one of them."""


class Judged(NamedTuple):
    """A text, and what is said of it by what has not seen it."""

    snippet: Snippet
    opinion: Opinion

    def says(self, method: str) -> Label | None:
        """The label of a method, or of the combination."""
        if method == COMBINATION:
            return self.opinion.sentiment
        scored = self.opinion.methods[method]
        return scored.label if scored else None


class Sentiment:
    """The part of the evaluation on texts."""

    def section(self) -> Section:
        """Tables of accuracy and macro-F1, of the calibration, of emotions and languages."""
        everything = held_out(snippets())
        judged = [each for each in everything if each.opinion.supported]
        methods = [*judged[0].opinion.methods, COMBINATION]
        f1 = _of_each(judged, methods, _macro_f1)
        singles = [method for method in methods if method != COMBINATION]
        best = max(singles, key=lambda method: fmean(f1[method].values()))
        return Section(
            title="Sentiment",
            simulated=False,
            intro=INTRO,
            figures=(
                *_gains(f1, singles, best),
                *_confidence(judged),
                Figure(
                    "rating that people give by the score, correlation",
                    correlation([j.snippet.rating for j in judged], [j.opinion.score or 0.0 for j in judged]),
                ),
                Figure(
                    "rating that people give by VADER's, correlation",
                    correlation([j.snippet.rating for j in judged], [_vader(j) for j in judged]),
                ),
            ),
            tables=(
                _table("Macro-F1.", f1, judged),
                _table("Accuracy.", _of_each(judged, methods, accuracy_score), judged),
                _calibration(judged),
                _emotions(judged),
                _languages(everything),
            ),
        )


def held_out(texts: Sequence[Snippet]) -> list[Judged]:
    """Each text's opinion, by what was learned from the other parts."""
    # Forked processes would inherit the threads of numerical libraries, which do not survive it.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return [each for part in pool.map(_part, range(FOLDS), [texts] * FOLDS) for each in part]


def _part(part: int, texts: Sequence[Snippet]) -> list[Judged]:
    opinions = Opinions(train([text for text in texts if part_of(text, FOLDS) != part]))
    return [Judged(text, opinions.of(text.text)) for text in texts if part_of(text, FOLDS) == part]


def _vader(judged: Judged) -> float:
    scored = judged.opinion.methods["vader"]
    return scored.score if scored else 0.0


Quality = Callable[[Sequence[Label], Sequence[Label | None]], float]


def _macro_f1(truth: Sequence[Label], said: Sequence[Label | None]) -> float:
    return float(f1_score(truth, said, average="macro"))


def _of_each(
    judged: Sequence[Judged], methods: Iterable[str], quality: Quality
) -> dict[str, dict[str, float]]:
    """By method and set."""
    return {
        method: {
            name: quality([j.snippet.label for j in here], [j.says(method) for j in here])
            for name in SETS
            if (here := [j for j in judged if j.snippet.set == name])
        }
        for method in methods
    }


def _gains(f1: Mapping[str, Mapping[str, float]], singles: Sequence[str], best: str) -> Iterator[Figure]:
    ours = f1[COMBINATION]
    over_best = fmean(ours[name] - f1[best][name] for name in SETS)
    yield Figure(
        f"macro-F1 gained over the best method ({best}), mean of the sets",
        over_best,
        f">= {GAIN}",
        over_best >= GAIN,
    )
    gains = [ours[name] - max(f1[method][name] for method in singles) for name in SETS]
    yield Figure(
        "macro-F1 gained over the best method of each set, mean",
        fmean(gains),
        f">= {GAIN}",
        fmean(gains) >= GAIN,
    )
    yield Figure("the same, the set with the least", min(gains), f">= {LOSS}", min(gains) >= LOSS)


def _confidence(judged: Sequence[Judged]) -> Iterator[Figure]:
    # Sets weigh the same: there are four times as many sentences on films as on products.
    error = fmean(calibration_error([j for j in judged if j.snippet.set == name]) for name in SETS)
    whole = calibration_error(judged)
    yield Figure("expected calibration error, all texts", whole, f"<= {ECE}", whole <= ECE)
    yield Figure("the same, mean of the sets", error)
    sure = [j for j in judged if 0.75 <= (j.opinion.confidence or 0) < 0.85]
    yield Figure("right of those said 0.75 to 0.85 sure", fmean(_right(j) for j in sure))


def _right(judged: Judged) -> bool:
    return judged.opinion.sentiment == judged.snippet.label


def _bins(judged: Iterable[Judged]) -> dict[int, list[Judged]]:
    bins: dict[int, list[Judged]] = {}
    for each in judged:
        bins.setdefault(min(int((each.opinion.confidence or 0) * BINS), BINS - 1), []).append(each)
    return dict(sorted(bins.items()))


def calibration_error(judged: Sequence[Judged]) -> float:
    """Mean difference of what is said and what is right, over bins of confidence (Naeini et al., 2015)."""
    return sum(
        abs(sum(_right(j) - (j.opinion.confidence or 0) for j in bin)) for bin in _bins(judged).values()
    ) / len(judged)


def _table(caption: str, of: Mapping[str, Mapping[str, float]], judged: Sequence[Judged]) -> Table:
    counts = [sum(j.snippet.set == name for j in judged) for name in SETS]
    return Table(
        ("method", *(f"{name} ({count:,})" for name, count in zip(SETS, counts, strict=True)), "mean"),
        tuple(
            (method, *(f"{values[name]:.3f}" for name in SETS), f"{fmean(values.values()):.3f}")
            for method, values in of.items()
        ),
        caption,
    )


def _calibration(judged: Sequence[Judged]) -> Table:
    rows = [
        (
            f"{bin / BINS:.1f} to {(bin + 1) / BINS:.1f}",
            f"{len(here):,}",
            f"{fmean(j.opinion.confidence or 0 for j in here):.3f}",
            f"{fmean(map(_right, here)):.3f}",
            *(_share_right([j for j in here if j.snippet.set == name]) for name in SETS),
        )
        for bin, here in _bins(judged).items()
    ]
    errors = (f"{calibration_error([j for j in judged if j.snippet.set == name]):.3f}" for name in SETS)
    rows.append(
        ("expected calibration error", f"{len(judged):,}", "", f"{calibration_error(judged):.3f}", *errors)
    )
    return Table(
        ("confidence", "texts", "said, mean", "right", *(f"right, {name}" for name in SETS)),
        tuple(rows),
        "How often a label is right, by the confidence that it is said with; - for less than 50 texts.",
    )


def _share_right(judged: Sequence[Judged]) -> str:
    return f"{fmean(map(_right, judged)):.3f}" if len(judged) >= 50 else "-"


def _emotions(judged: Sequence[Judged]) -> Table:
    named: dict[str, list[Judged]] = {}
    for each in judged:
        for name in each.opinion.emotions:
            named.setdefault(name, []).append(each)
    some = [j for j in judged if j.opinion.emotions]
    covered = ", ".join(
        f"{name} {_share(bool(j.opinion.emotions) for j in judged if j.snippet.set == name)}" for name in SETS
    )
    return Table(
        ("emotion", "texts", "mean rating", "positive", "negative"),
        tuple(
            (
                name,
                f"{len(here):,}",
                f"{fmean(j.snippet.rating for j in here):+.2f}",
                _share(j.snippet.label == "positive" for j in here),
                _share(j.snippet.label == "negative" for j in here),
            )
            for name, here in sorted(named.items(), key=lambda one: -len(one[1]))
        ),
        f"Emotions: {_share(bool(j.opinion.emotions) for j in judged)} of the texts have words of one "
        f"({covered}): {len(some):,}. Nobody has rated emotions; what people said of texts with each:",
    )


def _share(these: Iterable[bool]) -> str:
    return f"{fmean(these):.1%}"


SENTENCES: Final = {
    "ar": "كان الحفل رائعا وسنعود بالتأكيد في العام القادم",
    "de": "Das Konzert war wirklich großartig, vielen Dank dafür!",
    "es": "El sonido fue terrible y el personal muy grosero.",
    "fr": "C'était une soirée magnifique, merci à toute l'équipe !",
    "hi": "यह कार्यक्रम बहुत अच्छा था, धन्यवाद",
    "it": "La serata è stata bellissima, torneremo sicuramente.",
    "ja": "このイベントは最高でした。また行きたいです。",
    "nl": "Het was een geweldige avond met heel fijne mensen.",
    "pl": "To było niesamowite wydarzenie, bardzo dziękujemy!",
    "pt": "Muito obrigado por este evento maravilhoso, foi incrível.",
    "ru": "Концерт был ужасный, больше никогда не приду.",
    "sv": "Det var en fantastisk kväll med väldigt trevliga människor.",
    "tr": "Bu etkinlik harikaydı, herkese çok teşekkür ederiz.",
    "zh": "这个活动非常棒，下次还会再来。",
}
"""Of our own, one in each language."""


def _languages(everything: Sequence[Judged]) -> Table:
    said = [j.opinion.language for j in everything]
    rows = [
        ("rated texts", f"{len(said):,}"),
        ("of them English", f"{sum(each == ENGLISH for each in said):,}"),
        ("too short to tell, taken for English", f"{sum(each is None for each in said):,}"),
        ("of other languages, left out above", f"{sum(not j.opinion.supported for j in everything):,}"),
        ("sentences of our own in other languages", str(len(SENTENCES))),
        ("of them told by their language", str(sum(language_of(s) == of for of, s in SENTENCES.items()))),
        (
            "of them not taken for English",
            str(sum(not supported(language_of(s)) for s in SENTENCES.values())),
        ),
    ]
    return Table(("language", "texts"), tuple(rows), "Languages.")
