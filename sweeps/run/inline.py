"""The inline executor: plan, controller and worker in this process, one trial at a time, without Ray.

For a debugger, a notebook, tests, or where Ray does not start. The numbers are those of every other executor.
"""

from contextlib import closing
from itertools import count

from sweeps.run.controller import Controller
from sweeps.run.interrupts import terminating_gently
from sweeps.run.listeners import open_listeners
from sweeps.run.worker import messages


def run_inline(controller: Controller) -> None:
    """Run the controller's plan until it is finished, or interrupted by Ctrl-C."""
    plan = controller.plan
    resources = {"CPU": float(plan.study.resources.cpu), "GPU": 0.0}
    with terminating_gently(), open_listeners(controller.listeners, plan, 1, resources):
        try:
            for number in count():
                if controller.failure or plan.finished or not _run_next(controller, f"inline-{number}"):
                    break
        except KeyboardInterrupt:
            pass  # what has ended is kept, and the plan is not finished: the caller says how to go on


def _run_next(controller: Controller, run_id: str) -> bool:
    """Train the next trial to its end; False if there is none."""
    trial = controller.start(run_id)
    if trial is None:
        return False
    with closing(messages(controller.order(trial))) as spoken:
        for message in spoken:
            if controller.receive(run_id, message):
                break
    controller.end(run_id, lost=False)
    return True
