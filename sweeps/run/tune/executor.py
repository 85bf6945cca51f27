"""The Ray Tune executor: one Tune experiment runs the whole plan, on this machine or on a cluster.

A run always starts a new experiment and replays the ledger into its plan, so it depends on nothing that Tune keeps.
"""

import logging
import shutil
from typing import TYPE_CHECKING, Any

from sweeps.records.run_folder import RunFolder
from sweeps.run.interrupts import terminating_gently
from sweeps.run.listeners import open_listeners
from sweeps.run.tune.preflight import StorageCheck, require_common_view
from sweeps.run.tune.resources import (
    ResourceChoice,
    choose_resources,
    least_resources,
    nodes_alive,
    nodes_with_room,
    slots_on,
)
from sweeps.run.tune.session import Cluster, connected, prepare_environment

if TYPE_CHECKING:
    from sweeps.run.controller import Controller


def run_with_tune(controller: "Controller", folder: RunFolder, cluster: Cluster, check: StorageCheck) -> None:
    """Run the controller's plan; on a cluster, check first that every node sees storage and images.

    Raises:
        InvalidInput: no cluster answers, a node sees something else, or no node can hold a single trial.
    """
    prepare_environment(cluster)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    plan = controller.plan
    study = plan.study
    with connected(cluster, study.resources.cpu), terminating_gently():
        if cluster.address:
            require_common_view(study, check, nodes_with_room(least_resources(study, nodes_alive())))
        resources = choose_resources(study, min(plan.at_once, cluster.workers or plan.at_once))
        slots = slots_on(nodes_alive(), resources.usual)
        slots = min(slots, cluster.workers or slots)
        with open_listeners(controller.listeners, plan, slots, resources.usual):
            try:
                tuner_of(controller, folder, resources, slots).fit()
            except Exception:
                if controller.failure is None:
                    raise
            finally:
                shutil.rmtree(folder.ray, ignore_errors=True)


def tuner_of(controller: "Controller", folder: RunFolder, resources: ResourceChoice, slots: int) -> Any:
    """Make Tune's experiment: it asks the controller what to do, and keeps nothing that is read again."""
    from ray import tune

    from sweeps.run.tune.adapters import Mute, PlanScheduler, PlanSearcher, train_trial

    return tune.Tuner(
        tune.with_resources(
            train_trial,
            lambda config: tune.PlacementGroupFactory([resources.larger if config["needs_more"] else resources.usual]),
        ),
        tune_config=tune.TuneConfig(
            search_alg=PlanSearcher(controller),
            scheduler=PlanScheduler(controller, resources.usual),
            num_samples=-1,
            max_concurrent_trials=slots,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(name="experiment", storage_path=str(folder.ray), verbose=0, callbacks=[Mute()]),
    )
