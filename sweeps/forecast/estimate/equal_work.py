"""How long a method without a GAN may train for as many operations as one with a GAN: a fair rival's KC."""

from dataclasses import dataclass

from dagan.config import Config, is_whole, iterations_per_epoch
from dagan.methods import METHODS
from dagan.networks.flops import pflop
from dagan.stages import length, stages_of
from sweeps.study.design import Point
from sweeps.study.schema import Cell, Study


@dataclass(frozen=True)
class EqualWork:
    """The KC at which a training of `baseline` has done the operations of the costliest one of `method`, in a cell."""

    dataset: str
    samples_per_class: int
    method: str
    baseline: str
    iterations: int
    epochs: float


def equal_work(study: Study) -> list[EqualWork]:
    """Find it for each method with a GAN that stands beside the same without one, `c` or `c_aug`."""
    found = []
    for method in study.methods:
        baseline = "c_aug" if METHODS[method].augmented else "c"
        if METHODS[method].adversary is None or baseline not in study.methods:
            continue
        for cell in study.cells:
            work = max(costliest(study, cell, method, point) for point in study.points(cell, method))
            plain = study.config(cell, baseline, seed=0, phase="confirm")
            iterations = round(work / pflop(plain, stage="classification", iterations=1))
            epochs = iterations / iterations_per_epoch(plain, plain.facts)
            found.append(EqualWork(cell.dataset.name, cell.samples_per_class, method, baseline, iterations, epochs))
    return found


def costliest(study: Study, cell: Cell, method: str, point: Point) -> float:
    """Return the operations, 1e15, of the costliest training that a search may choose at a point of the design."""

    def work(settings: Point) -> float:
        return operations(study.config(cell, method, seed=0, phase="confirm", settings=settings))

    chosen = point
    for key, parameter in study.space(method).items():
        values = parameter.domain(whole=is_whole(key)).extremes
        chosen = max(({**chosen, key: value} for value in values), key=work)
    return work(chosen)


def operations(config: Config) -> float:
    """Count the operations of a whole training, 1e15."""
    return sum(pflop(config, stage=stage, iterations=length(config, stage)) for stage in stages_of(config))
