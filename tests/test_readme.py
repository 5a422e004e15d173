"""The README is true: its model file works, its Python runs, its commands exist, its tables are those of the records."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

import committed
import pytest

from opbench.leaderboard import labels
from opbench.leaderboard.table import boards, markdown

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODELS = ("fast_fno", "fno", "ifno", "multionet", "deeponet")
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_readmes_own_model_is_at_most_15_lines_and_is_evaluated(tmp_path):
    source = next(block for block in PYTHON if "mine.py" in block)
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 15, len(lines)
    (tmp_path / "mine.py").write_text(source)
    arguments = ["--model", "mine.py:Net", "--set", "model.width=8", "--set", "train.epochs=1", "--no-cost", "--json"]
    command = [sys.executable, "-m", "opbench", "evaluate", *arguments, "--task", "tiny.toml"]
    tiny = (ROOT / "tests" / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]
    (tmp_path / "tiny.toml").write_text(tiny)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert '"model": "mine.py:Net"' in done.stdout


def test_the_readmes_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = next(block for block in PYTHON if "opbench.solve" in block)
    small = source.replace('"burgers_1d"', '"burgers_1d", samples=4, grid=32', 1).replace(
        '"linear", task="burgers_1d"', '"mean", task="darcy_neuralop"'
    )
    names = {}
    exec(compile(small, "README.md", "exec"), names)
    assert dict(names["ds"].sizes) == {"time": 3, "x": 256}
    assert names["record"].scores["test"]["relative_l2"] > 0


@pytest.mark.parametrize(
    "command",
    sorted(set(re.findall(r"^ +opbench ([a-z-]+)", README, re.MULTILINE))),
)
def test_every_command_that_the_readme_names_exists(command):
    done = subprocess.run([sys.executable, "-m", "opbench", command, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0


def tables(text: str) -> list[list[list[str]]]:
    """Their rows of cells, the heads first."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    rows = [[[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()] for block in blocks]
    return [[found[0], *found[2:]] for found in rows]


def test_the_readmes_tables_are_rendered_from_the_committed_records():
    records = committed.records()
    found = boards(records, committed.ladders(records))
    texts = [text for board in found for text in (markdown(board, ""), labels.markdown(board, labels.curves(board), ""))]
    rendered = [table for text in texts for table in tables(text)]
    said = tables(README)
    assert len(said) == 2
    for heads, *rows in said:
        wider = [table for table in rendered if set(heads) <= set(table[0])]
        shown = [[[row[table[0].index(head)] for head in heads] for row in table] for table in wider]
        assert any(all(row in table for row in rows) for table in shown), heads


def test_what_the_readme_says_of_the_models_is_what_the_overview_says():
    overview = (committed.FOLDER / "README.md").read_text(encoding="utf-8")
    apart = float(re.search(r"those closer than ([\d.]+) are not told apart", overview)[1])
    rows = {row[0]: row[1:] for row in tables(overview)[0][1:]}
    ranks = {model: float(row[0]) for model, row in rows.items()}
    fourier, sensors = ("fast_fno", "fno", "ifno"), ("multionet", "deeponet")
    led = [ranks[model] for model in fourier]
    assert max(led) - min(led) < apart < min(rank for model, rank in ranks.items() if model not in fourier) - min(led)
    assert max(led) < ranks["multionet"] < ranks["linear"] < ranks["deeponet"] < ranks["multionet"] + apart
    ood, finer = ({m: [float(x) for x in re.findall(r"[\d.]+", rows[m][i])] for m in (*fourier, *sensors)} for i in (4, 5))
    least, most, grown, fixed = re.search(
        r"errs ([\d.]+) to ([\d.]+) times as much, in the median.*?up to (\d+) times.*?at most ([\d.]+) times", README, re.S
    ).groups()
    medians = [f"{median:.1f}" for median, _ in ood.values()]
    assert (min(medians), max(medians)) == (least, most)
    assert {finer[m][0] for m in fourier} == {1.0}
    assert f"{max(finer[m][1] for m in fourier):.0f}" == grown
    assert f"{max(finer[m][1] for m in sensors):.1f}" == fixed


def test_what_the_readme_says_of_solver_and_physics_is_what_the_records_say():
    solver = (committed.FOLDER / "solver.md").read_text(encoding="utf-8")
    said = re.search(
        r"on (\d+) tasks, on a CPU, by `opbench table`: of (\d+) networks (\d+) err less.*?of those (\d+) are.*?alone, (\d+) in full",
        README,
        re.S,
    )
    assert said
    tasks, networks, useful, alone, batched = said.groups()
    assert f"Of {networks} networks on {tasks} tasks, {useful} err less than" in solver
    assert f"Of those, {alone} are faster" in solver
    assert f"and {batched} in full batches" in solver
    overview = (committed.FOLDER / "README.md").read_text(encoding="utf-8").partition("## By loss")[2]
    counted = {row[0]: row[1:] for row in tables(overview)[0][1:]}
    said = re.search(r"Over (\d+) tasks a model errs by physics alone (.*?) and by both, all labels read, (.*?);", README, re.S)
    assert said
    tasks, *halves = said.groups()
    for loss, half in zip(("physics", "both"), halves, strict=True):
        medians = {model: f"{float(row[-1]):.1f}" for model in MODELS if (row := counted.get(f"{model}, {loss}")) and row[0] == tasks}
        assert {model: number for number, model in re.findall(r"([\d.]+)\s+\((\w+)\)", half)} == medians, loss
    runs = [r for r in committed.records() if not r.changes and not r.labels]
    lost = [{r.dataset for r in runs if r.status == "diverged" and r.loss == loss} for loss in ("physics", "both")]
    assert lost == [{"shallow_water_2d", "diffusion_sorption_1d"}] * 2
    for dataset, model, loss, value in (
        ("darcy_smooth_2d", "fno", "physics", "fno 0.0061"),
        ("darcy_smooth_2d", "fno", "data", "(data 0.0054), multionet"),
        ("darcy_smooth_2d", "multionet", "physics", "multionet 0.0136"),
        ("darcy_smooth_2d", "multionet", "data", "(data 0.0109)"),
        ("darcy_dgno_piecewise_2d", "multionet", "physics", "physics, on the grid, 0.0186"),
        ("darcy_dgno_piecewise_2d", "multionet", "data", "(data 0.0172)"),
        ("darcy_dgno_piecewise_2d", "multionet", "mixed", "mixed 0.091"),
        ("darcy_dgno_piecewise_2d", "multionet", "collocation", "collocation 0.093"),
        ("darcy_dgno_piecewise_2d", "multionet", "weak", "weak 0.112"),
    ):
        assert value in README
        number = re.search(r"0\.\d+", value)[0]
        mean = statistics.fmean(r.scores["test"]["relative_l2"] for r in runs if (r.dataset, r.model, r.loss) == (dataset, model, loss))
        assert f"{mean:.{len(number) - 2}f}" == number, (dataset, model, loss, mean)
