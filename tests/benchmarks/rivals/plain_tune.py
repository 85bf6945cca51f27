"""Plain Ray Tune, as somebody who knows it trains a list of configs: the rival of `sharing.py` and `overhead.py`.

    python tests/benchmarks/rivals/plain_tune.py CONFIGS.jsonl RESULTS.jsonl [--workers 2] [--every 50]

One trial per config, each from scratch; processes are kept from trial to trial, as many as there are workers, and none
of Tune's loggers runs. RESULTS gets a line per trial, with what `dagan.Training` came to and when.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "PYTHONPATH": os.pathsep.join(sys.path),
}


def train(trial: dict[str, Any]) -> None:
    """The function that Ray Tune runs: one training, one report."""
    from ray import tune

    from dagan import Config
    from dagan.training.training import Training

    training = Training(Config.of(json.loads(trial["config"])))
    for _ in training.run(every=trial["every"]):
        pass
    tune.report({"signature": training.config.signature, "ended": time.time(), "result": asdict(training.result())})


def main() -> None:
    """Train the configs of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=50, help="iterations between two points of the curve")
    options = parser.parse_args()
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    import ray
    from ray import tune

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    temporary = tempfile.mkdtemp(prefix="plain-")
    ray.init(
        num_cpus=options.workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=temporary,
    )
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"config": tune.grid_search(options.configs.read_text().splitlines()), "every": options.every},
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=options.workers,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(name="experiment", storage_path=f"{temporary}/tune", verbose=0),
    )
    found = tuner.fit()
    with options.results.open("w") as file:
        for result in found:
            if result.error:
                raise result.error
            file.write(json.dumps({key: result.metrics[key] for key in ("signature", "ended", "result")}) + "\n")
    ray.shutdown()
    shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    main()
