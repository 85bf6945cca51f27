"""What an answer will be limited by: short trainings, and searches of few suggestions."""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.formatting import listed, plural
from analysis.search.epochs import is_short, paper_epochs
from analysis.search.space import PER_SETTING, suggestions_advised
from dagan.config import Config, is_whole, iterations_per_epoch
from dagan.defaults import reaches
from dagan.methods import METHODS
from dagan.stages import length, stages_of
from sweeps.study.design import points
from sweeps.study.readings import readings, sampled
from sweeps.study.schema import Cell, Study

LENGTHS = ("gan.iterations", "gan.epochs", "classifier.iterations", "classifier.epochs", "classifier.batch_size")
"""Settings that decide how many epochs a stage takes."""
KINDS = {"generation": "stage 1", "classification": "stage 2"}
PLAIN = "plain classifiers"
ORDER = (*KINDS.values(), PLAIN)


@dataclass(frozen=True)
class StageLength:
    """The shortest and the longest training of a stage that a study may make in a cell."""

    dataset: str
    samples_per_class: int
    kind: str
    """stage 1, stage 2, or plain classifiers: those of methods without a GAN."""
    shortest: float
    """In epochs of the real training images; so is the next."""
    longest: float
    paper: int
    """Epochs of the paper's."""

    @property
    def short(self) -> bool:
        """Whether even the longest is short beside the paper's."""
        return is_short(self.longest, self.paper)


@dataclass(frozen=True)
class SearchSize:
    """The suggestions of a method's search beside the settings that it samples."""

    method: str
    suggestions: int
    settings: int
    advised: int


def stage_lengths(study: Study) -> list[StageLength]:
    """Find the lengths of all stages, cell by cell."""
    found = []
    for cell in study.cells:
        kinds: dict[tuple[str, int], list[float]] = {}
        for config in (config for method in study.methods for config in configs(study, cell, method)):
            generator = METHODS[config.method].adversary is not None
            for stage in stages_of(config):
                kind = KINDS[stage] if generator else PLAIN
                epochs = length(config, stage) / iterations_per_epoch(config, config.facts)
                kinds.setdefault((kind, paper_epochs(stage, generator=generator)), []).append(epochs)
        where = (cell.dataset.name, cell.samples_per_class)
        found += [StageLength(*where, kind, min(all_), max(all_), paper) for (kind, paper), all_ in kinds.items()]
    return found


def configs(study: Study, cell: Cell, method: str) -> Iterator[Config]:
    """Configs of a method with the shortest and the longest trainings that a design's points or the search may give."""
    space = {key: value.domain(whole=is_whole(key)) for key, value in study.space(method).items() if key in LENGTHS}
    ends = [{key: end(domain.extremes) for key, domain in space.items()} for end in (min, max)]
    seen = []
    for point in points(study.design, study.factors):
        given = {key: value for key, value in point.items() if key in LENGTHS and reaches(key, method)}
        for settings in ({**given, **searched} for searched in ends):
            if settings not in seen:
                seen.append(settings)
                yield study.config(cell, method, seed=0, phase="confirm", settings=settings)


def search_sizes(study: Study) -> list[SearchSize]:
    """Count suggestions and settings of each search; none where the budget is in operations."""
    budget = study.search.budget
    if budget is None or budget.trials is None:
        return []
    found = []
    for method in study.methods:
        row = readings(study, study.cells[0], method, study.points(study.cells[0], method)[0])
        domains = [one.domain(whole=is_whole(key)) for key, one in sampled(study, method, row).items()]
        varying = [domain for domain in domains if domain.varies]
        if varying:
            suggestions = budget.trials // len(study.search_seeds)
            found.append(SearchSize(method, suggestions, len(varying), suggestions_advised(varying)))
    return found


def limit_lines(lengths: list[StageLength], sizes: list[SearchSize]) -> Iterator[str]:
    """Write the lengths in epochs beside the paper's, and what is short or few."""
    yield "Lengths in epochs of the real images, the shortest to the longest, beside the paper's:"
    for text, cells in alike(lengths).items():
        yield f"  {'; '.join(cells)}: {text}"
    short = [one for one in lengths if one.short]
    if short:
        names = []
        for kind in dict.fromkeys(one.kind for one in short):
            sizes_ = [f"{one.samples_per_class:,}" for one in short if one.kind == kind]
            everywhere = len(sizes_) == sum(one.kind == kind for one in lengths)
            names.append(kind if everywhere else f"{kind} with {listed(sizes_)} per class")
        yield f"Short, less than half of the paper's: {listed(names)}. The answer will hold for such trainings."
    few = [one for one in sizes if one.suggestions < one.advised]
    if few:
        methods: dict[int, list[str]] = {}
        for one in few:
            methods.setdefault(one.settings, []).append(one.method)
        parts = [f"{plural(settings, 'setting')} of {listed(names, most=10)}" for settings, names in methods.items()]
        yield (
            f"Few suggestions: {few[0].suggestions} to search {', '.join(parts)};"
            f" {PER_SETTING} for each setting are advised."
        )


def alike(lengths: list[StageLength]) -> dict[str, list[str]]:
    """Group cells by the text of their lengths."""
    cells: dict[tuple[str, int], list[StageLength]] = {}
    for one in lengths:
        cells.setdefault((one.dataset, one.samples_per_class), []).append(one)
    found: dict[str, dict[str, list[str]]] = {}
    for (dataset, size), here in cells.items():
        in_order = sorted(here, key=lambda one: ORDER.index(one.kind))
        text = ", ".join(f"{one.kind} {extent(one)} (paper: {one.paper})" for one in in_order)
        found.setdefault(text, {}).setdefault(dataset, []).append(f"{size:,}")
    return {
        text: [f"{dataset}, {listed(sizes, most=6)} per class" for dataset, sizes in datasets.items()]
        for text, datasets in found.items()
    }


def extent(one: StageLength) -> str:
    """The shortest and the longest, or the one if both read alike."""
    low, high = (f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.2g}" for epochs in (one.shortest, one.longest))
    return low if low == high else f"{low} to {high}"
