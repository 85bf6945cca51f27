"""A predicted makespan beside the measured one: a probe, a simulation, then the study itself, on this machine.

python tests/benchmarks/simulation.py digits --out FOLDER
"""

import argparse
import json
import time
from pathlib import Path

from rich.console import Console

from sweeps.forecast.simulate.forecast import forecast, probed, slots_here
from sweeps.forecast.simulate.step_times import recorded
from sweeps.monitor.wandb_runs import WandbRuns
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.run import experiment
from sweeps.study.files import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="?", default="digits")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the results")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    asked = parser.parse_args()
    study = load(asked.study, asked.overrides)
    slots, place = slots_here(study), RunFolder(asked.out, study.name)
    before = probed(study, slots)
    predicted = forecast(study, slots, before)
    begin = time.monotonic()
    plan = experiment.run(study, place, listeners=[WandbRuns(place.wandb, "offline", Console(stderr=True))])
    measured = time.monotonic() - begin
    after = forecast(study, slots, probed(study, slots))
    entries = list(Ledger(place.ledger).entries.values())
    times = recorded(entries)
    assert times
    replayed = forecast(study, slots, times, entries)
    print(f"{study.name}, {plan.planned} trials on {slots} slots: measured {measured:.0f} s")
    for name, found in (("probe before", predicted), ("probe after", after), ("its own ledger", replayed)):
        ratio = found.seconds / measured
        counts = json.dumps(found.statuses)
        print(
            f"  predicted by {name}: {found.seconds:.0f} s, {ratio:.2f} of it; {1000 * found.pflop:.2f} TFLOP, {counts}"
        )
    steps = sum(entry.wall_seconds for entry in entries)
    outside = (slots * measured - steps) / len(entries)
    print(f"  slot seconds in steps {steps:.0f}, outside {outside:.2f} per trial")


if __name__ == "__main__":
    main()
