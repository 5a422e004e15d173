"""A ladder is climbed on tiny problems: errors are a model's, seconds are there, and every kind of task and equation has one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from opbench.cost import climb, timing
from opbench.cost.climb import Course, generation_seconds
from opbench.data.task import StoredSplit, problem
from opbench.metrics import relative_l2

TINY = (Path(__file__).parent / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("climb")
    (folder / "tiny.toml").write_text(TINY)
    fixed = TINY.replace('sampler = "uniform"\nlow = 0.02\nhigh = 0.05', 'sampler = "constant"\nvalue = 0.05')
    fixed = fixed.replace('name = "tiny"', 'name = "fixed"').replace("[ood.viscosity]", "[ood.velocity]")
    fixed = fixed.replace(
        'sampler = "uniform"\nlow = 0.01\nhigh = 0.02', 'sampler = "gaussian_field"\namplitude = 30.0\ntau = 5.0\nalpha = 2.0\nmodes = 8'
    )
    (folder / "fixed.toml").write_text(fixed)
    return folder


@pytest.fixture(autouse=True)
def few_calls(monkeypatch):
    for name, value in {"SECONDS": 0.0, "WINDOW": 0.0, "FEWEST": 2}.items():
        monkeypatch.setattr(timing, name, value)
    for name, value in {"PARTS": (1 / 4, 1 / 2, 1), "TOLERANCES": (1e-1, 1e-3), "BATCHES": (4,), "ALONE": 2}.items():
        monkeypatch.setattr(climb, name, value)


def splits(home: Path, task: str, **changes) -> tuple:
    chosen = problem(task if "/" not in task and not task.endswith(".toml") else f"{home}/{task}", **changes)
    found = {name: chosen.split(name, home / "data") for name in ("train", "valid", "test")}
    assert all(isinstance(split, StoredSplit) for split in found.values())
    return chosen, found


@pytest.mark.parametrize("task", ["tiny.toml", "tiny.toml/step", "fixed.toml"])
def test_a_ladder_leads_to_small_errors_and_holds_what_a_record_is_matched_with(home, task):
    chosen, found = splits(home, task)
    made = climb.climb(chosen, found, "cpu")
    assert (made.task, made.data_fingerprint, made.scale) == (chosen.name, chosen.data_fingerprint, "mini")
    assert made.samples == min(climb.SAMPLES, len(found["test"]))
    errors = [rung.error for rung in made.rungs]
    assert min(errors) < 1e-2, errors
    assert max(errors) > 10 * min(errors), errors  # which rungs are dropped depends on their seconds
    assert all(rung.alone.median > 0 and rung.batched.median > 0 for rung in made.rungs)
    assert made.generation_seconds > 0
    assert type(made).model_validate_json(made.model_dump_json()) == made


def test_a_rungs_error_is_that_of_its_answer_by_the_metric_of_models(home):
    chosen, found = splits(home, "fixed.toml")
    course = Course(chosen, found["test"], "cpu")
    grid = course.grids()[-1]
    (spectral,) = [method for method in course.methods() if method.scheme == "spectral"]
    attempt = climb.Attempt(course, course.start(grid), spectral, 1e-3)
    attempt.try_out()
    samples = found["test"].samples()
    _, prediction = attempt.run(attempt.posed(len(samples)))
    assert prediction.shape == samples.reference.shape
    assert attempt.error == pytest.approx(float(relative_l2(prediction, samples.reference).mean()), rel=1e-12)
    assert attempt.own_error == pytest.approx(attempt.error)  # the grid is the task's: nothing is interpolated


def test_what_is_prepared_once_changes_no_answer(home):
    chosen, found = splits(home, "fixed.toml")
    course = Course(chosen, found["test"], "cpu")
    grid = course.grids()[0]
    attempt = climb.Attempt(course, course.start(grid), course.methods()[0], 1e-3)
    attempt.try_out()
    assert attempt.system is not None
    _, prepared = attempt.run(attempt.posed(4))
    attempt.system = None
    assert torch.equal(attempt.run(attempt.posed(4))[1], prepared)


def test_coefficients_that_differ_between_samples_are_not_prepared(home):
    chosen, found = splits(home, "tiny.toml")
    course = Course(chosen, found["test"], "cpu")
    grid = course.grids()[0]
    attempt = climb.Attempt(course, course.start(grid), course.methods()[0], 1e-1)
    attempt.try_out()
    assert attempt.system is None


def test_batches_repeat_the_samples_in_their_order(home):
    chosen, found = splits(home, "tiny.toml")
    course = Course(chosen, found["test"], "cpu")
    posed = course.pose(course.grid, 6)
    assert posed.initial is not None
    assert torch.equal(posed.initial[:, 4:], posed.initial[:, :2])
    given = torch.stack([sample for sample, _ in found["test"].__getitems__(list(range(4)))])
    assert (posed.initial[0, :4] - given[:, 0]).abs().max() < 1e-6


def test_a_step_tasks_solver_starts_from_the_very_states_that_a_model_is_given(home):
    chosen, found = splits(home, "tiny.toml/step")
    course = Course(chosen, found["test"], "cpu")
    given = torch.stack([sample for sample, _ in found["test"].__getitems__(course.items)])
    inputs = course.inputs(course.grid)
    assert np.abs(inputs["velocity"] - given[:, 0].numpy()).max() < 1e-7
    assert np.abs(inputs["viscosity"].ravel() - given[:, 1, 0].numpy()).max() < 1e-7
    assert course.times == (0.0, 0.25)


def test_grids_are_coarser_than_the_datas_own(home):
    chosen, found = splits(home, "tiny.toml")
    course = Course(chosen, found["test"], "cpu")
    assert [grid.shape for grid in course.grids()] == [(8,), (16,), (32,)]
    assert chosen.plan.solve_grid.shape == (64,)


def test_steady_problems_climb_by_multigrid_and_by_sparse_factors(home):
    chosen, found = splits(home, "darcy_2d", samples=4)
    made = climb.climb(chosen, found, "cpu")
    names = {rung.name.split(",")[0] for rung in made.rungs}
    assert names <= {"order 2", "order 2 by sparse LU"}
    assert {method.scheme for method in Course(chosen, found["test"], "cpu").methods()} == {"finite_difference", "sparse_lu"}
    assert made.interpolation == "cubic splines"
    assert 0.002 < min(rung.error for rung in made.rungs) < 0.03


def test_generation_is_counted_by_the_steps_that_the_files_record(home, monkeypatch):
    chosen, found = splits(home, "tiny.toml")
    steps = [step for name in ("train", "valid") for step in found[name].stored.header.provenance["steps"]]
    monkeypatch.setattr(climb, "rough", lambda work, device: 2.0)
    seconds, words = generation_seconds(chosen, found, "cpu")
    assert seconds == pytest.approx(2.0 * sum(steps) / steps[0])
    assert "by the time steps" in words


def test_tolerances_that_give_one_answer_are_one_rung_and_do_not_end_the_climb(home, monkeypatch):
    chosen, found = splits(home, "fixed.toml")
    honest, tolerances = climb.Attempt.try_out, (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)

    def bounded(self):  # as if stored times were as close as steps of 1e-3 would be
        told, self.tolerance = self.tolerance, min(self.tolerance, 1e-3)
        honest(self)
        self.tolerance = told

    monkeypatch.setattr(climb, "TOLERANCES", tolerances)
    monkeypatch.setattr(climb, "PARTS", (1,))
    monkeypatch.setattr(climb.Attempt, "try_out", bounded)
    tries, _ = climb._tries(Course(chosen, found["test"], "cpu"), None)
    by_method = {method: [attempt.tolerance for attempt in tries if attempt.method == method] for method in {t.method for t in tries}}
    assert all(found[0] == 1e-1 and not {1e-2, 1e-3} & set(found) for found in by_method.values()), by_method
    assert [1e-1, 1e-4, 1e-5] in by_method.values()


def test_a_rung_that_cannot_be_solved_is_left_out_with_its_reason(home, monkeypatch):
    from opbench.errors import SolverError

    chosen, found = splits(home, "fixed.toml")
    honest = climb.Attempt.try_out

    def fails(self):
        if self.method.scheme == "spectral":
            raise SolverError("unstable")
        honest(self)

    monkeypatch.setattr(climb.Attempt, "try_out", fails)
    made = climb.climb(chosen, found, "cpu")
    assert {rung.scheme for rung in made.rungs} == {"finite_difference"}
    assert set(made.left_out.values()) == {"unstable"}
    assert len(made.left_out) == 3 * 2
    assert json.loads(made.model_dump_json())["left_out"]
