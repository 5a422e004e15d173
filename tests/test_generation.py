"""Generated files: samples depend on seed, split and index alone; interruptions lose nothing; the floor is the difference it claims."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_plan import tiny

import opbench
from opbench.boundary import Neumann, Outflow
from opbench.check import check
from opbench.errors import ConfigError, DataError, OpbenchError, SolverError
from opbench.generation import Shard, _help, _solve, _solved, draw, error_floor, file, generate, make, solve_block
from opbench.parts import Job, jobs
from opbench.recipe import load_recipe, plan
from opbench.samplers.blocks import Blocks
from opbench.samplers.riemann import Riemann
from opbench.store import Stored

HERE = Path(__file__).parent


def small(samples: int = 5, dataset: str = "burgers_1d", grid: int = 32, **changes):
    return plan(load_recipe(dataset), "mini", samples=samples, grid=grid, **changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny data set of 5 samples, once for this module."""
    return make(small(), tmp_path_factory.mktemp("data"))


def values(folder, split: str) -> np.ndarray:
    return Stored(file(folder, small(), split)).read("velocity", slice(None))


def test_every_split_is_there_with_its_grid_times_and_provenance(made):
    for split in ("train", "valid", "test", "ood", "finer"):
        stored = Stored(made / "data" / split / "burgers_1d.hdf5")
        assert len(stored) == 5
        assert stored.header.grid.shape == ((64,) if split == "finer" else (32,))
        assert np.allclose(stored.header.times, np.linspace(0, 1, 11))
        provenance = stored.header.provenance
        assert provenance["fingerprint"] == small().fingerprint
        assert provenance["split"] == split
        assert 0 < provenance["error_floor"]["fields"]["velocity"]["relative_l2"]["mean"] < 1e-3
        assert provenance["versions"]["torch"]


def test_fewer_samples_are_the_first_of_more(made, tmp_path):
    fewer = make(small(samples=3), tmp_path)
    assert np.array_equal(values(fewer, "train"), values(made, "train")[:3])


def test_splits_share_no_sample_except_that_finer_is_test_on_a_finer_grid(made):
    test, finer = values(made, "test"), values(made, "finer")
    assert np.array_equal(finer[..., ::2], test)
    for split in ("train", "valid", "ood"):
        distances = np.abs(values(made, split)[:, None, 0] - test[None, :, 0]).max(-1)
        assert distances.min() > 0.01, split


def test_another_seed_gives_other_samples():
    one, other = (draw(small(seed=seed), "train", range(1), small().solve_grid) for seed in (1, 2))
    assert np.abs(one["velocity"] - other["velocity"]).max() > 0.1


def test_a_sample_is_drawn_alike_in_any_company():
    grid = small().solve_grid
    together = draw(small(), "train", range(4), grid)["velocity"]
    assert np.array_equal(draw(small(), "train", range(2, 3), grid)["velocity"][0], together[2])


def test_fields_of_one_stream_share_their_places_and_nothing_else():
    states = {"sampler": "riemann", "states": ((1.0, 2.0), (3.0, 4.0)), "position": ((0.25, 0.75),)}
    chosen, fields = small(dataset="darcy_2d", grid=65), {}
    for stream in ("interface", None):
        given = {name: Riemann(**states, stream=stream) for name in ("permeability", "source")}
        shared = chosen.model_copy(update={"recipe": chosen.recipe.model_copy(update={"given": given})})
        fields[stream] = draw(shared, "train", range(20), shared.solve_grid)
        assert np.array_equal(
            draw(shared, "train", range(7, 8), shared.grid)["source"][0],
            shared.solve_grid.restrict(fields[stream]["source"][7], shared.grid),
        )
    left = {stream: [values[name][:, :, 0] < 2.5 for name in given] for stream, values in fields.items()}
    assert np.array_equal(*left["interface"])
    assert len({row.sum() for row in left["interface"][0]}) > 10
    assert not np.array_equal(*left[None])
    assert abs(np.corrcoef(fields["interface"]["permeability"][:, 0, 0], fields["interface"]["source"][:, 0, 0])[0, 1]) < 0.6


def test_blocks_are_solved_in_the_cells_that_they_fill_and_stored_at_nodes():
    chosen = small(dataset="darcy_2d", grid=13)
    blocks = Blocks(sampler="blocks", cells=(3, 3), between=(0.1, 1.0))
    chosen = chosen.model_copy(
        update={"recipe": chosen.recipe.model_copy(update={"given": chosen.recipe.given | {"permeability": blocks}})}
    )
    arrays = solve_block(chosen, "train", 0, "cpu")
    nodes, grid = arrays["permeability"][0], chosen.solve_grid
    each = nodes[2::4, 2::4].astype(np.float64)  # a node inside every block
    in_cells = np.kron(each, np.ones((16, 16)))
    expected = opbench.solve("darcy", grid, {"permeability": in_cells})["pressure"].values
    assert grid.shape == (49, 49)
    assert nodes.shape == (13, 13)
    assert np.abs(arrays["pressure"][0] - grid.restrict(expected, chosen.grid)).max() < 1e-6 * expected.max()


def test_an_interrupted_generation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    chosen = small(samples=40)
    solved = []

    def counting(*arguments):
        solved.append(arguments[1:3])
        if len(solved) == 2:
            raise KeyboardInterrupt
        return solve_block(*arguments)

    monkeypatch.setattr("opbench.generation.solve_block", counting)
    with pytest.raises(KeyboardInterrupt):
        make(chosen, tmp_path, workers=1)
    assert not list(tmp_path.rglob("*.hdf5"))
    folder = make(chosen, tmp_path, workers=1)
    assert solved.count(("train", 0)) == 1
    assert solved.count(("train", 1)) == 2
    assert sorted(path.name for path in folder.rglob("*") if path.suffix in (".hdf5", ".npz", ".part")) == ["burgers_1d.hdf5"] * 5


def test_files_of_another_recipe_are_neither_used_nor_overwritten(made):
    path = file(made, small(), "train")
    before = path.read_bytes()
    other = small().model_copy(update={"seed": 77})
    target = made.parent / other.folder.split("/")[1]
    target.mkdir()
    (target / "data" / "train").mkdir(parents=True)
    (target / "data" / "train" / path.name).write_bytes(before)
    with pytest.raises(DataError, match="was made by another recipe"):
        make(other, made.parent.parent)
    assert path.read_bytes() == before


def test_the_error_floor_is_what_two_solves_of_ones_own_say():
    chosen = small()
    drawn = draw(chosen, "test", range(4), chosen.solve_grid.refine(2))
    times, law = chosen.times, chosen.recipe.solving
    answers = []
    for grid, tolerance in ((chosen.solve_grid, law.tolerance), (chosen.solve_grid.refine(2), law.tolerance / 16)):
        velocity = chosen.solve_grid.refine(2).restrict(drawn["velocity"], grid)
        data = opbench.solve("burgers", grid, {"velocity": velocity, "viscosity": drawn["viscosity"]}, times=times, tolerance=tolerance)
        answers.append(grid.restrict(data.velocity.values, chosen.grid)[:, 1:].reshape(4, -1))
    expected = np.linalg.norm(answers[0] - answers[1], axis=1) / np.linalg.norm(answers[1], axis=1)
    floor = error_floor(chosen, "test", "cpu")["fields"]["velocity"]["relative_l2"]
    assert floor["mean"] == pytest.approx(expected.mean(), rel=0.01, abs=5e-8)  # the floor holds float32's rounding too
    assert floor["max"] == pytest.approx(expected.max(), rel=0.01, abs=5e-8)


def test_the_error_floor_is_the_distance_to_a_better_solve():
    coarse = small(grid=17, dataset="darcy_2d")
    floor = error_floor(coarse, "test", "cpu")
    assert floor["points"] == [129, 129]
    assert 1e-4 < floor["fields"]["pressure"]["relative_l2"]["mean"] < 5e-2


def test_two_dimensional_datasets_are_made_too(tmp_path):
    darcy = generate("darcy_2d", samples=2, grid=25, out=tmp_path)
    stored = Stored(darcy / "data" / "train" / "darcy_2d.hdf5")
    assert set(np.unique(stored.read("permeability", slice(None)))) == {3.0, 12.0}
    assert stored.header.fixed == {"source": 1.0}
    flow = generate("navier_stokes_2d", samples=1, grid=20, out=tmp_path)
    stored = Stored(flow / "data" / "ood" / "navier_stokes_2d.hdf5")
    assert stored.header.fixed == {"viscosity": 1e-3}
    assert stored.read("vorticity", [0]).shape == (1, 11, 20, 20)


def test_files_tell_what_holds_at_the_ends(tmp_path):
    recipe = load_recipe("burgers_1d")
    rightward = recipe.given["velocity"].model_copy(update={"mean": 4.0})
    short = recipe.scales["mini"].model_copy(update={"final": 0.05, "frames": 3})
    changes = {
        "domain": recipe.domain.model_copy(update={"periodic": (False,)}),
        "boundary": {"x": (Neumann(), Outflow())},
        "given": recipe.given | {"velocity": rightward},
        "ood": {"velocity": rightward},
        "solving": recipe.solving.model_copy(update={"order": 4, "block": 1, "tolerance": 1e-4}),
        "scales": recipe.scales | {"mini": short},
    }
    chosen = plan(recipe.model_copy(update=changes), "mini", samples=1, grid=33)
    folder = make(chosen, tmp_path)
    for split in chosen.samples:
        stored = Stored(file(folder, chosen, split))
        assert check(stored.path) == []
        assert stored.header.boundary == {"x": {"velocity": (Neumann(), Outflow())}}
        assert stored.header.ends("x") == ("WALL", "OPEN")


def test_foreign_data_are_not_generated():
    with pytest.raises(OpbenchError, match="nothing to generate"):
        opbench.generate("darcy_neuralop")


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def different(one: Path, other: Path) -> list[str]:
    a, b = contents(one), contents(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def command(*arguments: str, **options) -> subprocess.Popen:
    """A run of the command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "opbench", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize("room", [1000, 30_000])  # a block has 23 kB at most, a file 34 kB
def test_a_full_disk_is_told_in_one_line_and_leaves_no_half_file(tmp_path, room):
    arguments = ("generate", "burgers_1d", "--samples", "64", "--grid", "8", "--out", str(tmp_path))
    untouched = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # Python would leave a cut-off .pyc, which breaks every later import
    run = command(*arguments, env=untouched, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    _, told = run.communicate(timeout=120)
    assert run.returncode == 2, told
    assert told.startswith(f"opbench: {tmp_path}/burgers_1d/mini-n64-grid8/{'parts' if room == 1000 else 'data'}"), told
    assert told.endswith("cannot be written: File too large; mend that and write again\n"), told
    assert told.count("\n") == 1, told
    assert [name for name in contents(tmp_path) if name.endswith((".hdf5", ".part"))] == []


@pytest.mark.parametrize(
    ("samples", "grid", "message"),
    [
        (10**12, 32, "the files take .* GB, and .* are free at .*; lower the samples"),
        (5, 10**11, "a block's solution takes .* GB, and this"),
    ],
)
def test_sizes_that_nothing_holds_are_refused_at_once(tmp_path, samples, grid, message):
    with pytest.raises(DataError, match=message):
        make(small(samples, grid=grid), tmp_path)


def test_processes_at_work_at_once_solve_no_block_twice_and_make_the_same_files(tmp_path):
    code = (
        "import sys, opbench.generation as g; from tiny_plan import tiny; solve, n = g._solved, []; "
        "g._solved = lambda *job: n.append(job) or solve(*job); g.make(tiny(samples=8), sys.argv[1], workers=1); print(len(n))"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    both = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(tmp_path / "both")],  # the same opbench as here, be it installed or the checkout
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=path,
        )
        for _ in range(2)
    ]
    solved = []
    for process in both:
        count, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        solved.append(int(count))
    assert sum(solved) == len(jobs(tiny(samples=8), 1, 1)), solved
    make(tiny(samples=8), tmp_path / "one", workers=1)
    assert different(tmp_path / "both", tmp_path / "one") == []


def test_helpers_solve_a_share_and_the_files_are_those_of_one_process(tmp_path, monkeypatch):
    chosen, solved = tiny(samples=8), []

    def slow(*arguments):
        solved.append(arguments)
        time.sleep(0.5)  # helpers take seconds to start
        return solve_block(*arguments)

    make(chosen, tmp_path / "one", workers=1)
    monkeypatch.setattr("opbench.generation.solve_block", slow)
    monkeypatch.setattr("opbench.generation.PATIENCE", 0.0)
    reported = []
    make(chosen, tmp_path / "three", workers=3, report=lambda *step: reported.append(step))
    assert len(solved) < 20, len(solved)  # blocks in all
    assert different(tmp_path / "one", tmp_path / "three") == []
    for kind, total in {"train": 4, "finer": 4, "error floor": 3}.items():
        counts = [(done, of) for label, done, of in reported if label == kind]
        assert counts == sorted(set(counts)), counts
        assert counts[-1] == (total, total), reported


def test_thread_counts_move_no_bit(monkeypatch):
    """Not even of the float64 values that are rounded for the file; this flow's differ on two threads where they are let."""

    def unrounded(chosen, split, _, device):
        return {"vorticity": _solve(chosen, split, range(2), chosen.solve_grid, 1e-6, device)[1].values["vorticity"].numpy()}

    monkeypatch.setattr("opbench.generation.solve_block", unrounded)
    flow = Shard(small(dataset="navier_stokes_2d"), Path(), "cpu")
    before, seen = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            seen.append(_solved(flow, Job("test", 0, ("test",)))["vorticity"])
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*seen), np.abs(seen[0] - seen[1]).max()


def test_shards_solve_disjoint_parts_that_together_are_the_whole(tmp_path):
    chosen, names = tiny(samples=6), []
    make(chosen, tmp_path / "whole", workers=1)
    for number in (1, 2, 3):
        folder = make(chosen, tmp_path / f"machine{number}", workers=1, shard=f"{number}/3")
        assert not list(folder.rglob("*.hdf5"))
        names.append({path.name for path in folder.rglob("*.npz")})
        shutil.copytree(tmp_path / f"machine{number}", tmp_path / "merged", dirs_exist_ok=True)
    assert not names[0] & names[1] | names[1] & names[2] | names[0] & names[2]
    assert {name.removesuffix(".npz") for name in set.union(*names)} == {job.name for job in jobs(chosen, 1, 1)}
    make(chosen, tmp_path / "merged", workers=1)
    assert different(tmp_path / "merged", tmp_path / "whole") == []


def test_the_last_shard_in_a_shared_folder_writes_the_files(tmp_path):
    chosen = tiny(samples=6)
    make(chosen, tmp_path / "whole", workers=1)
    for number in (2, 3, 1):
        assert not list(tmp_path.glob("shared/*/*/data"))
        make(chosen, tmp_path / "shared", workers=1, shard=f"{number}/3")
    assert different(tmp_path / "shared", tmp_path / "whole") == []


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1/0", "3", "a/b", "1/2/3", "-1/2", "1.0/2"])
def test_a_shard_that_cannot_be_is_refused(tmp_path, shard):
    with pytest.raises(ConfigError, match="expected i/N with i from 1 to N"):
        make(tiny(), tmp_path, shard=shard)


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="workers: expected a whole number, 1 or more, got 0"):
        make(tiny(), tmp_path, workers=0)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(child) for child in found.stdout.split() if int(child) != pid]


def alive(pid: int) -> bool:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()[:1] not in ("", "Z")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_helpers_end_with_the_process_they_help(tmp_path, stop):
    arguments = ("generate", "burgers_1d", "--samples", "10000", "--workers", "3", "--out", str(tmp_path))
    run = command(*arguments, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # background jobs ignore it
    until = time.monotonic() + 60
    while len(helping := children(run.pid)) < 2:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(3 if stop == signal.SIGKILL else 0)  # while they load torch, and while they solve
    run.send_signal(stop)
    _, told = run.communicate(timeout=60)
    if stop != signal.SIGKILL:
        assert (run.returncode, told.strip()) == (130, "opbench: stopped; run the same command again to go on")
        assert not any(map(alive, helping))
    until = time.monotonic() + 60  # nobody can be told by SIGKILL: helpers finish the block that they are at
    while any(map(alive, helping)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_helper_cannot_solve_is_left_to_the_process_it_helps(tmp_path, monkeypatch):
    def unstable(_, split, block, __):
        if (split, block) == ("train", 1):
            raise SolverError("unstable")
        return solve_block(chosen, split, block, "cpu")

    chosen = tiny()
    shard = Shard(chosen, tmp_path / chosen.folder, "cpu")
    monkeypatch.setattr("opbench.generation.solve_block", unstable)
    _help(shard, os.getppid())
    assert shard.left()[0].name == "train-1"
    with pytest.raises(SolverError, match="unstable"):
        make(chosen, tmp_path, workers=1)
    monkeypatch.undo()
    make(chosen, tmp_path, workers=1)
    assert shard.left() == []


def test_a_helper_whose_process_is_gone_begins_nothing(tmp_path):
    shard = Shard(tiny(), tmp_path, "cpu")
    _help(shard, helped=-1)
    assert shard.left() == shard.jobs


@pytest.mark.parametrize("harm", [b"", b"cut", None], ids=["empty", "cut", "one bit"])
@pytest.mark.parametrize("name", ["train-1", "test-floor"])
def test_a_damaged_part_is_solved_again(tmp_path, name, harm):
    chosen = tiny()
    make(chosen, tmp_path / "whole", workers=1)
    folder = make(chosen, tmp_path / "mended", workers=1, shard="1/2")
    folder = make(chosen, tmp_path / "other", workers=1, shard="2/2")
    shutil.copytree(tmp_path / "other", tmp_path / "mended", dirs_exist_ok=True)
    path = next((tmp_path / "mended").rglob(f"{name}.npz"))
    good = path.read_bytes()
    path.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:] if harm is None else good[: 500 * len(harm) // 3])
    assert folder.is_dir()
    make(chosen, tmp_path / "mended", workers=1)
    assert different(tmp_path / "mended", tmp_path / "whole") == []


def test_a_part_that_is_damaged_on_its_way_from_another_shard_is_named(tmp_path):
    chosen = tiny()
    folder = make(chosen, tmp_path, workers=1, shard="1/2")
    for job in jobs(chosen, 2, 2):
        shard = Shard(chosen, folder, "cpu")
        shard.parts.save(job, _solved(shard, job))
    path = shard.parts.path(jobs(chosen, 2, 2)[-1])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=f"{path.name}: is damaged .*; delete it, and it is solved again"):
        make(chosen, tmp_path, workers=1, shard="1/2")
    make(chosen, tmp_path, workers=1)


def test_what_stopped_runs_left_behind_holds_nobody_up_and_is_cleared(tmp_path):
    chosen = tiny()
    make(chosen, tmp_path / "clean", workers=1)
    folder = tmp_path / "littered" / chosen.folder
    mine = Shard(chosen, folder, "cpu").parts.folder
    litter = [
        folder / ".lock",
        mine / "train-0.lock",
        mine / "train-0.npz.01234567.part",
        mine.parent / "feedfeedfeedfeed-cpu" / "train-0.npz",
    ]
    litter += [file(folder, chosen, "test").with_suffix(".hdf5.01234567.part"), folder / "stats.yaml.01234567.part", folder / "stats.yaml"]
    for path in litter:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    make(chosen, tmp_path / "littered", workers=1)
    assert different(tmp_path / "littered", tmp_path / "clean") == []
    assert not (folder / "parts").exists()


def test_parts_of_another_recipe_or_device_are_neither_used_nor_lost_before_the_files_are_there(tmp_path):
    chosen, other = tiny(), tiny(tolerance=1e-5)
    assert chosen.folder == other.folder
    make(other, tmp_path, workers=1, shard="1/2")
    theirs = contents(tmp_path)
    make(chosen, tmp_path, workers=1, shard="1/2")
    assert theirs.items() <= contents(tmp_path).items()
    assert Shard(chosen, tmp_path / chosen.folder, "cuda").left() == jobs(chosen, 1, 1)


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_a_run_killed_at_any_moment_is_completed_to_the_bits_of_an_unbroken_one(tmp_path, kills):
    one = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, HERE / "killed.py", tmp_path, str(kills), "0"], capture_output=True, text=True, env=one)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert [kill for kill in found if kill["wrong"]] == []
    among_blocks = [kill for kill in found if not any("/data/" in name for name in kill["left"])]
    among_files = [kill for kill in found if kill not in among_blocks]
    assert len(among_blocks) >= kills / 5, found
    assert len(among_files) >= kills / 4, found


@pytest.mark.parametrize(("few", "many"), [(32, 3200), pytest.param(100, 10_000, marks=pytest.mark.slow)])
def test_memory_is_that_of_a_block_however_many_samples(tmp_path, few, many):
    code = (
        "import resource, sys; from tiny_plan import tiny; from opbench.generation import make\n"
        "for samples in map(int, sys.argv[2:]):\n"
        "    make(tiny(samples, 32, 256, 11, final=0.01), sys.argv[1], workers=1)\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    path = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code, tmp_path, str(few), str(many)], capture_output=True, text=True, env=path)
    assert done.returncode == 0, done.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    before, after = (int(line) * unit for line in done.stdout.split())
    size = file(tmp_path / f"burgers_1d/mini-n{many}-grid256", tiny(), "train").stat().st_size
    assert size > 30e6
    assert after - before < 8e6, f"{before / 1e6:.0f} MB for {few} samples, {after / 1e6:.0f} MB for {many} of {size / 1e6:.0f} MB"


def test_complete_files_in_a_read_only_folder_are_used(made):
    lock = made / ".lock"
    lock.unlink(missing_ok=True)
    assert make(small(), made.parent.parent) == made
    assert not lock.exists()
