"""submit and what becomes of it: equal archives everywhere, hostile ones refused, no code of others run, badges bound to bytes."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
import yaml

import opbench
from opbench.cli import opbench as commands
from opbench.errors import DataError, OpbenchError
from opbench.evaluation.source import files
from opbench.find import find
from opbench.records.shelf import read_record, save
from opbench.submission.reproduce import checkpoint, verify
from opbench.submission.submit import _fault, _require_complete, opened, submit

ROOT = Path(__file__).parent.parent
TINY = (ROOT / "tests" / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]
NET = """
from pathlib import Path
import torch
from layers_beside import mixing
class Net(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = mixing(in_channels, out_channels)
    def forward(self, given):
        return self.layer(given)
Path(__file__).with_name("ran").touch()
"""
BESIDE = """
import torch
def mixing(a, b):
    return torch.nn.Conv2d(a, b, 1)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "mine.py").write_text(NET)
    (folder / "layers_beside.py").write_text(BESIDE)
    opbench.evaluate(f"{folder}/mine.py:Net", "darcy_neuralop", settings={"train.epochs": 1}, out=folder, device="cpu", cost=False)
    opbench.evaluate("mean", "darcy_neuralop", out=folder, device="cpu", cost=False)
    return folder


@pytest.fixture(scope="module")
def path(home) -> Path:
    return next((home / "records" / "darcy_neuralop").glob("mine*.json"))


@pytest.fixture(scope="module")
def baseline(home) -> Path:
    return next((home / "records" / "darcy_neuralop").glob("mean*.json"))


@pytest.fixture(scope="module")
def archive(home, path, tmp_path_factory) -> Path:
    return submit(path, model=f"{home}/mine.py:Net", out=tmp_path_factory.mktemp("out")).archive


def run(folder: Path, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "opbench", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def refused(archive: Path) -> str:
    with pytest.raises(DataError) as told, opened(archive, "any.py:Net"):
        raise AssertionError("it was opened")
    return str(told.value)


def repacked(archive: Path, folder: Path, change, **options) -> Path:
    """An archive of the same members after `change` of their mapping from names to bytes."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    path = folder / archive.name
    with zipfile.ZipFile(path, "w", **options) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return path


def test_an_archive_holds_record_checkpoint_and_the_models_files_and_its_numbers_agree(home, path, archive):
    with zipfile.ZipFile(archive) as stored:
        stem = read_record(path).stem
        assert stored.namelist() == [
            "model/layers_beside.py",
            "model/mine.py",
            f"records/darcy_neuralop/{stem}.json",
            f"runs/darcy_neuralop/{stem}/weights.safetensors",
        ]
        assert stored.read(f"records/darcy_neuralop/{stem}.json") == path.read_bytes()
        assert stored.read("model/mine.py").decode() == NET
    with opened(archive, f"{home}/mine.py:Net") as laid:
        held = read_record(laid)
        assert all(finding.agrees for finding in verify(held, checkpoint(laid, held), model=f"{home}/mine.py:Net"))
    assert not laid.exists()


def test_a_model_of_opbenchs_own_brings_no_code_and_needs_none_named(baseline, tmp_path):
    packed = submit(baseline, out=tmp_path)
    assert not [name for name in packed.sizes if name.startswith("model/")]
    with opened(packed.archive) as laid:
        assert laid.read_bytes() == baseline.read_bytes()


def test_a_package_is_packed_as_it_lies_and_what_its_files_alone_cannot_run_is_not(tmp_path):
    """By the two steps of submit that a training would only delay."""
    net = "import torch\nfrom .sub.layers import SIZE\nclass Net(torch.nn.Module):\n    size = SIZE\n"
    hidden = "import importlib\nSIZE = importlib.import_module('pkg.' + 'hidden').SIZE\n"
    for name, text in {"__init__.py": "", "model.py": net, "sub/layers.py": "SIZE = 1\n", "hidden.py": "SIZE = 1\n"}.items():
        (tmp_path / "pkg" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pkg" / name).write_text(text)
    held = files(find("models", f"{tmp_path}/pkg/model.py:Net", object))
    assert set(held) == {"pkg/__init__.py", "pkg/model.py", "pkg/sub/layers.py"}
    assert _fault([*(f"model/{name}" for name in held), "records/a/b.json", "runs/a/b/weights.safetensors"], 1) is None
    _require_complete("model", held, "pkg/model.py:Net", tmp_path / "a.zip")
    held["pkg/sub/layers.py"].write_text(hidden)
    with pytest.raises(OpbenchError, match=r"a\.zip: cannot be packed: with pkg/model\.py, .* alone, pkg/model\.py: cannot be imported"):
        _require_complete("model", held, "pkg/model.py:Net", tmp_path / "a.zip")


def test_packing_twice_gives_the_same_bytes_and_other_content_is_never_overwritten(home, path, archive, tmp_path):
    again = submit(path, model=f"{home}/mine.py:Net", out=tmp_path).archive
    assert again.read_bytes() == archive.read_bytes()
    assert submit(path, model=f"{home}/mine.py:Net", out=tmp_path).archive == again
    again.write_bytes(b"mine")
    with pytest.raises(DataError, match="is there with other content"):
        submit(path, model=f"{home}/mine.py:Net", out=tmp_path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"mine"]


def test_what_verify_would_refuse_is_not_packed(home, path, baseline, tmp_path):
    with pytest.raises(OpbenchError, match="is code of others: read it, then name it"):
        submit(path, out=tmp_path / "out")
    with pytest.raises(DataError, match="is not the checkpoint that the record names"):
        submit(path, model=f"{home}/mine.py:Net", weights=checkpoint(baseline, read_record(baseline)), out=tmp_path / "out")
    with pytest.raises(DataError, match="no checkpoint there"):
        submit(path, model=f"{home}/mine.py:Net", weights=tmp_path / "none", out=tmp_path / "out")
    (tmp_path / "layers_beside.py").write_text(BESIDE)
    (tmp_path / "mine.py").write_text(NET + "# changed since")
    with pytest.raises(DataError, match="makes another source_sha256"):
        submit(path, model=f"{tmp_path}/mine.py:Net", out=tmp_path / "out")
    content = json.loads(path.read_text()) | {"data_fingerprint": "e" * 64}
    for name in ("made-up.json", path.name):
        other = tmp_path / "records" / "darcy_neuralop" / name
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text(json.dumps(content))
        with pytest.raises(DataError, match="was edited or renamed"):
            submit(other, model=f"{home}/mine.py:Net", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


RECORD = "records/darcy_neuralop/"
HOSTILE = {
    "a path out of the folder": (lambda m: m.update({"../out.py": b""}), "expected a record"),
    "one that is hidden behind a good start": (lambda m: m.update({"model/../../out.py": b""}), "expected a record"),
    "an absolute one": (lambda m: m.update({"/tmp/out.py": b""}), "expected a record"),
    "one with backslashes": (lambda m: m.update({"model/..\\out.py": b""}), "expected a record"),
    "an extra file": (lambda m: m.update({"setup.cfg": b""}), "got \"'setup.cfg'\""),
    "a model that is no source": (lambda m: m.update({"model/fast.so": b""}), "expected a record"),
    "a folder": (lambda m: m.update({"model/": b""}), "expected a record"),
    "two records": (lambda m: m.update({RECORD + "other.json": b"{}"}), "expected one record"),
    "no record": (lambda m: m.pop(next(name for name in m if name.startswith("records"))), "expected one record"),
    "no checkpoint": (lambda m: m.pop(next(name for name in m if name.startswith("runs"))), "expected one record"),
    "another run's checkpoint": (lambda m: m.update({"runs/a/b/weights.safetensors": m.pop(list(m)[-1])}), "expected the checkpoint of"),
    "too many files": (lambda m: m.update({f"model/m{i}.py": b"" for i in range(99)}), "expected at most 64 files"),
    "a list without end": (lambda m: m.update({f"model/{i:0200}.py": b"" for i in range(300)}), "at most 1024 MiB and 64 files"),
    "an empty archive": (dict.clear, "expected one record"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=list(HOSTILE))
def test_an_archive_of_other_files_than_submit_packs_is_refused(archive, tmp_path, change, message):
    told = refused(repacked(archive, tmp_path, change))
    assert message.replace('"', "") in told.replace('"', "")
    assert [file.name for file in tmp_path.iterdir()] == [archive.name]


def test_a_bomb_is_refused_before_anything_is_unpacked(archive, tmp_path):
    bomb = repacked(archive, tmp_path, lambda m: m.update({"model/zeros.py": b"0" * (1 << 24)}), compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 16
    assert "is compressed" in refused(bomb)


def test_a_name_that_stands_there_twice_is_refused(archive, tmp_path):
    path = Path(shutil.copy(archive, tmp_path))
    with zipfile.ZipFile(path, "a") as stored, pytest.warns(UserWarning, match="Duplicate name"):
        stored.writestr("model/mine.py", "other code")
    assert "some twice" in refused(path)


def test_a_link_is_refused(archive, tmp_path):
    path, link = Path(shutil.copy(archive, tmp_path)), zipfile.ZipInfo("model/link.py")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as stored:
        stored.writestr(link, "/etc/passwd")
    assert "model/link.py is no plain file" in refused(path)


def test_a_truncated_damaged_or_foreign_file_is_told_in_one_line(archive, tmp_path):
    content, path = archive.read_bytes(), tmp_path / "some.zip"
    weights = content.rindex(b"F32")
    damaged = content[:weights] + b"F64" + content[weights + 3 :]
    for bad in (b"", b"not a zip", content[: len(content) // 2], content[:-1], content + b"more", damaged):
        path.write_bytes(bad)
        assert "cannot be read as an archive" in refused(path)
    path.unlink()
    assert refused(path) == f"{path}: no such file; give a record or an archive of opbench submit"


def test_an_edited_record_and_swapped_weights_are_told_by_the_archives_name(home, archive, tmp_path):
    def worsen(members):
        name = next(name for name in members if name.startswith(RECORD))
        members[name] = members[name].replace(b'"seed": 0', b'"seed": 1')

    assert refused(repacked(archive, tmp_path, worsen)).startswith(f"{tmp_path / archive.name}/records/")
    swapped = repacked(archive, tmp_path, lambda m: m.update({list(m)[-1]: b"other weights"}))
    with pytest.raises(DataError, match="is not the checkpoint") as told, opened(swapped, "x.py:X") as laid:
        verify(read_record(laid), checkpoint(laid, read_record(laid)), model=f"{home}/mine.py:Net")
    assert str(told.value).startswith(f"{swapped}/runs/")


def test_an_archives_code_runs_only_when_it_was_unpacked_and_named(archive, tmp_path):
    with zipfile.ZipFile(archive) as stored:
        stored.extractall(tmp_path)
    (tmp_path / "mine.py").write_text(NET)
    done = run(tmp_path, "verify", archive)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"python -m zipfile -e {shlex.quote(str(archive))} FOLDER" in done.stderr
    assert not list(tmp_path.rglob("ran"))
    done = run(tmp_path, "verify", archive, "--model", "model/mine.py:Net", "--note")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("ran")) == [tmp_path / "model" / "ran"]
    assert re.search(r"^written: leaderboards/verified/darcy_neuralop/mine.*json$", done.stdout, flags=re.MULTILINE)


def test_submit_says_what_it_packed_and_what_comes_next_and_verify_takes_several(home, baseline, tmp_path):
    done = run(tmp_path, "submit", baseline)
    assert done.returncode == 0, done.stderr
    assert f"records/darcy_neuralop/{baseline.name}" in done.stdout
    assert f"written: {baseline.stem}.zip" in done.stdout
    assert "SUBMIT.md" in done.stdout
    (tmp_path / "bad.zip").write_bytes(b"no")
    done = run(tmp_path, "verify", f"{baseline.stem}.zip", "bad.zip", baseline)
    assert done.returncode == 2
    assert done.stdout.count("verified: all ") == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["bad.zip", "1 of 3 records is not verified, named above"]


def test_every_record_is_packed_though_one_cannot_be_and_the_model_that_is_named_is_that_of_others(home, path, baseline, tmp_path):
    lost = tmp_path / "records" / "darcy_neuralop" / baseline.name
    lost.parent.mkdir(parents=True)
    shutil.copy(baseline, lost)
    done = run(tmp_path, "submit", baseline, lost, path, "--model", f"{home}/mine.py:Net")
    assert done.returncode == 2
    assert {file.stem for file in tmp_path.glob("*.zip")} == {baseline.stem, path.stem}
    (next_step,) = [line for line in done.stdout.splitlines() if line.startswith("next: ")]
    assert f"{baseline.name}, leaderboards/records/darcy_neuralop/{path.name}, and attach {baseline.stem}.zip, {path.stem}.zip" in next_step
    told = done.stderr.splitlines()
    assert told[0].startswith(f"opbench: {lost}: ")
    assert "no checkpoint there" in told[0]
    assert told[1:] == ["opbench: 1 of 3 records is not packed, named above"]
    upper = (tmp_path / f"{path.stem}.zip").rename(tmp_path / "MINE.ZIP")
    done = run(tmp_path, "verify", upper.name, baseline, "--model", f"{home}/mine.py:Net")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("verified: all ") == 2
    for command in ("submit", "verify", "rescore"):
        done = run(tmp_path, command, "--weights", "some", baseline, path)
        assert (done.returncode, "--weights: expected one record beside it, got 2" in done.stderr) == (2, True)


def test_the_weights_of_one_record_are_named_for_scoring_anew_too_and_a_faulty_one_stops_no_other(baseline, tmp_path, capsys):
    (alone := tmp_path / "records" / "darcy_neuralop" / baseline.name).parent.mkdir(parents=True)
    shutil.copy(baseline, alone)
    with pytest.raises(OpbenchError, match="2 of 2 records are not scored anew, named above"):
        commands.main(["rescore", str(lost := alone.with_name("lost.json")), str(alone)], standalone_mode=False)
    first, second = capsys.readouterr().err.splitlines()
    assert f"opbench: {lost}: no such file" in first
    assert f"{alone}: " in second
    assert "no checkpoint there" in second
    commands.main(["rescore", "--weights", str(checkpoint(baseline, read_record(baseline))), str(alone)], standalone_mode=False)
    new = alone.with_name(f"{baseline.stem}-2.json")
    assert all(finding.agrees for finding in verify(read_record(new), checkpoint(new, read_record(new))))


def test_a_recipe_of_the_users_own_is_packed_and_used_only_when_it_is_named(tmp_path):
    recipe, options = tmp_path / "tiny.toml", ["--data", str(tmp_path / "data")]
    recipe.write_text(TINY)
    opbench.evaluate("linear", f"{recipe}/step", out=tmp_path, data=tmp_path / "data", device="cpu", cost=False)
    (path,) = (tmp_path / "records").glob("*/*.json")
    with pytest.raises(OpbenchError, match="name its recipe with --task"):
        submit(path, out=tmp_path)
    archive, sizes, _ = submit(path, task=f"{recipe}/step", out=tmp_path)
    assert sizes["recipe/tiny.toml"] == len(TINY)
    with pytest.raises(OpbenchError, match="name its recipe with --task"):
        commands.main(["verify", str(archive), *options], standalone_mode=False)
    with zipfile.ZipFile(archive) as stored:
        stored.extractall(tmp_path / "unpacked")
    commands.main(["verify", str(archive), *options, "--task", f"{tmp_path}/unpacked/recipe/tiny.toml/step"], standalone_mode=False)
    more = repacked(archive, tmp_path / "unpacked", lambda m: m.update({"recipe/more.toml": b""}))
    assert "at most one recipe" in refused(more)


def test_the_archive_of_a_repeated_run_holds_its_own_checkpoint_and_one_that_holds_it_as_the_first_ones_is_read(baseline, tmp_path):
    own = checkpoint(baseline, read_record(baseline))
    again = save(read_record(baseline), save(read_record(baseline), tmp_path / "records").parents[1])
    archive = submit(again, weights=own, out=tmp_path).archive
    (tmp_path / "before").mkdir()
    first, second = (f"runs/darcy_neuralop/{stem}/weights.safetensors" for stem in (baseline.stem, again.stem))
    before = repacked(archive, tmp_path / "before", lambda m: m.update({first: m.pop(second)}))
    for packed in (archive, before):
        with opened(packed) as laid:
            assert (laid.name, checkpoint(laid, read_record(laid)).read_bytes()) == (again.name, own.read_bytes())


def test_a_training_is_repeated_where_no_checkpoint_is_and_earns_no_badge(baseline, tmp_path, capsys):
    alone = tmp_path / "records" / "darcy_neuralop" / baseline.name
    alone.parent.mkdir(parents=True)
    shutil.copy(baseline, alone)
    commands.main(["verify", "--retrain", str(alone)], standalone_mode=False)
    assert "verified: all " in capsys.readouterr().out
    with pytest.raises(DataError, match="no checkpoint there"):
        commands.main(["verify", "--retrain", "--note", "--out", str(tmp_path), str(alone)], standalone_mode=False)
    assert not (tmp_path / "verified").exists()


def test_a_record_without_numbers_is_not_verified(home, tmp_path):
    empty = read_record(next((home / "records").glob("*/mean*.json"))).model_copy(update={"scores": {}, "per_sample": {}})
    path = save(empty, tmp_path / "records")
    with pytest.raises(OpbenchError, match="holds no scores"):
        commands.main(["verify", "--weights", str(next((home / "runs").glob("*/mean*/*"))), str(path)], standalone_mode=False)


def test_the_commands_of_submit_md_exist_with_their_options():
    lines = re.findall(r"^ +(opbench .*)$", (ROOT / "SUBMIT.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    calls = [shlex.split(call, comments=True) for line in lines for call in line.split("&&")]
    assert {call[1] for call in calls} == {"evaluate", "submit", "verify", "table", "page"}
    for _, name, *arguments in calls:
        context = click.Context(commands)
        command = commands.get_command(context, name)
        command.make_context(name, list(arguments), parent=context)


def test_what_an_evaluation_leaves_beside_its_records_is_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    kept_out = {"runs/", "reports/", "tuning/", "solvers/**/*.lock", "pareto-*.png"}
    assert kept_out - {line.removeprefix("/leaderboards/") for line in ignored} == set()


def test_ci_may_read_and_no_more_and_runs_nothing_that_a_pull_request_says():
    workflow = (ROOT / ".github" / "workflows" / "verify.yml").read_text(encoding="utf-8")
    content = yaml.safe_load(workflow)
    assert content["permissions"] == {"contents": "read"}
    assert "secrets" not in workflow
    assert "pull_request_target" not in workflow
    (job,) = content["jobs"].values()
    assert "permissions" not in job
    assert all("${{" not in step.get("run", "") for step in job["steps"])
