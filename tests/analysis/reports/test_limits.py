"""What an answer was measured at, in words, from tables by hand."""

import math
import re

import pandas as pd

from analysis import write_report
from analysis.reports import report as publication
from analysis.reports.evidence import gather
from analysis.reports.figures import Figures
from analysis.reports.limits import limits

CELL = ["dataset", "samples_per_class", "method"]
GAINS = [*CELL, "stage", "iterations", "improving", "epochs", "paper"]
SIZES = [*CELL, "suggestions", "settings", "advised", "few"]
EDGES = [*CELL, "parameter", "low", "distance", "edge"]
QUALITY = [*CELL, "measure", "mean"]
CHANGES = [*CELL, "factor", "base", "level", "difference", "n"]


def said(gains=(), sizes=(), edges=(), quality=(), changes=()):
    columns = (GAINS, gains), (SIZES, sizes), (EDGES, edges), (QUALITY, quality), (CHANGES, changes)
    return list(limits(*(pd.DataFrame(list(rows), columns=names) for names, rows in columns)))


def gain(method="dagan", size=5, stage="generation", iterations=300, improving="yes", epochs=60.0, paper=200):
    return ["pets", size, method, stage, iterations, improving, epochs, paper]


def test_nothing_limits_a_thorough_study():
    assert said() == []
    assert said(gains=[gain(improving="no"), gain(improving="unclear", epochs=100.0)]) == []
    assert said(sizes=[["pets", 5, "c", 30, 3, 30, False]]) == []
    assert said(quality=[["pets", 5, "dagan", "coverage", 0.9], ["pets", 5, "dagan", "kid", 3.0]]) == []


def test_trainings_that_still_improve():
    assert said(gains=[gain()]) == [
        "This is an answer for at most 300 iterations of a GAN that still improves (60 epochs, the paper takes 200)."
    ]
    plain = gain("c", 5, "classification", 600, "yes", math.nan, 600)
    rows = [gain(), gain(size=20, improving="no"), gain("dagan_aug", 20, improving="no", epochs=15.0), plain]
    assert said(gains=rows) == [
        "This is an answer for at most 300 iterations of a GAN that still improves (dagan with 5 per class; 60 epochs,"
        " the paper takes 200) and at most 600 iterations of a classifier that still improves."
    ]


def test_short_trainings_whose_end_is_unclear():
    rows = [gain(improving="unclear"), gain(size=20, improving="unclear", iterations=900, epochs=120.0)]
    assert said(gains=rows) == [
        "This is an answer for at most 300 iterations of a GAN (with 5 per class; 60 epochs, the paper takes 200)."
    ]


def test_a_design_that_is_best_at_its_longest():
    def levels(method, differences, factor="classifier.epochs"):
        return [["pets", 5, method, factor, "100", f"{100 * k}", d, 8] for k, d in enumerate(differences, start=2)]

    flat = levels("c_aug", [0.02, 0.024])  # half a point more is what counts
    rows = [
        *levels("dagan", [0.01, 0.015]),
        *levels("c", [0.02, 0.01]),
        *levels("dagan", [0.1, 0.2], "gan.steps"),
        *flat,
    ]
    assert said(changes=rows) == ["Test accuracy is highest at the largest classifier.epochs of the design for dagan."]
    assert said(changes=levels("dagan", [0.02])) == [], "of two lengths one is always the best"


def test_a_search_of_few_suggestions():
    rows = [["pets", 5, "c", 8, 1, 10, True], ["pets", 5, "dagan", 8, 4, 40, True]]
    assert said(sizes=rows) == ["The search tried 8 suggestions for 1 to 4 settings; 10 for each are advised."]
    rows[0][-1] = False
    assert said(sizes=rows) == ["The search tried 8 suggestions for 4 settings (dagan); 10 for each are advised."]


def test_the_upper_end_of_kc_is_told_by_the_curves():
    upper = [["pets", 5, "c", "classifier.epochs", 50.0, 0.0, "high"]]
    assert said(edges=upper) == []
    lower = [["pets", 5, "c", "classifier.epochs", 50.0, 0.0, "low"]]
    assert said(edges=lower) == [
        "Chosen at an end of what was searched: classifier.epochs (lower end, 1 of 1 searches)."
    ]


def test_settings_chosen_at_an_end_by_most():
    rows = [
        *[["pets", size, "dagan", "gan.epochs", 100.0, 0.0, "high" if size < 50 else ""] for size in (5, 20, 50)],
        *[["pets", size, "dagan", "gan.learning_rate", 1e-4, 0.0, "low" if size < 20 else ""] for size in (5, 20, 50)],
        ["pets", 5, "dagan", "classifier.augmentation_ratio", 0.0, 0.0, "low"],
        ["pets", 5, "c", "classifier.augmentation_ratio", 0.0, math.nan, ""],
    ]
    assert said(edges=rows) == ["Chosen at an end of what was searched: gan.epochs (upper end, 2 of 3 searches)."]


def test_images_far_from_real_ones():
    rows = [["pets", 5, "dagan", "coverage", 0.12], ["pets", 5, "semi_gan", "coverage", 0.6]]
    (sentence,) = said(quality=rows)
    assert sentence == (
        "Generated images are far from real ones (dagan): 12.0 % of the real test images have a generated one near by;"
        " real ones would reach 97 %."
    )


def test_the_first_paragraph_says_what_the_answer_was_measured_at(make_study, monkeypatch):
    monkeypatch.setattr(publication, "draw", lambda evidence: Figures())
    directory = make_study(sizes=(5,))
    evidence = gather(directory)
    said = (
        "This is an answer for at most 400 iterations of a GAN that still improves (1,000 epochs, the paper takes 200)"
        " and at most 800 iterations of a classifier that still improves (2,000 epochs, the paper takes 500 to 600)."
        " The search tried 8 suggestions for 1 setting; 10 for each are advised."
    )
    assert said in evidence.answer.paragraph
    assert evidence.answer.lines[-1] == "The search tried 8 suggestions for 1 setting; 10 for each are advised."
    page = write_report(directory)
    assert re.search(r"\| digits, 5 \| dagan \| GAN \| 400 \| 1,000 \| 200 \| \+0\.\d+ \| ", page.markdown.read_text())
    assert "that still improves (1,000 epochs" in page.html.read_text().split("</header>")[0]
