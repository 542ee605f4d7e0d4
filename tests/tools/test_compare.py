"""tools/compare.py: exit codes, what it prints, writes and refuses, and the page in a browser."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from cpm_repro.compare.dump import dump_net
from cpm_repro.npz import read_npz, write_npz
from cpm_repro.training.hooks import Tracing
from cpm_repro.training.setup import Options, prepare
from prototxt_import.formats.caffemodel import read_caffemodel, write_caffemodel
from prototxt_import.net import load_net
from tests.tool import assert_refused, run_tool
from tests.tools.tiny_cpm import write_net

BROWSERS = ("chromium", "chromium-headless-shell", "chrome-headless-shell", "google-chrome")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with tiny.prototxt, tiny.caffemodel and ours.npz, what that net makes of a random input."""
    folder = tmp_path_factory.mktemp("tiny")
    net, weights = write_net(folder)
    data = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 4, 64, 64)).astype(np.float32)
    write_npz(folder / "input.npz", {"data": data})
    write_npz(folder / "ours.npz", dump_net(load_net(net, weights), {"data": data}, False))
    return folder


def changed(tiny, folder, change):
    """theirs.npz: ours with `change` applied to its arrays."""
    arrays = read_npz(tiny / "ours.npz")
    change(arrays)
    write_npz(folder / "theirs.npz", arrays)
    return folder / "theirs.npz"


def flip_bit(arrays):
    arrays["conv2_stage1"].view(np.uint32)[0, 3, 4, 5] ^= np.uint32(1 << 21)


def test_equal_dumps(tiny):
    result = run_tool("compare", tiny / "ours.npz", tiny / "ours.npz", "--prototxt", tiny / "tiny.prototxt")
    assert result.returncode == 0 and result.stdout.splitlines()[-1].startswith("EQUAL: 11 blobs, equal bits")


def test_a_difference_is_named_and_the_limits_decide(tiny, tmp_path):
    theirs = changed(tiny, tmp_path, flip_bit)
    files = (theirs, tiny / "ours.npz", "--prototxt", tiny / "tiny.prototxt", "--json", tmp_path / "r.json")
    result = run_tool("compare", *files)
    assert result.returncode == 1
    assert "DIFFERENT: 1 of 11 blobs differ (equal bits); first conv2_stage1" in result.stdout
    assert "first conv2_stage1, made by conv2_stage1 (Convolution)" in result.stdout
    assert "only element (0, 3, 4, 5) differs, by bit 21" in result.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["equal"] is False and report["origins"][0]["causes"][0]["what"] == "a single flipped bit"
    blob = next(blob for blob in report["blobs"] if blob["name"] == "conv2_stage1")
    assert blob["max_ulp"] == 1 << 21 and blob["first"] == [0, 3, 4, 5] and blob["equal"] == blob["size"] - 1
    assert run_tool("compare", *files, "--max-ulp", 1 << 21).returncode == 0
    assert run_tool("compare", *files, "--rtol", 1).returncode == 0
    assert run_tool("compare", *files, "--atol", 1e-9).returncode == 1


def test_a_blob_that_is_missing(tiny, tmp_path):
    theirs = changed(tiny, tmp_path, lambda arrays: arrays.pop("concat_stage2"))
    files = (theirs, tiny / "ours.npz", "--prototxt", tiny / "tiny.prototxt")
    result = run_tool("compare", *files)
    assert result.returncode == 1
    assert "only in B: concat_stage2" in result.stdout and "made by concat_stage2 (Concat)" in result.stdout
    assert run_tool("compare", *files, "--common").returncode == 0


@pytest.mark.parametrize("with_input", [True, False])
def test_a_dump_against_the_net(tiny, tmp_path, with_input):
    """Without --input the net runs on the inputs recorded in the dump."""
    net = ["--prototxt", tiny / "tiny.prototxt", "--weights", tiny / "tiny.caffemodel"]
    net += ["--input", tiny / "input.npz"] if with_input else []
    result = run_tool("compare", tiny / "ours.npz", *net)
    verdict = result.stdout.splitlines()[-1]
    assert result.returncode == 0 and re.search(r"run now on data \(1×4×64×64, -0\.\d+ … 0\.\d+\) of", result.stdout)
    own = "EQUAL: 10 blobs, equal bits; computed from A's own data, compared with nothing"
    assert verdict == ("EQUAL: 11 blobs, equal bits" if with_input else own)
    swapped = load_net(tiny / "tiny.prototxt", tiny / "tiny.caffemodel")
    data = read_npz(tiny / "input.npz")["data"][:, [2, 1, 0, 3]]
    write_npz(tmp_path / "rgb.npz", dump_net(swapped, {"data": data}, False))
    result = run_tool("compare", tmp_path / "rgb.npz", tiny / "ours.npz", *net[:4])
    assert "first data" in result.stdout and "channels swapped, RGB against BGR" in result.stdout


def test_gradients_against_the_net(tiny, tmp_path):
    net = load_net(tiny / "tiny.prototxt", seed=5)
    inputs = read_npz(tiny / "input.npz")
    inputs["Mconv1_stage2.diff"] = np.ones(net.blob_shapes["Mconv1_stage2"], np.float32)
    arrays = dump_net(net, inputs, True)
    arrays["conv2_stage1/0.diff"] = arrays["conv2_stage1/0.diff"].transpose(0, 1, 3, 2)
    write_npz(tmp_path / "g.npz", arrays)
    result = run_tool("compare", tmp_path / "g.npz", "--prototxt", tiny / "tiny.prototxt", "--seed", 5, "--gradients")
    assert result.returncode == 1 and "first conv2_stage1/0.diff, made by the backward pass of" in result.stdout
    assert "height and width (rows and columns) exchanged" in result.stdout


def test_weights_against_weights(tiny, tmp_path):
    weights = read_caffemodel(tiny / "tiny.caffemodel")
    blob = next(layer for layer in weights.layer if layer.name == "conv1_stage2").blobs[0]
    values = np.array(blob.data, np.float32).reshape(blob.shape.dim).transpose(0, 1, 3, 2)
    blob.data[:] = values.ravel().tolist()
    write_caffemodel(tmp_path / "t.caffemodel", weights)
    result = run_tool("compare", tmp_path / "t.caffemodel", tiny / "tiny.caffemodel")
    assert result.returncode == 1 and "first conv1_stage2/0, made by layer conv1_stage2" in result.stdout
    assert "axes transposed, height and width" in result.stdout


def test_what_does_not_go_together_is_told(tiny, tmp_path):
    ours = tiny / "ours.npz"
    assert_refused(run_tool("compare", ours), "expected a second dump, or a net to compute it")
    assert_refused(run_tool("compare", ours, ours, "--input", ours), "--input and --gradients: expected one dump")
    assert_refused(run_tool("compare", ours, ours, "--seed", 1), "expected --prototxt with them")
    assert_refused(run_tool("compare", ours, ours, "--rtol", "-1"), "--rtol: expected a number of at least 0")
    assert_refused(run_tool("compare", ours, ours, "--max-ulp", -1), "--max-ulp: expected a number of at least 0")
    assert_refused(run_tool("compare", ours, tmp_path / "none.npz"), "none.npz", "No such file")
    write_npz(tmp_path / "other.npz", {"x": np.zeros(1)})
    assert_refused(run_tool("compare", ours, tmp_path / "other.npz"), "expected names in common")
    net = ("--prototxt", tiny / "tiny.prototxt", "--seed", 1)
    assert_refused(run_tool("compare", tmp_path / "other.npz", *net), "expected the input blob 'data'")
    assert not list(tmp_path.glob("*.html"))


def test_the_originals_blobs(golden, tmp_path):
    """Every blob of the golden CPM run now is the original's; with one layer's weights transposed it isn't."""
    dump, net = golden / "net/mini_cpm_deploy_blobs.npz", golden / "net/mini_cpm_deploy.prototxt"
    weights = golden / "net/mini_cpm_deploy.caffemodel"
    arguments = ["--prototxt", net, "--weights", weights]
    assert run_tool("compare", dump, *arguments, "--engine", "exact").returncode == 0
    wrong = read_caffemodel(weights)
    blob = next(layer for layer in wrong.layer if layer.name == "Mconv2_stage2").blobs[0]
    blob.data[:] = np.array(blob.data, np.float32).reshape(blob.shape.dim).swapaxes(2, 3).ravel().tolist()
    write_caffemodel(tmp_path / "wrong.caffemodel", wrong)
    arrays = dump_net(load_net(net, tmp_path / "wrong.caffemodel"), {"data": read_npz(dump)["data"]}, False)
    write_npz(tmp_path / "wrong.npz", arrays)
    result = run_tool("compare", tmp_path / "wrong.npz", *arguments)
    assert "first Mconv2_stage2, made by Mconv2_stage2 (Convolution) and Mrelu2_stage2 (ReLU)" in result.stdout
    assert "A has other weights of layer Mconv2_stage2: axes transposed, height and width" in result.stdout


def test_the_originals_trace_and_the_rate_outside_of_the_momentum(golden, tmp_path):
    """10 iterations of the replay with iter_size 2, whose rate changes at iteration 8."""
    name = "replay_itersize"
    text = (golden / f"solver/{name}_train.prototxt").read_text()
    lmdb = (golden / "transform/mpi16_lmdb").resolve()
    (tmp_path / f"{name}_train.prototxt").write_text(text.replace("../transform/mpi16_lmdb", str(lmdb)))
    solver = shutil.copy(golden / f"solver/{name}_solver.prototxt", tmp_path)
    arrays = {}
    with prepare(solver, Options(engine="exact")) as training:
        tracing = Tracing(lambda key, array: arrays.update({key: array.copy()}))
        tracing.before_training(training)
        for iteration in range(training.param.max_iter):
            if iteration == 8:
                for history in training.solver.history:
                    history.mul_(training.param.gamma)
            tracing.after_step(training, training.step([tracing]), stopped=False)
        tracing.after_training(training, stopped=False)
    write_npz(tmp_path / "outside.npz", arrays)
    files = (golden / f"solver/{name}_trace.npz", tmp_path / "outside.npz", "--common")
    result = run_tool("compare", *files, "--solver", solver)
    assert result.returncode == 1 and "first loss at iteration 9" in result.stdout
    assert "the learning rate outside of the momentum" in result.stdout
    assert "through iteration 8 and part at iteration 9" in result.stdout
    assert "the rate changes from" in result.stdout and "made by loss_stage1 (EuclideanLoss)" in result.stdout


@pytest.fixture
def page(tiny, tmp_path):
    """The page of two dumps that differ in a bit, a NaN, a name and a shape."""

    def change(arrays):
        flip_bit(arrays)
        arrays["<i>&"] = arrays.pop("concat_stage2")
        arrays["conv1_stage2"][0, 1, 2, 3] = np.nan
        arrays["Mconv1_stage2"] = arrays["Mconv1_stage2"][..., :-1]

    theirs = changed(tiny, tmp_path, change)
    files = (theirs, tiny / "ours.npz", "--prototxt", tiny / "tiny.prototxt")
    assert run_tool("compare", *files, "--html", tmp_path / "r.html").returncode == 1
    return tmp_path / "r.html"


def test_the_page_is_one_file(page):
    text = page.read_text()
    links = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'> ]*)""", text)
    assert links and all(link.startswith("data:") for link in links)
    assert "http" not in text and "@import" not in text and "url(" not in text
    assert "a single flipped bit" in text and text.count("<img") >= 2 and "&lt;i&gt;&amp;" in text and "<i>" not in text


def test_the_page_is_grouped_by_stage_and_has_no_empty_chart(page, tiny, tmp_path):
    text = page.read_text()
    assert [title.split(":")[0] for title in re.findall(r'class="stage"><td[^>]*>([^<]*)', text)] == [
        "of no stage",
        "stage 1",
        "stage 2",
    ]
    names = re.findall(r'class="name( first)?"[^>]*>([^<]*)<', text)
    assert ("", "conv1_stage1") in names and (" first", "conv2_stage1") in names and "Along the network" in text
    same = tiny / "ours.npz"
    assert run_tool("compare", same, same, "--html", tmp_path / "same.html").returncode == 0
    text = (tmp_path / "same.html").read_text()
    assert "Along the network" not in text and "A closer look" not in text and "all agree" in text


def test_arrays_of_other_shapes_have_a_page_too(tmp_path):
    np.savez(tmp_path / "flat.npz", data=np.arange(16, dtype=np.float32))
    np.savez(tmp_path / "map.npz", data=np.ones((1, 4, 4, 4), np.float32))
    files = tmp_path / "flat.npz", tmp_path / "map.npz"
    result = run_tool("compare", *files, "--html", tmp_path / "r.html")
    assert result.returncode == 1 and "(16,) against (1, 4, 4, 4)" in result.stdout
    assert "every value, in memory order" in (tmp_path / "r.html").read_text()


def browse(page):
    """(DOM after the scripts ran, what the browser complained of)."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no headless browser: none of {', '.join(BROWSERS)} is installed")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        "--dump-dom",
    ]
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    command = [browser, *options, offline, f"--user-data-dir={page.parent / 'profile'}", page.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]


def test_the_page_in_a_browser(page):
    text = page.read_text()
    probe = """<script>
    var broken = Array.from(document.images).filter(function (i) { return !i.complete || !i.naturalWidth; });
    document.querySelectorAll("th")[4].click(); document.querySelectorAll("th")[4].click();
    var groups = Array.from(document.querySelectorAll("tbody")).map(function (body) {
      var rows = Array.from(body.querySelectorAll("tr:not(.stage)"));
      return rows.map(function (r) { return +r.cells[4].dataset.value; });
    });
    var sorted = groups.every(function (ulp) {
      return ulp.every(function (value, i) { return !i || ulp[i - 1] >= value; });
    });
    var ulp = [Math.max.apply(null, groups.map(function (ulp) { return ulp[0]; }))];
    window.onload = function () {
      var loaded = performance.getEntriesByType("resource").filter(function (r) { return !/^data:/.test(r.name); });
      document.title = [broken.length, sorted, ulp[0], loaded.length].join(" ");
    };
    </script></body>"""
    page.write_text(text.replace("</body>", probe))
    dom, complaints = browse(page)
    assert complaints == []
    assert f"<title>0 true {1 << 21} 0</title>" in dom
    verdict = re.search(r'id="verdict">(.*?)</section>', dom, re.DOTALL)[1]
    assert "Different" in verdict and "first conv2_stage1, made by conv2_stage1 (Convolution)" in verdict


def test_a_net_that_stands_in_the_solver_in_its_train_state(tmp_path):
    net = """
  layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
  layer { name: "f" type: "InnerProduct" bottom: "x" top: "f" include { stage: "deep" phase: TRAIN }
    inner_product_param { num_output: 3 weight_filler { type: "gaussian" } } }
"""
    (tmp_path / "n.prototxt").write_text(f'state {{ stage: "deep" }} {net}')
    write_npz(tmp_path / "x.npz", {"x": np.array([[0.3, -2]], np.float32)})
    asked = ["--phase", "TRAIN", "--seed", 3, "--input", tmp_path / "x.npz", "--out", tmp_path / "a.npz"]
    assert run_tool("dump", "net", "--prototxt", tmp_path / "n.prototxt", *asked).returncode == 0
    settings = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 1 train_state { stage: "deep" }'
    (tmp_path / "m.prototxt").write_text(net)
    for field in (f"net_param {{{net}}}", f"train_net_param {{{net}}}", 'train_net: "m.prototxt"'):
        (tmp_path / "s.prototxt").write_text(f"{settings} {field}")
        done = run_tool("compare", tmp_path / "a.npz", "--solver", tmp_path / "s.prototxt", "--seed", 3)
        assert done.returncode == 0, (field, done.stdout, done.stderr)
        assert "s.prototxt, run now on x" in done.stdout and "f " in done.stdout
    (tmp_path / "s.prototxt").write_text(settings)
    done = run_tool("compare", tmp_path / "a.npz", "--solver", tmp_path / "s.prototxt", "--seed", 3)
    assert_refused(done, "s.prototxt: expected one of net, train_net, net_param and train_net_param, found none")
