"""Chooses the outline that fits a time, by simulating it with step times that were measured here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dagan.data.facts import Facts
from sweeps.forecast.estimate.draft import drafts
from sweeps.forecast.simulate.forecast import forecast
from sweeps.forecast.simulate.probe import probe
from sweeps.forecast.simulate.step_times import Durations, assumed
from sweeps.start.outline import FEWEST_SEEDS, MOST_SEEDS, Outline, networks, outlines
from sweeps.study.schema import Study

FILLED = 0.9
"""Share of the time that a study may take as foretold; the rest is for what was not foreseen."""
HOPELESS = 2.0
"""Times the limit that a wide network may take at the speed of the narrowest, to be tried at all: wide ones are faster
for what they do, though not so much."""

Seconds = Callable[[Outline], float]
"""Foretells the time of an outline."""


@dataclass(frozen=True)
class Choice:
    """The outline that fits, or the least where none does, with what it takes."""

    outline: Outline
    seconds: float
    fits: bool
    with_gan: float | None
    """Where there is no time for a GAN: the seconds of the least outline with one."""


class Timer:
    """Foretells the seconds of outlines on so many slots, from step times that are measured once for each network."""

    def __init__(
        self,
        make: Callable[[Outline], Study],
        slots: int,
        limit: float,
        narrowest: tuple[str, float],
        *,
        gflops: float | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Take a function from outlines to studies; `gflops` is an assumed speed, with which nothing is measured."""
        self.make, self.slots, self.limit, self.narrowest = make, slots, limit, narrowest
        self.gflops, self.tell = gflops, tell
        self.known: dict[tuple[str, float], Durations] = {}

    def seconds(self, outline: Outline) -> float:
        """Return the foretold seconds of the whole study."""
        study = self.make(outline)
        rough = forecast(study, self.slots, self.durations(outline, self.narrowest)).seconds
        own = (outline.network, outline.width)
        if own == self.narrowest or rough > HOPELESS * self.limit:
            return rough
        return forecast(study, self.slots, self.durations(outline, own)).seconds

    def durations(self, outline: Outline, network: tuple[str, float]) -> Durations:
        """Return step times of a network in a study such as the outline's, but with a GAN."""
        if self.gflops:
            return assumed(self.gflops)
        if network not in self.known:
            name, width = network
            self.tell(f"measuring {name} × {width:g} …")
            study = self.make(replace(outline, network=name, width=width, gan=True))
            trials = [trial for one in drafts(study) if one.method != "c" for trial in one.trials]
            self.known[network] = Durations(probe(trials, slots=self.slots), "probed on this machine")
        return self.known[network]


def choose(facts: Facts, seconds: Seconds, limit: float, *, gpu: bool) -> Choice:
    """Return the best outline that takes at most `FILLED` of the limit, seconds; one without a GAN where none has time.

    What is left of the time goes into confirm seeds.
    """
    room, with_gan = FILLED * limit, None
    for gan in (True, False):
        taken = []
        for searches in outlines(facts, networks(facts, gpu=gpu), gan=gan):
            outline, needed = thorough(searches, seconds, room)
            if needed <= room:
                return Choice(*with_more_seeds(outline, needed, seconds, room), fits=True, with_gan=with_gan)
            taken.append(needed)
        with_gan = with_gan or min(taken)
    return Choice(outline, needed, fits=False, with_gan=with_gan)


def thorough(searches: list[Outline], seconds: Seconds, limit: float) -> tuple[Outline, float]:
    """Return the most thorough of these outlines that fits, else the least thorough, with its seconds."""
    *more, least = searches
    taken = seconds(least)
    if taken > limit:
        return least, taken
    for outline in more:
        if (longer := seconds(outline)) <= limit:
            return outline, longer
    return least, taken


def with_more_seeds(outline: Outline, taken: float, seconds: Seconds, limit: float) -> tuple[Outline, float]:
    """Return the outline with as many confirm seeds as fit."""
    best = outline, taken
    low, high = FEWEST_SEEDS, MOST_SEEDS
    while low < high:
        middle = (low + high + 1) // 2
        more = replace(outline, seeds=middle)
        if (longer := seconds(more)) <= limit:
            low, best = middle, (more, longer)
        else:
            high = middle - 1
    return best
