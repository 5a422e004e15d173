import torch

from opbench.models._pod import pod


def test_pod_of_rank_two_samples_finds_two_orthonormal_modes_and_zeros():
    x = torch.linspace(0, 1, 50, dtype=torch.float64)
    weight = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    samples = 3 + weight @ torch.stack([torch.sin(3 * x), torch.cos(5 * x)])
    mean, modes = pod(samples, 4)
    gram = modes @ modes.T
    assert torch.allclose(gram, torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)), atol=1e-12), gram
    assert torch.allclose(mean + (samples - mean) @ modes.T @ modes, samples, atol=1e-12)
