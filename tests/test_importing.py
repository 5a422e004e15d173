"""Another suite's files as a dataset: the recipe says what the files hold, and models are trained and verified on it."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from foreign_files import COUNT, FRAMES, POINTS, waves

import opbench
from opbench.cli import opbench as command
from opbench.data.importing import import_files
from opbench.data.recipe import load_recipe
from opbench.data.task import problem
from opbench.errors import ConfigError, DataError

DATA = Path(__file__).parent / "data"


@pytest.fixture
def recipe(tmp_path):
    return import_files(waves(tmp_path / "1D_Advection_Sols_beta1.0.hdf5"), epochs=2)[0]


def test_the_recipe_says_what_the_file_holds(recipe):
    found = load_recipe(str(recipe))
    assert recipe.name == "1D_Advection_Sols_beta1.0.toml"
    assert found.summary == "PDEBench's 1D_Advection_Sols_beta1.0, beta = 1"
    assert found.times.stored == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert (found.domain.lower, found.domain.upper, found.domain.periodic) == ((0.03125,), (1.03125,), (True,))
    assert {split: found.samples(split) for split in found.splits} == {"train": 24, "valid": 3, "test": 3}
    assert [task.kind for task in found.tasks] == ["step", "trajectory"]


def test_every_kind_of_task_asks_for_its_frames(recipe):
    with h5py.File(recipe.with_suffix(".hdf5")) as file:
        test = torch.from_numpy(file["tensor"][:3])
    step, trajectory = (opbench.load(f"{recipe}/{kind}", "test").samples() for kind in ("step", "trajectory"))
    assert torch.equal(step.given, test[:, :-1].reshape(-1, 1, POINTS))
    assert torch.equal(step.reference, test[:, 1:].reshape(-1, 1, POINTS))
    assert torch.equal(trajectory.given, test[:, :1])
    assert torch.equal(trajectory.reference, test[:, 1:])
    stored = opbench.load(f"{recipe}/step", "test").to_xarray()
    np.testing.assert_array_equal(stored["u"].sel(time=0.2, method="nearest"), test[:, 2])


def test_every_how_manieth_point_and_frame_is_taken(tmp_path):
    path = waves(tmp_path / "waves.hdf5")
    recipe, _ = import_files(path, every=2, every_time=2)
    found = problem(f"{recipe}/trajectory")
    assert found.times == pytest.approx((0.0, 0.2, 0.4))
    assert found.spec.grid.shape == (8,)
    assert found.spec.grid.spacing == pytest.approx((1 / 8,))
    with h5py.File(path) as file:
        expected = torch.from_numpy(file["tensor"][:3, 2::2, ::2])
    assert torch.equal(found.split("test").samples().reference, expected)


def test_a_dataset_of_the_well_keeps_its_splits_and_tells_models_what_varies(tmp_path):
    """Re differs between files, tag between samples; the files have seven and six frames."""
    folder = shutil.copytree(DATA / "thewell_mixed2d", tmp_path / "mixed")
    recipe, left_out = import_files(folder)
    assert left_out == ["forcing: a number that varies in time"]
    found = problem(f"{recipe}/trajectory")
    assert [channel.field for channel in found.spec.inputs][-3:] == ["mask_field", "Re", "tag"]
    assert len(found.spec.outputs) == 7 * 5
    train = found.split("train").samples()
    assert len(train) == 6
    numbers = train.given[:, -2:]
    assert torch.equal(numbers, numbers[:, :, :1, :1].expand_as(numbers))
    assert numbers[:, 0, 0, 0].tolist() == [10, 10, 10, 20, 20, 20]
    with h5py.File(folder / "data" / "train" / "mixed2d_Re_20_train.hdf5") as file:
        assert torch.equal(train.reference[3:, 5:10], torch.from_numpy(file["t1_fields/velocity"][:, 1:6, ..., 0]))


def test_a_single_file_of_the_well_is_split_by_samples(tmp_path):
    path = shutil.copy(DATA / "thewell_mixed2d" / "data" / "train" / "mixed2d_Re_10_train.hdf5", tmp_path / "one.hdf5")
    found = load_recipe(str(import_files(path)[0]))
    assert found.reader == "the_well"
    assert {split: (part.first, part.last) for split, part in ((s, found.parts(s)[0]) for s in found.splits)} == {
        "train": (2, 3),
        "valid": (1, 2),
        "test": (0, 1),
    }
    assert "Re" not in found.given, "one value in all samples"


def test_long_axes_in_float32_are_even(tmp_path):
    """x of 8192 points ends at 8: it is rounded to a fifth of a thousandth of the spacing; a shift by a hundredth is told."""
    path = waves(tmp_path / "long.hdf5", points=8192, samples=3)
    with h5py.File(path, "r+") as file:
        file["x-coordinate"][:] = (np.arange(8192) / 1024).astype(np.float32)
    import_files(path, name="even")
    with h5py.File(path, "r+") as file:
        file["x-coordinate"][5000] += 0.01 / 1024
    with pytest.raises(DataError, match="x is not evenly spaced"):
        import_files(path, name="odd")


def test_opbenchs_own_files_imported_are_the_same_task(tmp_path):
    changes = {"samples": 3, "grid": 16, "root": tmp_path}
    own = {split: opbench.load("advection_1d/step", split, **changes).samples() for split in ("train", "valid", "test")}
    (folder,) = (path for path in (tmp_path / "advection_1d").iterdir() if path.is_dir())
    recipe, _ = import_files(folder, name="imported")
    for split, expected in own.items():
        found = opbench.load(f"{recipe}/step", split).samples()
        assert torch.equal(found.given, expected.given), split
        assert torch.equal(found.reference, expected.reference), split
        torch.testing.assert_close(found.coords, expected.coords)


def test_a_model_is_trained_on_it_from_the_command_line_and_its_record_verified(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    waves(tmp_path / "waves.hdf5")
    runner = CliRunner()
    done = runner.invoke(command, ["import", "waves.hdf5", "--epochs", "3"])
    assert done.output == "written: waves.toml\nnext:    opbench evaluate --model fno --task waves.toml\n"
    options = ["--task", "waves.toml", "--device", "cpu", "--no-cost", "--out", "out"]
    done = runner.invoke(command, ["evaluate", "--model", "linear", *options])
    assert done.exit_code == 0, done.output
    assert "waves/step, full" in done.output
    assert "fed its own output on test" in done.output
    (record,) = Path("out/records/waves").glob("linear-*.json")
    done = runner.invoke(command, ["verify", str(record), "--task", "waves.toml"])
    assert done.exit_code == 0, done.output
    assert "verified: all" in done.output
    assert runner.invoke(command, ["show", "waves.toml", "--out", "pictures"]).exit_code == 0
    assert {path.name for path in Path("pictures").iterdir()} == {"waves.png", "waves.gif"}


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda path: waves(path, samples=2), {}, "has 2 of the samples that it takes to train, to validate and to test"),
        (lambda path: waves(path, times=[0, 0.1, 0.3, 0.4, 0.5]), {}, "time is not evenly spaced and increasing"),
        (lambda path: waves(path, points=3), {}, "x has 3 points of those that are taken; a task needs 4 or more"),
        (waves, {"every": 3}, "x has 16 points and is periodic; take a divisor of that for --every, got 3"),
        (waves, {"every": 8}, "x has 2 points of those that are taken"),
        (waves, {"every_time": 5}, "every_time: 5 frames hold no two that are 5 apart; take a smaller one"),
        (waves, {"reader": "pdebnch"}, "unknown reader 'pdebnch'; did you mean 'pdebench'?"),
        (waves, {"reader": "tensors"}, "its format does not say what the arrays are; write a recipe"),
        (waves, {"name": "index"}, "is the leaderboards' own page"),
        (lambda path: path.mkdir(), {}, "no HDF5 files in data/train; give the folder that holds"),
        (lambda path: None, {}, "no such file or folder; give a file of PDEBench's"),
    ],
)
def test_what_cannot_be_a_dataset_is_told_in_a_line_and_leaves_no_recipe(make, options, message, tmp_path):
    make(tmp_path / "waves.hdf5")
    with pytest.raises(opbench.OpbenchError, match=message) as told:
        import_files(tmp_path / "waves.hdf5", **options)
    assert "\n" not in str(told.value)
    assert not list(tmp_path.rglob("*.toml"))


def test_a_recipe_is_not_overwritten(recipe):
    before = recipe.read_text()
    with pytest.raises(ConfigError, match="exists already; remove it, or give another --name"):
        import_files(recipe.with_suffix(".hdf5"))
    assert recipe.read_text() == before


def test_a_file_that_changed_is_refused(recipe):
    with h5py.File(recipe.with_suffix(".hdf5"), "r+") as file:
        file["tensor"][0, 0, 0] += 1
    with pytest.raises(DataError, match=r"is not the file that 1D_Advection_Sols_beta1\.0 was made for"):
        opbench.load(str(recipe), "test")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frames = 5", "frames = 6", "'tensor' is (24, 5, 16); 1D_Advection_Sols_beta1.0 expects (24, 6, 16)"),
        ("last = 30", "last = 31", "'tensor' is (24, 5, 16); 1D_Advection_Sols_beta1.0 expects (25, 5, 16)"),
        ('u = "tensor"', 'u = "tensr"', "no array 'tensr'; its own are t-coordinate, tensor, x-coordinate"),
        ('reader = "pdebench"', 'reader = "pdebnch"', "unknown reader 'pdebnch'; did you mean 'pdebench'?"),
        ('kind = "step"', 'kind = "static"', "tasks: 'static' does not fit data with times"),
        ("first = 0.0, last = 0.4", "first = 0.4, last = 0.4", "times: first must be below last"),
        ("first = 3\nlast = 6", "first = 5\nlast = 7", "train and valid share samples"),
        ("points = [16]", "points = [16, 16]", "points must be one grid of 1 axes"),
        ('u = "tensor" }', 'u = "tensor" }\ngiven = { u = "tensor" }', "given.u: is asked too"),
        ('u = "tensor" }', 'u = "tensor" }\ngiven = { v = "tensor" }', "given: tensor is asked too"),
        ('u = "tensor"', 'time = "tensor"', "'time' names a dimension of the arrays; give another name"),
        ('axes = ["x"]', 'axes = ["sample"]', "'sample' names a dimension of the arrays; give another name"),
        ("upper = [1.03125]", "upper = [0.0]", "domain: grid: axis x needs 2 points or more and lower < upper"),
        ('kind = "trajectory"', 'kind = "step"', "tasks: 'step' is declared more than once"),
    ],
)
def test_a_recipe_that_does_not_fit_its_file_is_told(recipe, old, new, message):
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new, 1))
    with pytest.raises(opbench.OpbenchError) as told:
        opbench.load(str(recipe), "train")
    assert message in str(told.value)


def well(path, times=(0.0, 0.1, 0.2), x=8, periodic=True, numbers=(("Re", 1.0),), constants=(), seed=0, as_text=str, name="u"):
    """A file of The Well with one field on one axis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    length = x if isinstance(x, int) else len(x)
    with h5py.File(path, "w") as file:
        file.attrs.update({"dataset_name": as_text("toy"), "n_trajectories": 4})
        file.create_group("dimensions").attrs["spatial_dims"] = [as_text("x")]
        file["dimensions/time"], file["dimensions/x"] = np.float32(times), np.arange(x) / x if isinstance(x, int) else np.asarray(x)
        fields = file.create_group("t0_fields")
        fields.attrs["field_names"] = [as_text(name), *constants]
        values = np.random.default_rng(seed).standard_normal((4, len(times), length))
        for key, array, evolves in ((name, values, True), *((key, values[:, 0], False) for key in constants)):
            fields[key] = array
            fields[key].attrs.update({"sample_varying": True, "time_varying": evolves, "dim_varying": [True]})
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = [key for key, _ in numbers]
        for key, value in numbers:
            scalars[key] = value
            scalars[key].attrs.update({"sample_varying": False, "time_varying": False})
        end = file.create_group("boundary_conditions/x")
        end.attrs.update({"bc_type": as_text("PERIODIC" if periodic else "WALL"), "associated_dims": [as_text("x")]})
    return path


def folder_of(place, **of_test):
    for seed, split in enumerate(("train", "valid", "test")):
        well(place / "data" / split / "f.h5", seed=seed, **(of_test if split == "test" else {}))
    return place


@pytest.mark.parametrize(
    ("of_test", "message"),
    [
        ({"times": (0.0, 0.2, 0.4)}, "its time is not that of"),
        ({"times": (1.0, 1.1, 1.2)}, "its time is not that of"),
        ({"x": np.arange(8) / 4}, "its x is not that of"),
        ({"x": 12}, "its x is not that of"),
        ({"periodic": False}, "its boundary are not those of"),
        ({"numbers": ()}, "its numbers are not those of"),
        ({"constants": ("k",)}, "its fields are not those of"),
        ({"name": "v"}, "its fields are not those of"),
    ],
)
def test_files_of_unlike_grids_or_fields_are_no_dataset(of_test, message, tmp_path):
    """One recipe would claim the first one's of all."""
    with pytest.raises(DataError, match=message):
        import_files(folder_of(tmp_path / "toy", **of_test))
    assert import_files(folder_of(tmp_path / "other", times=(0.0, 0.1)))[0].is_file(), "fewer frames are left out"


def test_attributes_may_be_bytes_and_names_hold_any_sign(tmp_path):
    path = well(tmp_path / "toy.h5", as_text=lambda words: np.bytes_(words.encode()), name='a "b" c.d')
    found = load_recipe(str(import_files(path)[0]))
    assert (found.domain.periodic, found.summary) == ((True,), "The Well's toy, Re = 1")
    assert len(opbench.load(str(tmp_path / "toy.toml"), "train")) == 2 * 2


def test_fields_that_would_have_one_name_are_told(tmp_path):
    with pytest.raises(DataError, match="two of its fields would be called k; rename one"):
        import_files(well(tmp_path / "toy.h5", numbers=(("k", 1.0),), constants=("k",)))


def test_what_lies_in_another_file_is_not_read(tmp_path):
    """No checksum of the file would tell that it changed, and a recipe could draw in any file of the machine."""
    waves(tmp_path / "waves.hdf5")
    (tmp_path / "other").mkdir()
    outside = waves(tmp_path / "other" / "secret.hdf5")
    layout = h5py.VirtualLayout((COUNT, FRAMES, POINTS), "f4")
    layout[:] = h5py.VirtualSource(outside, "tensor", (COUNT, FRAMES, POINTS))
    for kind in ("link", "virtual", "raw"):
        path = shutil.copy(tmp_path / "waves.hdf5", tmp_path / f"{kind}.hdf5")
        with h5py.File(path, "r+") as file:
            del file["tensor"]
            if kind == "link":
                file["tensor"] = h5py.ExternalLink("other/secret.hdf5", "tensor")
            elif kind == "virtual":
                file.create_virtual_dataset("tensor", layout)
            else:
                file.create_dataset("tensor", (COUNT, FRAMES, POINTS), "u1", external=[(str(outside), 0, COUNT * FRAMES * POINTS)])
        with pytest.raises(DataError, match="tensor lies in another file"):
            import_files(path)


@pytest.mark.parametrize("size", ["[9e9999, 1]", "[[1, 2], [3, 4]]", "[1]", "*a"])
def test_a_hostile_configuration_is_told(size, tmp_path):
    """Nests of aliases grow without end where they are multiplied."""
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with h5py.File(tmp_path / "flow.h5", "w") as file:
        file["velocity"], file["t"] = np.zeros((4, 3, 8, 8, 2), "f4"), np.tile(np.arange(3), (4, 1))
        file.attrs["config"] = f"{bomb}domain_size: {size if size != '*a' else '*i'}\n"
    with pytest.raises(DataError) as told:
        import_files(tmp_path / "flow.h5")
    assert len(str(told.value)) < 500


def test_what_import_cannot_read_leaves_no_recipe(tmp_path):
    """One sample of each file is read before the recipe is written."""
    waves(tmp_path / "waves.hdf5")
    with h5py.File(tmp_path / "waves.hdf5", "r+") as file:
        file["tensor"][0, 0, 0] = np.inf
    with pytest.raises(DataError, match="not finite"):
        import_files(tmp_path / "waves.hdf5")
    assert not list(tmp_path.glob("*.toml"))


def test_long_names_are_cut_and_a_name_that_cannot_be_is_told_first(tmp_path):
    path = waves(tmp_path / "2D_CFD_Rand_M1.0_Eta1e-08_Zeta1e-08_periodic_512_Train.hdf5")
    assert import_files(path)[0].name == "2D_CFD_Rand_M1.0_Eta1e-08_Zeta1e-08_periodic_512_T.toml"
    for name in ("a b/c", "../x", "index", ""):
        with pytest.raises(ConfigError, match="give another --name"):
            import_files(path, name=name)


def test_a_recipe_may_lie_elsewhere(tmp_path):
    for folder in ("data", "mine"):
        (tmp_path / folder).mkdir()
    path = waves(tmp_path / "data" / "waves.hdf5")
    recipe, _ = import_files(path, out=tmp_path / "mine")
    assert recipe == tmp_path / "mine" / "waves.toml"
    assert len(opbench.load(str(recipe), "test")) == 3 * (FRAMES - 1)


def test_a_split_larger_than_the_machine_is_refused_before_it_is_read(recipe, monkeypatch):
    monkeypatch.setattr("opbench.data.task.total_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"train takes 0\.0 GB while it is read.*take fewer samples, points \(every\) or frames"):
        opbench.load(str(recipe), "train")


def test_one_file_is_hashed_once(recipe, monkeypatch):
    hashed = []
    monkeypatch.setattr("opbench.data.task.sha256", lambda path: hashed.append(path) or load_recipe(str(recipe)).sha256("train"))
    for split in ("train", "valid", "test", "train"):
        opbench.load(str(recipe), split)
    assert len(hashed) == 1


def test_the_order_of_channels_is_part_of_the_datas_fingerprint(tmp_path):
    well(tmp_path / "two.h5", constants=("k", "l"))
    recipe, _ = import_files(tmp_path / "two.h5")
    one = load_recipe(str(recipe)).fingerprint
    text = recipe.read_text()
    k, other = 'k = "t0_fields/k"', 'l = "t0_fields/l"'
    recipe.write_text(text.replace(f"{k}, {other}", f"{other}, {k}"))
    assert recipe.read_text() != text
    assert load_recipe(str(recipe)).fingerprint != one
