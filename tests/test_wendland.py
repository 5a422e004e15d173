"""Test functions on balls against closed forms."""

import math

import pytest
import torch

from opbench.losses import _wendland as wendland

DIMS = (1, 2, 3)


def radial(dims: int, power: int, slope: bool = False) -> float:
    """The integral over the unit ball of r^power phi, or of r^power phi', by beta functions; exact."""
    k = dims // 2 + 3
    sphere = {1: 2.0, 2: 2 * math.pi, 3: 4 * math.pi}[dims]

    def beta(a: int, b: int) -> float:  # integral of r^a (1 - r)^b
        return math.gamma(a + 1) * math.gamma(b + 1) / math.gamma(a + b + 2)

    p = power + dims - 1
    if slope:
        return -sphere * ((k**3 + 8 * k**2 + 19 * k + 12) * beta(p + 2, k + 1) + (k**2 + 7 * k + 12) * beta(p + 1, k + 1)) / 3
    return sphere * ((k**2 + 4 * k + 3) * beta(p + 2, k + 2) + (3 * k + 6) * beta(p + 1, k + 2) + 3 * beta(p, k + 2)) / 3


@pytest.mark.parametrize("dims", DIMS)
def test_phi_is_one_at_the_centre_and_vanishes_with_its_slope_at_the_edge(dims):
    edge, centre = torch.eye(dims, dtype=torch.float64)[:1], torch.zeros(1, dims, dtype=torch.float64)
    assert float(wendland.phi(centre)) == 1.0
    for outside in (edge, 1.7 * edge):
        assert float(wendland.phi(outside)) == 0.0
        assert float(wendland.gradient(outside).abs().max()) == 0.0


def test_phi_in_two_dimensions_is_wendlands_polynomial():
    r = torch.tensor([0.25, 0.5], dtype=torch.float64)
    expected = (1 - r) ** 6 * (35 * r**2 + 18 * r + 3) / 3  # phi_{3,2}
    torch.testing.assert_close(wendland.phi(torch.stack((r, 0 * r), 1)), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dims", DIMS)
def test_the_gradient_is_that_of_phi(dims):
    x = (0.5 * torch.rand(20, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).requires_grad_()
    (found,) = torch.autograd.grad(wendland.phi(x).sum(), x)
    torch.testing.assert_close(wendland.gradient(x), found, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dims", DIMS)
def test_integrals_over_the_ball_are_exact_with_their_volume(dims):
    places, volumes = wendland.gauss(dims, 3)
    phi, gradient = wendland.phi(places), wendland.gradient(places)
    found = {
        "phi": float(volumes @ phi),
        "r^2 phi": float(volumes @ (phi * places.square().sum(1))),
        "x . grad phi": float(volumes @ (places * gradient).sum(1)),
    }
    expected = {"phi": radial(dims, 0), "r^2 phi": radial(dims, 2), "x . grad phi": radial(dims, 1, slope=True)}
    assert found == pytest.approx(expected, rel=1e-12)
    assert found["x . grad phi"] == pytest.approx(-dims * found["phi"], rel=1e-12)  # by parts
    assert (volumes @ gradient).abs().max() < 1e-14


def test_integrals_of_waves_converge_with_the_nodes():
    """The integral of phi cos(4 x) in two dimensions, by a rule so fine that it is exact, and by a few nodes."""
    fine, few = (
        float(volumes @ (wendland.phi(places) * torch.cos(4 * places[:, 0]))) for places, volumes in (wendland.gauss(2, n) for n in (16, 6))
    )
    coarse = float((lambda places, volumes: volumes @ (wendland.phi(places) * torch.cos(4 * places[:, 0])))(*wendland.gauss(2, 3)))
    assert abs(few - fine) < 1e-8 < abs(coarse - fine) < 0.02 * fine, (fine, few, coarse)


@pytest.mark.parametrize(("nodes", "count"), [(7, 25), (8, 32), (9, 45)])
def test_the_released_rule_has_its_particles(nodes, count):
    places, shares = wendland.mean(2, nodes)
    assert len(places) == count
    assert float(shares.sum()) == pytest.approx(1.0)


def test_centres_fill_every_slice_of_every_axis():
    torch.manual_seed(0)
    points = wendland.latin_hypercube(16, 2)
    for axis in range(2):
        assert sorted((16 * points[:, axis]).floor().int().tolist()) == list(range(16))
