"""Notes on how the numbers of a report were measured: interval, test, correction."""

from analysis.comparison.verdicts import ALPHA
from analysis.formatting import plural
from analysis.reports.evidence import Evidence
from analysis.statistics.sign_flips import DRAWS, EXACT_LIMIT


def notes(evidence: Evidence) -> list[str]:
    """Describe the measurement, one statement each, as plain text."""
    searched = "Configurations were chosen on validation images; each choice was then trained again with fresh seeds"
    given = "Nothing was searched: the configurations are the study's own, each trained with the same seeds"
    said = [
        f"{searched if (evidence.results['phase'] == 'search').any() else given} and read once on the test images.",
        "A seed fixes subset, initial weights, batch order, augmentation and latents alike for every method, "
        "so differences are paired by seed. The seed is the unit: n counts seeds, not images.",
        "Intervals: 95 % Student t over seeds, not corrected for their number. One seed has no interval.",
        f"Test: two-sided sign flips of the paired differences, exact up to {EXACT_LIMIT} seeds, "
        f"by {DRAWS:,} random draws above.",
    ]
    if len(evidence.comparisons):
        family = plural(len(evidence.comparisons), "comparison")
        least = evidence.comparisons["p_holm_attainable"].min()
        said += [
            f"Correction: Holm over all {family} that the study declares, cells without data included. "
            f"With the seeds there are, no corrected p can fall below {least:.2g}.",
            f"A method is called better or worse only if the corrected p is below {ALPHA}, the interval "
            f"excludes zero and the difference reaches {evidence.study.smallest_difference:g} points.",
        ]
    return said


def ablation_note(evidence: Evidence) -> str:
    """Describe what the table of an ablation shows and how far it can be trusted; empty without one."""
    table = evidence.ablation
    if table.empty:
        return ""
    most = table["contexts"].max()
    contexts = f", averaged over up to {most} settings of the other factors" if most > 1 else ", all else the same"
    return (
        f"Percentage points of test accuracy gained by leaving the base in one factor{contexts}; paired by seed, with "
        f"95 % Student t intervals. Exploratory: q is p corrected after Benjamini and Hochberg over all {len(table)} "
        f"rows. Of those called better or worse (q < {ALPHA:g}), one in twenty at most is expected to be a false "
        "alarm, but as all share the base's trials, false alarms come together: confirm what matters with fresh seeds."
    )
