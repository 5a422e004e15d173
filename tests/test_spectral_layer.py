"""The spectral layer: both transforms are one function, and that function is the paper's on odd and even grids alike."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.models._spectral import Lifting, SpectralConv, check_modes, default_modes, dft_matrices, resolve_modes, resolve_transform

SHAPES = [(16,), (15,), (15, 15), (16, 16), (17, 16), (15, 16), (6, 7, 8), (7, 6, 5)]
TRANSFORMS = ["gemm", "fft"]


def twins(modes, channels=(3, 2), dtype=torch.float32):
    """One layer with each transform, same weights."""
    torch.manual_seed(0)
    gemm = SpectralConv(*channels, modes, "gemm").to(dtype)
    fft = SpectralConv(*channels, modes, "fft").to(dtype)
    fft.load_state_dict(gemm.state_dict())
    return gemm, fft


def set_weight(layer, value):
    with torch.no_grad():
        layer.weight.copy_(value)


def identity(modes, channels, transform):
    layer = SpectralConv(channels, channels, modes, transform).double()
    set_weight(layer, torch.stack([torch.eye(channels), torch.zeros(channels, channels)], -1).expand_as(layer.weight))
    return layer


def band_limited(shape, limit, channels=2, samples=3, seed=0):
    """One random trigonometric polynomial of frequencies |k| < limit, on any grid; (samples, *shape, channels)."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.zeros(samples, *shape, channels, dtype=torch.float64)
    position = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) / n for n in shape), indexing="ij")
    for k in itertools.product(range(1 - limit, limit), repeat=len(shape)):
        angle = 2 * torch.pi * sum(frequency * x for frequency, x in zip(k, position, strict=True))
        a, b = torch.randn(2, samples, *([1] * len(shape)), channels, generator=generator, dtype=torch.float64)
        z += a * angle.cos()[..., None] + b * angle.sin()[..., None]
    return z


def paper_convolution(z, weight, modes):
    """The layer as in the authors' released code: channels first, rfftn, one corner after the other, irfftn."""
    shape, axes = z.shape[1:-1], tuple(range(2, z.ndim))
    spectrum = torch.fft.rfftn(z.movedim(-1, 1), dim=axes)
    kept = [2 * m for m in modes[:-1]] + [modes[-1]]
    weight = torch.view_as_complex(weight).reshape(*kept, *weight.shape[1:3])
    out = torch.zeros(len(z), weight.shape[-1], *spectrum.shape[2:], dtype=spectrum.dtype)
    for corner in itertools.product(*([slice(0, m), slice(-m, None)] for m in modes[:-1])):
        place = (*corner, slice(0, modes[-1]))
        out[(..., *place)] = torch.einsum("bi...,...io->bo...", spectrum[(..., *place)], weight[place])
    return torch.fft.irfftn(out, s=shape, dim=axes).movedim(1, -1)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_layer_is_the_papers_convolution(shape, transform):
    modes = tuple(n // 2 - 1 for n in shape)
    layer = twins(modes, dtype=torch.float64)[TRANSFORMS.index(transform)]
    z = torch.randn(2, *shape, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(z), paper_convolution(z, layer.weight, modes), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_transforms_agree_in_values_and_gradients(shape, dtype, tolerance):
    results = []
    for layer in twins(tuple(n // 2 for n in shape), dtype=dtype):
        torch.manual_seed(1)
        z = torch.randn(2, *shape, 3, dtype=dtype, requires_grad=True)
        out = layer(z)
        out.backward(torch.randn(2, *shape, 2, dtype=dtype))
        results.append((out, z.grad, layer.weight.grad))
    for gemm, fft in zip(*results, strict=True):
        assert ((gemm - fft).norm() / fft.norm()).item() <= tolerance


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_identity_weights_return_a_band_limited_field_on_odd_and_even_sizes(shape, transform):
    limit = min(n // 2 for n in shape)
    z = band_limited(shape, limit)
    error = (identity((limit,) * len(shape), 2, transform)(z) - z).abs().max().item() / z.abs().max().item()
    assert error <= 1e-12


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("shape", [(16,), (16, 16), (8, 8, 8)])
def test_the_nyquist_frequency_passes_on_leading_axes_and_is_dropped_on_the_last(shape, transform):
    alternating = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(shape[0] // 2)
    layer = identity(tuple(n // 2 for n in shape), 1, transform)
    for axis in range(len(shape)):
        z = alternating.reshape([-1 if other == axis else 1 for other in range(len(shape))]).expand(shape)[None, ..., None].contiguous()
        expected = z if axis < len(shape) - 1 else torch.zeros_like(z)
        torch.testing.assert_close(layer(z), expected, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(4, 9), min_size=1, max_size=3),
    shift=st.tuples(*[st.integers(-9, 9)] * 3),
    transform=st.sampled_from(TRANSFORMS),
    seed=st.integers(0, 99),
)
def test_a_shifted_field_gives_the_shifted_result(shape, shift, transform, seed):
    torch.manual_seed(seed)
    layer = SpectralConv(2, 3, tuple(n // 2 for n in shape), transform).double()
    z = torch.randn(2, *shape, 2, dtype=torch.float64)
    axes = tuple(range(1, len(shape) + 1))
    shifted = layer(torch.roll(z, shift[: len(shape)], axes))
    torch.testing.assert_close(shifted, torch.roll(layer(z), shift[: len(shape)], axes), rtol=0, atol=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(("coarse", "fine"), [((9,), (18,)), ((8,), (9,)), ((8, 9), (16, 27)), ((9, 8), (10, 9)), ((6, 7, 6), (7, 6, 9))])
def test_the_layer_is_one_function_at_every_resolution(coarse, fine, transform):
    torch.manual_seed(0)
    modes = (min(coarse) // 2,) * len(coarse)
    layer = SpectralConv(2, 2, modes, transform).double()
    results = [layer(band_limited(shape, modes[0])) for shape in (coarse, fine)]
    spectra = [torch.fft.fftn(r, dim=tuple(range(1, r.ndim - 1)), norm="forward") for r in results]
    for axis, m in enumerate(modes, start=1):  # exp(-i m x) is kept too, but its conjugate has no bin of its own on an even coarse grid
        keep = [torch.cat([torch.arange(m), torch.arange(1 - m, 0) + s.shape[axis]]) for s in spectra]
        spectra = [s.index_select(axis, index) for s, index in zip(spectra, keep, strict=True)]
    torch.testing.assert_close(spectra[0], spectra[1], rtol=0, atol=1e-12)


def test_parameters_are_real_and_drawn_as_in_the_paper():
    layer = SpectralConv(4, 8, (6, 5))
    assert {name: (p.dtype, tuple(p.shape)) for name, p in layer.named_parameters()} == {"weight": (torch.float32, (60, 4, 8, 2))}
    assert 0 <= layer.weight.min().item() < 0.001
    assert 0.999 / 32 < layer.weight.max().item() < 1 / 32
    assert set(layer.state_dict()) == {"weight"}


def test_double_raises_the_precision_of_the_whole_layer():
    single, _ = twins((3, 4))
    double = copy.deepcopy(single).double()
    z = torch.randn(2, 9, 8, 3, dtype=torch.float64)
    assert double(z).dtype == torch.float64
    reference = paper_convolution(z, double.weight, (3, 4))
    assert ((double(z) - reference).norm() / reference.norm()).item() <= 1e-14
    assert 1e-9 < ((single(z.float()) - reference).norm() / reference.norm()).item() < 1e-6


def test_matrices_first_used_in_inference_can_be_trained_with():
    dft_matrices.cache_clear()
    layer, z = SpectralConv(2, 2, (3,)), torch.randn(2, 10, 2, requires_grad=True)
    with torch.inference_mode():
        layer(z)
    layer(z).sum().backward()
    assert z.grad is not None


def test_matrices_are_computed_once_per_size():
    dft_matrices.cache_clear()
    layer = SpectralConv(2, 2, (3, 3))
    for _ in range(3):
        layer(torch.randn(2, 8, 8, 2))
    assert dft_matrices.cache_info().misses == 2


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_autocast_to_bfloat16_keeps_three_digits(transform):
    layer = twins((8, 8), (16, 16))[TRANSFORMS.index(transform)]
    z = torch.randn(4, 32, 32, 16)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer(z).float()
    assert ((rounded - layer(z)).norm() / layer(z).norm()).item() < 1e-2


@pytest.mark.parametrize(
    ("modes", "expected"),
    [((32,), "gemm"), ((33,), "fft"), ((24, 24), "gemm"), ((8, 25), "fft"), ((24, 24, 24), "gemm"), ((8, 8, 25), "fft")],
)
def test_the_transform_changes_at_the_measured_crossover(modes, expected):
    assert resolve_transform(modes, "auto") == expected
    assert resolve_transform(modes, "fft") == "fft"


@pytest.mark.parametrize(
    ("shape", "expected"), [((16,), (4,)), ((128,), (16,)), ((16, 16), (4, 4)), ((33, 64), (8, 12)), ((3, 2, 64), (1, 1, 12))]
)
def test_default_modes_fit_the_grid_and_half_its_resolution(shape, expected):
    assert resolve_modes("x", None, shape) == default_modes(shape) == expected
    check_modes("x", expected, tuple(max(2, n // 2) for n in shape))


def test_modes_beyond_half_the_cells_are_refused_in_one_line():
    with pytest.raises(ModelError, match=r"^fno: modes \(33\) exceed half the cells \(32\); lower modes or refine$"):
        check_modes("fno", (33,), (64,))
    with pytest.raises(ModelError, match=r"^fno: modes must be 1 or more, got 0; raise modes$"):
        check_modes("fno", (0,), (64,))
    with pytest.raises(ModelError, match=r"^spectral convolution: modes \(4\) exceed half the cells \(3\)"):
        SpectralConv(1, 1, (4, 4))(torch.zeros(1, 8, 7, 1))


def test_lifting_sees_coordinates_scaled_to_the_grids_box():
    grid = Grid(("x", "y"), (3, 4), (-1.0, 2.0), (1.0, 10.0), (False, True))
    lifting = Lifting(1, grid, 3)
    with torch.no_grad():
        lifting.linear.weight.copy_(torch.eye(3))
        lifting.linear.bias.zero_()
    coords = torch.stack([torch.as_tensor(x, dtype=torch.float32) for x in grid.mesh()], -1)
    value, x, y = lifting(torch.full((2, 1, 3, 4), 7.0), coords).unbind(-1)
    assert value.unique().tolist() == [7.0]
    assert x[0, :, 0].tolist() == [0.0, 0.5, 1.0]
    assert y[1, 0, :].tolist() == [0.0, 0.25, 0.5, 0.75]
