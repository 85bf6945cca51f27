"""The report in a real Chromium: it shows without network or scripts, and fits a laptop and a phone."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def chromium(folder: Path, page: Path, *flags: str) -> str:
    answer = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return answer.stdout


@pytest.fixture
def page(make_study):
    return write_report(make_study(pictures=True)).html


def test_the_page_shows_its_words(page, tmp_path):
    shown = chromium(tmp_path, page, "--dump-dom")
    assert "Does DAGAN augmentation beat tuned baselines on handwritten digits?" in shown
    assert len(re.findall("<svg", shown)) >= 4


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_the_page_fits_and_is_legible(page, tmp_path, width, dark):
    # The page in a frame of the asked width: headless Chromium has no window as narrow as a phone.
    frame = tmp_path / "frame.html"
    frame.write_text(f'<body style="margin:0"><iframe src="{page.as_uri()}" width={width} height=1500 frameborder=0>')
    picture = tmp_path / "picture.png"
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    chromium(tmp_path, frame, f"--screenshot={picture}", f"--window-size={max(width, 800)},1500", *scheme)
    grey = np.asarray(Image.open(picture).convert("L"), dtype=float)[:, :width]
    background = np.median(grey)
    assert (background < 60) if dark else (background > 230)
    assert (abs(grey - background) > 90).mean() > 0.01, "hardly anything stands out from the background"
    assert abs(grey[:, -4:] - background).max() < 60, "something runs over the right edge"
