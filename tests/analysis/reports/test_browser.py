"""The report in a real Chromium: it shows without network or scripts, and fits a laptop and a phone."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


@pytest.fixture(scope="module")
def page(usual):
    return usual.html


@pytest.fixture(scope="module")
def shown(page, tmp_path_factory) -> str:
    """The page as Chromium has it once its script has run."""
    return chromium(tmp_path_factory.mktemp("chromium"), page, "--dump-dom")


def test_the_page_shows_its_words(shown):
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


def test_tables_of_evidence_need_no_scrolling_on_a_phone(page, tmp_path):
    measure = """
    const tables = "table.accuracy, #comparisons table, #ablation table, #classes table, .sheet";
    const wide = [...document.querySelectorAll(tables)]
      .map((table) => table.scrollWidth - table.parentElement.clientWidth);
    parent.document.title = JSON.stringify(wide);
    """
    unlocked = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text())
    narrow = tmp_path / "narrow.html"
    narrow.write_text(unlocked.replace("</body>", f"<script>{measure}</script></body>"))
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe src="{narrow.as_uri()}" width=390 height=900></iframe>')
    shown = chromium(tmp_path, frame, "--dump-dom", "--allow-file-access-from-files", "--window-size=800,900")
    wide = json.loads(unescape(re.search("<title>(.*?)</title>", shown).group(1)))
    assert len(wide) >= 6
    assert max(wide) <= 0


# What a reader does, done by a script of the test in a copy of the page that allows it.
ACT = """
const table = document.querySelector("table.accuracy"), heads = table.tHead.rows[0].cells;
heads[1].querySelector("button").click();
const methods = [...table.tBodies[0].rows].map((row) => row.cells[0].textContent.trim());
const point = document.querySelector("circle.point");
point.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
const told = document.getElementById("tip").textContent, shown = !document.getElementById("tip").hidden;
const figure = point.closest("svg"), press = (key) => {
  figure.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  return document.getElementById("tip").textContent;
};
const walked = ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"].map(press);
figure.dispatchEvent(new FocusEvent("blur"));
const strip = document.querySelector(".sheet img"), zoom = () => strip.classList.contains("zoomed"), zoomed = [];
for (const key of ["", "Escape", "Enter", " ", " "]) {
  if (key) strip.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true})); else strip.click();
  zoomed.push(zoom());
}
strip.dispatchEvent(new FocusEvent("blur"));
document.title = JSON.stringify({zoomed: [...zoomed, zoom()], walked,
  left: document.getElementById("tip").hidden, focusable: figure.tabIndex,
  last: [...figure.querySelectorAll("circle.point")].at(-1).ariaLabel, methods, sorted: heads[1].ariaSort,
  tip: told, shown, wide: document.documentElement.scrollWidth - innerWidth});
"""


def test_columns_sort_and_points_tell(page, tmp_path):
    acting = tmp_path / "acting.html"
    unlocked = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text())
    acting.write_text(unlocked.replace("</body>", f"<script>{ACT}</script></body>"))
    shown = chromium(tmp_path, acting, "--dump-dom")
    state = json.loads(unescape(re.search("<title>(.*?)</title>", shown).group(1)))
    assert state["methods"] == ["c", "dagan", "c_aug", "dagan_aug"]  # by their means
    assert state["sorted"] == "ascending"
    assert re.match(r"\w+, 5 per class.*: \d+\.\d %", state["tip"])
    first, second, again, last = state["walked"]
    assert first == again == state["tip"] != second
    assert last == state["last"], "from the first back to the last"
    assert state["shown"]
    assert state["focusable"] == 0
    assert state["left"], "nothing is told of a figure that has lost the focus"
    assert state["zoomed"] == [True, False, True, False, True, False]
    assert state["wide"] <= 0


def test_the_policy_lets_the_pages_script_run_and_no_other(page, shown, tmp_path):
    assert '<div id="tip"' in shown
    injected = tmp_path / "injected.html"
    injected.write_text(page.read_text().replace("</body>", "<script>document.title = 'owned'</script></body>"))
    assert "<title>digits: report</title>" in chromium(tmp_path, injected, "--dump-dom")
