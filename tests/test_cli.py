"""The command line from end to end: what is printed where, what lies where, and one line for every mistake."""

import io
import json
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from opbench.cli import main

TINY = """
name = "tiny"
version = 1
summary = "A few samples of Burgers, for tests"
source = "made here"
equation = "burgers"
seed = 1
[domain]
axes = ["x"]
lower = [0.0]
upper = [1.0]
periodic = [true]
[given.velocity]
sampler = "gaussian_field"
amplitude = 25.0
tau = 5.0
alpha = 2.0
modes = 8
[given.viscosity]
sampler = "uniform"
low = 0.02
high = 0.05
[ood.viscosity]
sampler = "uniform"
low = 0.01
high = 0.02
[solving]
tolerance = 1e-5
order = 8
block = 4
[scales.mini]
points = [32]
refine = 2
final = 0.5
frames = 3
samples = { train = 12, valid = 4, test = 4, ood = 4, finer = 4 }
[[tasks]]
kind = "trajectory"
version = 1
epochs = { mini = 3 }
batch_size = 4
[[tasks]]
kind = "step"
version = 1
epochs = { mini = 2 }
batch_size = 4
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.toml").write_text(TINY)
    return folder


def opbench(home: Path, *arguments: str) -> subprocess.CompletedProcess:
    """The command in this process, which has imported torch already."""
    if arguments[0] == "evaluate":
        arguments = (*arguments, "--no-cost")  # a ladder takes longer than all else here; test_evaluation.py has one
    handler, out, err, code = signal.getsignal(signal.SIGTERM), io.StringIO(), io.StringIO(), 0
    with chdir(home), patch("sys.argv", ["opbench", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        finally:
            signal.signal(signal.SIGTERM, handler)
    return subprocess.CompletedProcess(arguments, int(code or 0), out.getvalue(), err.getvalue())


def refused(home: Path, *arguments: str) -> str:
    """The one line that a mistake is told in."""
    done = opbench(home, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("opbench: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_evaluate_prints_its_row_among_the_baselines_and_where_everything_lies(home):
    done = opbench(home, "evaluate", "--model", "fast_fno", "--task", "tiny.toml")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[1 if line.startswith(">") else 0] for line in done.stdout.splitlines() if line.strip()}
    assert {"fast_fno", "mean", "persistence", "linear"} <= rows
    assert "records: leaderboards/records/tiny" in done.stdout
    records = list((home / "leaderboards" / "records" / "tiny").glob("fast_fno-*.json"))
    assert len(records) == 1
    assert list((home / "leaderboards" / "runs" / "tiny").glob("fast_fno-*/weights.safetensors"))
    assert (home / "datasets" / "tiny" / "mini" / "data" / "test" / "tiny.hdf5").is_file()


def test_json_is_the_record_and_nothing_else(home):
    done = opbench(home, "evaluate", "--model", "mean", "--task", "tiny.toml", "--json")
    record = json.loads(done.stdout)
    assert done.returncode == 0
    for split in ("test", "ood", "finer"):
        each = record["per_sample"].get(split, {}).get("relative_l2")
        if each is not None:
            assert len(each) == 4
            assert record["scores"][split]["relative_l2"] == pytest.approx(sum(each) / 4)
    for key in ("task_version", "data_fingerprint", "source_sha256", "settings", "seed", "versions", "machine", "commit", "parameters"):
        assert key in record


def test_seeds_settings_and_other_tasks_are_taken(home):
    arguments = ("--model", "deeponet", "--task", "tiny.toml/step", "--seeds", "2", "--set", "train.epochs=1", "--json")
    done = opbench(home, "evaluate", *arguments)
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert [record["seed"] for record in records] == [0, 1]
    assert records[0]["training"]["epochs"] == 1
    assert records[0]["scores"]["test"]["relative_l2"] != records[1]["scores"]["test"]["relative_l2"]


def test_the_same_seed_gives_the_same_scores(home):
    first, second = (
        json.loads(opbench(home, "evaluate", "-m", "fast_fno", "-t", "tiny.toml", "--seed", "7", "--json").stdout) for _ in "ab"
    )
    assert first["per_sample"] == second["per_sample"]
    assert first["weights_sha256"] == second["weights_sha256"]


def test_generate_check_and_table(home):
    made = opbench(home, "generate", "tiny.toml", "--samples", "3", "--out", "elsewhere")
    assert made.returncode == 0, made.stderr
    files = made.stdout.split()
    assert len(files) == 5
    checked = opbench(home, "check", *files)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count(": valid") == 5
    opbench(home, "evaluate", "--model", "mean", "--task", "tiny.toml", "--json")
    table = opbench(home, "table", "--task", "tiny")
    assert table.returncode == 0, table.stderr
    assert "tiny/trajectory" in table.stdout
    assert "| mean |" in (home / "leaderboards" / "tiny.md").read_text()


def test_shards_say_what_is_missing_and_the_last_one_names_the_files(home):
    first, last = (opbench(home, "generate", "tiny.toml", "--out", "shared", "--workers", "1", "--shard", f"{i}/2") for i in (1, 2))
    assert (first.returncode, last.returncode) == (0, 0), first.stderr + last.stderr
    told = "shard 1/2 is solved, in shared/tiny/mini/parts; the files are written once all shards' parts are there\n"
    assert first.stdout == told
    assert len(last.stdout.split()) == 5
    assert opbench(home, "check", *last.stdout.split()).returncode == 0


def test_list_names_every_part():
    listed = opbench(Path.cwd(), "list").stdout
    for name in ("burgers_1d", "darcy_2d", "navier_stokes_2d", "darcy_neuralop", "multionet", "two_phase", "relative_l2", "trajectory"):
        assert name in listed


WRONG = """
import torch
class Short(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
    def forward(self, given):
        return given[:, 0]
class NoModule:
    pass
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "--model", "fnoo"), "did you mean 'fno'"),
        (("evaluate", "--model", "fno", "--task", "burger_1d"), "did you mean 'burgers_1d'"),
        (("evaluate", "--model", "fno", "--task", "burgers_1d/stp"), "burgers_1d offers trajectory, final, step"),
        (("evaluate", "--model", "fno", "--set", "model.widht=3"), "did you mean 'width'"),
        (("evaluate", "--model", "fno", "--set", "train.epoch=3"), "did you mean 'epochs'"),
        (("evaluate", "--model", "fno", "--set", "width=3"), "expected model.<name>=<value>"),
        (("evaluate", "--model", "fno", "--set", "train.epochs=-3"), "train: epochs"),
        (("evaluate", "--model", "fno", "--loss", "dta"), "did you mean 'data'"),
        (("evaluate", "--model", "fno", "--scale", "maxi"), "unknown scale of burgers_1d 'maxi'"),
        (("evaluate", "--model", "wrong.py:Short", "--task", "tiny.toml"), "expected output (b, 2, 32), got (b, 32)"),
        (("evaluate", "--model", "wrong.py:NoModule", "--task", "tiny.toml"), "torch.nn.Module"),
        (("evaluate", "--model", "nowhere.py:Net", "--task", "tiny.toml"), "no such file"),
        (("evaluate", "--model", "broken.py:Net", "--task", "tiny.toml"), "SyntaxError"),
        (("evaluate", "--modell", "fno"), "--model"),
        (("evaluat",), "did you mean 'evaluate'"),
        (("generate", "typo.toml"), "given.velocity.gaussian_field.amplitud: Extra inputs are not permitted"),
        (("generate", "burgers_1d", "--samples", "0"), "--samples"),
        (("generate", "burgers_1d", "--shard", "3/2"), "shard: expected i/N with i from 1 to N, such as 3/10, got '3/2'"),
        (("generate", "burgers_1d", "--workers", "0"), "--workers"),
        (("show", "burger_1d"), "did you mean 'burgers_1d'"),
        (("show", "tiny.toml", "--split", "tset"), "did you mean 'test'"),
        (("check", "tiny.toml"), "tiny.toml"),
        (("check", "missing.hdf5"), "missing.hdf5"),
        (("table", "--task", "nothing"), "nothing"),
        (("verify", "missing.json"), "missing.json: no such file; give the path of a record"),
        (("score", "missing.h5", "--task", "darcy_neuralop"), "missing.h5: no such file"),
        (("compare", "--model", "fno", "--against", "fnoo", "--tasks", "darcy_neuralop"), "did you mean 'fno'"),
        (("compare", "--model", "fno", "--tasks", ","), "tasks: expected one or more, got none"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_line_with_exit_code_2(home, arguments, message):
    (home / "wrong.py").write_text(WRONG)
    (home / "broken.py").write_text("class Net(:\n")
    (home / "typo.toml").write_text(TINY.replace("amplitude", "amplitud").replace('"tiny"', '"typo"'))
    assert message in refused(home, *arguments)


def test_a_broken_record_leaves_tables_and_page_to_the_others_and_the_exit_code_tells(home):
    opbench(home, "evaluate", "--model", "mean", "--task", "tiny.toml", "--out", "half", "--json")
    (home / "half" / "records" / "tiny" / "broken\x1b[31m.json").write_text("{")
    (home / "half" / "solvers" / "odd").mkdir(parents=True)
    (home / "half" / "solvers" / "odd" / "deep.json").write_text("[" * 100_000)
    pareto = ("pareto", "--task", "burgers_1d")
    files = {("table",): ("README.md", 2), ("page",): ("index.html", 1), pareto: ("pareto-burgers_1d-trajectory-mini-cpu*.png", 2)}
    for command, (file, faults) in files.items():
        done = opbench(home, *command, "--out", "half")
        assert done.returncode == 2, done.stderr
        told = done.stderr.splitlines()
        assert len(told) == faults + 1, told
        assert "broken [31m.json: is no JSON record" in told[0]
        assert "deep.json: is no JSON solver ladder" in told[1] or faults == 1
        assert list((home / "half").glob(file)), "one for each machine: the checkout may hold records of the user's own"


def test_a_truncated_file_is_refused_and_kept(home):
    opbench(home, "generate", "tiny.toml", "--out", "cut")
    path = next((home / "cut").rglob("test/tiny.hdf5"))
    path.write_bytes(path.read_bytes()[:2000])
    assert "tiny.hdf5" in refused(home, "evaluate", "--model", "mean", "--task", "tiny.toml", "--data", "cut")
    assert path.stat().st_size == 2000


def test_a_stopped_training_says_how_to_go_on_and_goes_on(home):
    arguments = ["evaluate", "--model", "fast_fno", "--task", "tiny.toml", "--set", "train.epochs=4000", "--out", "stopped"]
    heard = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731  a shell's background jobs ignore it
    run = subprocess.Popen([sys.executable, "-m", "opbench", *arguments], cwd=home, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    deadline = time.monotonic() + 300
    while not list((home / "stopped").rglob("state.safetensors")):
        assert run.poll() is None, run.stderr and run.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "run the same command again to go on" in told
    assert "Traceback" not in told
    assert not list((home / "stopped").rglob("*.json"))


def test_help_needs_no_torch():
    code = "import sys, opbench.cli; sys.exit('torch' in sys.modules or 'h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_what_a_file_is_called_does_not_steer_the_terminal(tmp_path):
    call = [sys.executable, "-m", "opbench", "verify", f"{tmp_path}/no\x1b[31m\x07record.json"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n"), done.stderr.count("\x1b"), done.stderr.count("\x07")) == (2, 1, 0, 0)
