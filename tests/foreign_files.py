"""Files in other suites' layouts, made for tests."""

import h5py
import numpy as np

COUNT, FRAMES, POINTS = 30, 5, 16


def waves(path, points=POINTS, times=None, samples=COUNT, beta=1.0, seed=0):
    """A file in PDEBench's layout of one axis: sines of random phase that travel."""
    x, t = (np.arange(points) + 0.5) / points, np.arange(FRAMES) / 10 if times is None else np.asarray(times)
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (samples, 1, 1))
    with h5py.File(path, "w") as file:
        file["tensor"] = np.sin(2 * np.pi * (x - beta * t[:, None]) + phase).astype(np.float32)
        file["x-coordinate"], file["t-coordinate"] = x.astype(np.float32), np.append(t, 2 * t[-1] - t[-2]).astype(np.float32)
        file.attrs["beta"] = beta
    return path
