"""The file beside a record: the right samples, curves that are what they say, and nothing that a damaged or hostile file could do."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as tensors_to_bytes

from opbench import checkpoint
from opbench.errors import DataError
from opbench.evaluation.specimens import ARRAYS, FRAMES, LARGEST, SUFFIX, Specimens, beside, make, read, write
from opbench.grid import Grid
from opbench.metrics import relative_l2
from opbench.model import Channel, Samples, Spec, coordinates
from opbench.records.record import Record, Trained
from opbench.records.shelf import save as save_record
from records import record

TIMES = tuple(0.1 * k for k in range(1, 9))


def line(points: int = 32, periodic: bool = True) -> Grid:
    return Grid(("x",), (points,), (0.0,), (2.0,), (periodic,))


def square(*shape: int, periodic: bool = False) -> Grid:
    dims = len(shape)
    return Grid(("x", "y", "z")[:dims], shape, (0.0,) * dims, (1.0,) * dims, (periodic,) * dims)


def run(grid: Grid, fields: int = 1, times: tuple = (None,), count: int = 7, seed: int = 0) -> tuple[Record, Spec, Samples, torch.Tensor]:
    """A made-up test split whose i-th sample is predicted with errors of some size, and its record."""
    generator = torch.Generator().manual_seed(seed)
    names = [f"field_{i}" for i in range(fields)]
    spec = Spec((Channel("coefficient"),), tuple(Channel(name, time) for name in names for time in times), grid)
    given = torch.randn(count, 1, *grid.shape, generator=generator)
    reference = torch.randn(count, spec.out_channels, *grid.shape, generator=generator)
    sizes = torch.randperm(count, generator=generator).add(1).reshape(-1, *[1] * (grid.dims + 1)) / 10
    prediction = reference + sizes * torch.randn(reference.shape, generator=generator)
    return recorded(prediction, reference), spec, Samples(given, reference, coordinates(grid)), prediction


def recorded(prediction: torch.Tensor, reference: torch.Tensor) -> Record:
    errors = [error if math.isfinite(error) else None for error in relative_l2(prediction, reference).tolist()]
    mean = None if None in errors else math.fsum(errors) / len(errors)
    return record(scores={"test": {"relative_l2": mean}}, per_sample={"test": {"relative_l2": errors}})


def test_best_median_and_worst_are_kept_as_they_are():
    about, spec, samples, prediction = run(line(), times=TIMES)
    found = make(about, spec, samples, prediction)
    errors = about.per_sample["test"]["relative_l2"]
    assert list(found.about.indices) == [errors.index(sorted(errors)[k]) for k in (0, 3, 6)]
    assert found.errors == pytest.approx(sorted(errors)[::3])
    frames = [TIMES.index(time) for time in found.about.times]
    assert len(frames) == FRAMES
    assert frames[-1] == len(TIMES) - 1
    for k, i in enumerate(found.about.indices):
        assert np.array_equal(found.given[k], samples.given[i])
        assert np.array_equal(found.prediction[k, 0], prediction[i, frames])
        assert np.array_equal(found.reference[k, 0], samples.reference[i, frames])


def test_a_sample_that_is_not_finite_is_the_worst():
    _, spec, samples, prediction = run(line())
    prediction[2] = float("nan")
    found = make(recorded(prediction, samples.reference), spec, samples, prediction)
    assert found.about.indices[2] == 2
    assert np.isnan(found.prediction[2]).all()
    assert np.isfinite(found.prediction[:2]).all()


def test_a_prediction_as_large_as_numbers_go_is_kept_without_a_warning():
    _, spec, samples, prediction = run(line(), times=TIMES)
    prediction[1:] *= 1e38
    found = make(recorded(prediction, samples.reference), spec, samples, prediction)
    assert np.isinf(found.spectra[0]).any()
    assert np.isfinite(found.errors[0])


def test_error_against_time_is_that_of_each_time_alone():
    about, spec, samples, prediction = run(square(8, 9), fields=2, times=TIMES)
    found = make(about, spec, samples, prediction)
    for k in range(len(TIMES)):
        direct = relative_l2(prediction[:, [k, k + len(TIMES)]], samples.reference[:, [k, k + len(TIMES)]]).mean()
        assert found.growth[k] == pytest.approx(float(direct), rel=1e-6)
    assert len(make(*run(line())).growth) == 0


def test_a_spectrum_is_the_energy_of_each_wave_and_sums_to_the_mean_square():
    grid, waves = line(64), {1: 3.0, 5: 0.5}
    x = torch.as_tensor(grid.coordinates()[0], dtype=torch.float32) / 2
    reference = sum(size * torch.sin(2 * math.pi * k * x) for k, size in waves.items()).expand(3, 1, -1)
    _, spec, samples, _ = run(grid, count=3)
    prediction = 1.1 * reference + 0.25
    found = make(recorded(prediction, reference), spec, Samples(samples.given, reference, samples.coords), prediction)
    told, asked, error = found.spectra[:, 0]
    for k, size in waves.items():
        assert asked[k] == pytest.approx(size**2 / 2, rel=1e-5)
        assert told[k] == pytest.approx(1.21 * size**2 / 2, rel=1e-5)
        assert error[k] == pytest.approx(0.01 * size**2 / 2, rel=1e-4)
    assert error[0] == pytest.approx(0.25**2, rel=1e-5)
    _, spec, samples, prediction = run(square(8, 8, periodic=True), fields=2, times=TIMES)
    spectra = make(recorded(prediction, samples.reference), spec, samples, prediction).spectra
    for field, channels in enumerate((slice(8), slice(8, 16))):
        mean_square = (prediction - samples.reference)[:, channels].square().mean()
        assert spectra[2, field].sum() == pytest.approx(float(mean_square), rel=1e-5)


@pytest.mark.parametrize(
    ("grid", "fields", "times"),
    [(line(1024), 4, TIMES), (square(129, 129), 3, TIMES), (square(128, 96, periodic=True), 1, TIMES), (square(20, 20, 20), 1, (None,))],
    ids=["line", "nodes", "periodic", "three axes"],
)
def test_a_file_is_small_and_says_where_its_points_lie(tmp_path, grid, fields, times):
    about, spec, samples, prediction = run(grid, fields, times, count=3)
    x = torch.as_tensor(np.stack(grid.mesh()), dtype=torch.float32)
    samples = Samples(x[:1].expand(3, *x[:1].shape).contiguous(), samples.reference, samples.coords)
    path = tmp_path / f"file{SUFFIX}"
    write(path, make(about, spec, samples, prediction))
    found = read(path)
    assert path.stat().st_size <= 256 << 10
    assert found.grid.dims == min(grid.dims, 2)
    kept = np.broadcast_to(found.grid.mesh()[0], found.given[0, 0].shape)
    assert found.given[0, 0] == pytest.approx(kept)
    assert found.about.stride == 1 or found.given[0, 0].size < grid.shape[0] ** grid.dims


def some() -> Specimens:
    return make(*run(square(6, 5), fields=2, times=TIMES))


def test_a_file_is_read_as_it_was_written_and_found_beside_its_own_run_only(tmp_path):
    about, *rest = run(square(6, 5), fields=2, times=TIMES)
    specimens = make(about, *rest)
    later = about.model_copy(update={"date": "2027-01-01T00:00:00+00:00"})
    write(save_record(about, tmp_path).with_suffix(SUFFIX), specimens)
    path = save_record(later, tmp_path).with_suffix(SUFFIX)
    assert path.stem.endswith("-2")
    assert beside(later, tmp_path) is None
    write(path, make(later, *rest))
    for one in (about, later):
        found = beside(one, tmp_path / "elsewhere", tmp_path)
        assert found is not None
        assert found.about.date == one.date
        for name in ARRAYS:
            assert np.array_equal(getattr(found, name), getattr(specimens, name)), name


def test_a_run_that_was_scored_anew_keeps_what_lies_beside_its_training(tmp_path):
    about, *rest = run(square(6, 5), fields=2, times=TIMES)
    write(save_record(about, tmp_path).with_suffix(SUFFIX), make(about, *rest))
    trained = Trained(**{name: getattr(about, name) for name in Trained.model_fields})
    anew = about.model_copy(update={"date": "2027-01-01T00:00:00+00:00", "trained": trained})
    found = beside(anew, tmp_path)
    assert found is not None
    assert found.about.date == about.date
    assert make(anew, *rest).about == found.about


def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        write(tmp_path / f"file{SUFFIX}", some())
    assert not list(tmp_path.iterdir())


def changed(path, change) -> None:
    """The file again with its tensors and its description changed."""
    tensors, content = checkpoint.read(path)
    change(tensors, content)
    path.write_bytes(tensors_to_bytes(tensors, {"opbench": json.dumps(content)}))


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, content: tensors.pop("spectra"),
        lambda tensors, content: tensors.update(more=torch.zeros(2)),
        lambda tensors, content: tensors.update(given=tensors["given"].double()),
        lambda tensors, content: tensors.update(given=tensors["given"][..., :1].contiguous()),
        lambda tensors, content: tensors.update(given=torch.zeros(3)),
        lambda tensors, content: tensors.update(spectra=torch.zeros(())),
        lambda tensors, content: tensors.update(growth=tensors["growth"][:-1].clone()),
        lambda tensors, content: content.update(fields=["one"]),
        lambda tensors, content: content.update(axes=["x"]),
        lambda tensors, content: content.update(axes=["x", "x"]),
        lambda tensors, content: content.update(upper=[0.0, 0.0]),
        lambda tensors, content: content.update(upper=[float("inf"), 1.0]),
        lambda tensors, content: content.update(times=[0.1]),
        lambda tensors, content: content.update(indices=[0, 1]),
        lambda tensors, content: content.update(more=1),
        lambda tensors, content: content.clear(),
    ],
)
def test_a_file_that_is_not_of_one_piece_is_refused_in_one_line(tmp_path, change):
    path = tmp_path / f"file{SUFFIX}"
    write(path, some())
    changed(path, change)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"{}", bytes(LARGEST + 1)], ids=["empty", "noise", "json", "large"])
def test_what_is_no_such_file_is_refused(tmp_path, content):
    path = tmp_path / f"file{SUFFIX}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="file"):
        read(path)


def test_a_description_nested_without_end_is_refused(tmp_path):
    path = tmp_path / f"file{SUFFIX}"
    path.write_bytes(tensors_to_bytes({"given": torch.zeros(1)}, {"opbench": "[" * 200_000}))
    with pytest.raises(DataError):
        read(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(end=st.integers(0, 10**6), place=st.integers(0, 10**6), value=st.integers(0, 255))
def test_a_truncated_or_altered_file_is_read_or_refused(tmp_path, end, place, value):
    path = tmp_path / f"file{SUFFIX}"
    write(path, some())
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[: end % len(whole)])
    with pytest.raises(DataError):
        read(path)
    whole[place % min(len(whole), 2000)] = value
    path.write_bytes(whole)
    try:
        read(path)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017
