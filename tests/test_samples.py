"""Samples depend on seed, split and index alone; the error floor is the difference it claims."""

import numpy as np
import pytest
from work import small

import opbench
from opbench.data.samples import _relative, draw, error_floor, solve_block
from opbench.samplers.blocks import Blocks
from opbench.samplers.riemann import Riemann


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


def test_of_several_fields_the_floor_of_all_together_weighs_each_by_its_size():
    chosen = small(dataset="euler_smooth_1d")
    found = error_floor(chosen, "test", "cpu")
    parts = [field["relative_l2"]["max"] for field in found["fields"].values()]
    assert len(parts) == 3
    assert min(parts) < found["together"]["relative_l2"]["max"] < max(parts), found
    assert "together" not in error_floor(small(), "test", "cpu")


def test_a_field_that_stays_zero_has_no_error_and_one_of_no_size_no_floor():
    some, none = np.ones((2, 3)), np.zeros((2, 3))
    assert _relative(none, none) == {"relative_l2": {"mean": 0.0, "max": 0.0}}
    assert _relative(some, 2 * some) == {"relative_l2": {"mean": 0.5, "max": 0.5}}
    assert _relative(np.vstack([some, none]), np.vstack([some, none])) == {"relative_l2": {"mean": 0.5, "max": 1.0}}
    assert _relative(some, none) == {}


def test_the_error_floor_is_the_distance_to_a_better_solve():
    coarse = small(grid=17, dataset="darcy_2d")
    floor = error_floor(coarse, "test", "cpu")
    assert floor["points"] == [129, 129]
    assert 1e-4 < floor["fields"]["pressure"]["relative_l2"]["mean"] < 5e-2
