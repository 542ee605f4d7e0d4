"""The page of poses and belief maps: whole, alone, and in a browser (where there is one) it does what it says."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from cpm_repro.figures.pose_page import write_pose_page
from cpm_repro.inference.beliefs import Beliefs
from cpm_repro.inference.crops import Person, person_crops
from cpm_repro.inference.protocol import Protocol

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LOOK = """<script>
window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
const looked = [];
const timer = setInterval(() => {
  if (document.body.dataset.ready !== "yes") return;
  clearInterval(timer);
  const press = (key) => {
    document.dispatchEvent(new KeyboardEvent("keydown", { key }));
    looked.push(view.toDataURL());
  };
  press("ArrowDown");
  press("ArrowLeft");
  press("ArrowRight");
  press("-");
  const slider = byId("stage");
  slider.value = 1;
  slider.oninput();
  looked.push(view.toDataURL());
  document.querySelectorAll("#people button")[1].click();
  looked.push(view.toDataURL());
  document.body.dataset.said = byId("stage-said").textContent;
  document.body.dataset.looked = looked.map((one) => looked.indexOf(one)).join(" ");
}, 20);
</script></body>"""


def people(image, stages=3, parts=14):
    """Two people of whom each stage believes something else."""
    rng = np.random.default_rng(0)
    protocol = Protocol(64, 0.2, 5, (1.0,))
    for center in ((40, 50), (90, 40)):
        crops = person_crops(Person(image, center, 0.4), protocol)
        yield Beliefs(crops, [rng.uniform(0, 0.9, (1, parts + 1, 8, 8)).astype(np.float32) for _ in range(stages)])


@pytest.fixture
def page(tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (100, 140, 3)).astype(np.uint8)
    path = tmp_path / "page.html"
    write_pose_page(path, image, list(people(image)), "a </script> & b", 0.1)
    return path


def test_the_page_holds_everything_and_loads_nothing(page):
    text = page.read_text()
    assert "a &lt;/script&gt; &amp; b" in text and text.count("</script>") == 1
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']([^"')]+)""", text)
    assert sources == ["data:,"] and "http" not in text
    data = json.loads(re.search(r"^const page = (.*);$", text, re.MULTILINE)[1].replace("<\\/", "</"))
    assert (data["width"], data["height"], data["stages"]) == (140, 100, 3)
    assert data["parts"][0] == "head" and data["parts"][-1] == "background" and len(data["colours"]) == 6 * 256
    assert len(data["people"]) == 2 and len(data["people"][0]["joints"]) == 3


def test_nobody_is_a_page_too(tmp_path):
    write_pose_page(tmp_path / "page.html", np.zeros((20, 30, 3), np.uint8), [], "nobody", 0.1)
    assert '"people": []' in (tmp_path / "page.html").read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_shows_other_maps_for_other_stages_parts_and_people(page, tmp_path):
    page.write_text(page.read_text().replace("</body>", LOOK))
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
    ]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom"]
    shown = subprocess.run([CHROMIUM, *options, page.as_uri()], capture_output=True, text=True, timeout=600).stdout
    body = re.search(r"<body[^>]*>", shown)[0]
    assert "data-error" not in body and 'data-said="1 of 3"' in body
    # head of stage 3; stage 2; back; fainter; stage 1; the other person
    assert 'data-looked="0 1 0 3 4 5"' in body
