"""Operations are counted by one formula: by hand for products and transforms, for three model families, and for anybody's module."""

import importlib.util
import math
from itertools import pairwise

import pytest
import torch

from opbench.cost.flops import flops
from opbench.find import find
from opbench.grid import Grid
from opbench.model import Channel, OperatorModel, Spec

N, M, W, P = 64, 8, 6, 10  # points, modes, width, hidden channels of the projection
SPEC = Spec((Channel("a"), Channel("b")), tuple(Channel("u", t) for t in (1.0, 2.0, 3.0)), Grid(("x",), (N,), (0.0,), (1.0,), (True,)))
IN, OUT = SPEC.in_channels, SPEC.out_channels


def counted(name: str, **settings) -> int:
    class_ = find("models", name, OperatorModel)
    model = class_(SPEC, class_.Config(**settings))
    coords = torch.linspace(0, 1, N + 1)[:N, None]
    with torch.no_grad():
        return flops(lambda: model(torch.randn(1, IN, N), coords))


def chain(rows: int, *sizes: int) -> int:
    """Affine layers on `rows` vectors."""
    return sum(2 * rows * a * b for a, b in pairwise(sizes))


@pytest.mark.parametrize(("dtype", "each"), [(torch.float32, 2), (torch.complex64, 8)])
def test_a_product_counts_two_operations_a_pair_and_eight_of_complex_numbers(dtype, each):
    a, b, c = torch.ones(3, 4, 5, dtype=dtype), torch.ones(3, 5, 6, dtype=dtype), torch.ones(3, 4, 6, dtype=dtype)
    assert flops(lambda: a @ b) == each * 3 * 4 * 5 * 6
    assert flops(lambda: a[0] @ b[0]) == each * 4 * 5 * 6
    assert flops(lambda: torch.addmm(c[0], a[0], b[0])) == each * 4 * 5 * 6
    assert flops(lambda: torch.baddbmm(c, a, b)) == each * 3 * 4 * 5 * 6
    assert flops(lambda: torch.einsum("bij,bjk->bik", a, b)) == each * 3 * 4 * 5 * 6


def test_a_transform_counts_five_n_log_n_and_half_of_it_from_and_to_real_numbers():
    real, pairs = torch.randn(3, 8, 16), torch.randn(3, 8, 16, dtype=torch.complex64)
    whole = 5 * 3 * 8 * 16 * math.log2(8 * 16)
    assert flops(lambda: torch.fft.fft2(pairs)) == whole
    assert flops(lambda: torch.fft.rfft2(real)) == whole / 2
    assert flops(lambda: torch.fft.irfft2(pairs[..., :9], s=(8, 16))) == pytest.approx(whole / 2)
    assert flops(lambda: torch.fft.fft(pairs, dim=1)) == 5 * 3 * 8 * 16 * math.log2(8)


def test_fast_fno_counts_its_matrix_products():
    layer = chain(N, W, W) + 2 * (2 * M) * N * W + M * 2 * (2 * W) * (2 * W) + 2 * N * (2 * M) * W
    assert counted("fast_fno", modes=M, width=W, layers=2, projection=P) == chain(N, IN + 1, W) + 2 * layer + chain(N, W, P, OUT)


def test_fast_fno_by_transforms_counts_those_instead():
    layer = chain(N, W, W) + M * 2 * (2 * W) * (2 * W) + 2 * W * 2.5 * N * math.log2(N)
    found = counted("fast_fno", modes=M, width=W, layers=2, projection=P, transform="fft")
    assert found == chain(N, IN + 1, W) + 2 * layer + chain(N, W, P, OUT)


def test_fno_counts_transforms_and_complex_products_of_the_librarys_code():
    if importlib.util.find_spec("neuralop") is None:
        pytest.skip("neuraloperator is not installed")
    kept = M + 1  # neuraloperator keeps one more than it says
    layer = 2 * W * 2.5 * N * math.log2(N) + 8 * kept * W * W + chain(N, W, W) + chain(N, W, W // 2, W)
    assert counted("fno", modes=M, width=W, layers=2) == chain(N, IN + 1, 2 * W, W) + 2 * layer + chain(N, W, 2 * W, OUT)


def test_deeponet_counts_branch_and_trunk_and_their_product():
    trunk, branch = chain(N, 4, W, W, P), chain(1, IN * N, W, W, W, OUT * P)
    found = counted("deeponet", features=P, width=W, branch_layers=3, trunk_layers=3)
    assert found == trunk + branch + 2 * OUT * P * N


def test_a_module_of_anybodys_is_counted_and_counts_in_proportion_to_the_batch():
    net = torch.nn.Sequential(torch.nn.Conv1d(2, 5, 3, padding=1), torch.nn.GELU(), torch.nn.Conv1d(5, 3, 1))
    one, four = (flops(lambda size=size: net(torch.randn(size, 2, N))) for size in (1, 4))
    assert one == 2 * N * (2 * 5 * 3 + 5 * 3)
    assert four == 4 * one
