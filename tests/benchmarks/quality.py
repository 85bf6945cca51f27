"""How the quality of generated digits rises with training, as a Markdown table.

    python tests/benchmarks/quality.py [--loss pairwise] [--iterations 1 100 300 1000]

`dagan` on the bundled digits, 20 per class, width 0.5, GAN learning rate 1e-3, KC 400, one seed. About two minutes.
"""

import argparse
import statistics

from dagan.config import Config
from dagan.evaluation.judge import judge_of
from dagan.evaluation.quality import quality
from dagan.training.training import Training


def main() -> None:
    """Train, judge and print, for each KG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", default="pairwise", choices=["joint", "pairwise"])
    parser.add_argument("--iterations", type=int, nargs="+", default=[1, 100, 300, 1000], help="KG")
    options = parser.parse_args()
    judge = None
    for iterations in options.iterations:
        choices = {
            "data": {"samples_per_class": 20},
            "network": {"width": 0.5},
            "gan": {"iterations": iterations, "learning_rate": 1e-3, "loss": options.loss},
            "classifier": {"iterations": 400},
        }
        training = Training(Config.of(choices))
        for _ in training.run(every=1000):
            pass
        if judge is None:
            judge = judge_of(training.config)
        found = quality(training, judge)
        if iterations == options.iterations[0]:
            print(f"Judge: {found.judge_accuracy:.1%} of the {found.images} real test images.\n")
            head = f"FID (floor {found.frechet_floor:.2f}, {found.frechet_images} images)"
            print(f"| KG | KID | {head} | density | coverage | GAN-test | GAN-train | diversity |")
            print("|---:|---:|---:|---:|---:|---:|---:|---:|")
        density, coverage, diversity = (
            statistics.mean(part.values()) for part in (found.density, found.coverage, found.diversity)
        )
        print(
            f"| {iterations} | {found.kernel_distance.mean:.2f} | {found.frechet_distance:.1f} | {density:.2f} |"
            f" {coverage:.2f} | {found.gan_test:.1%} | {found.gan_train or 0:.1%} | {diversity:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
