"""Where a result comes from: versions, commit, machine."""

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from opbench.errors import OpbenchError
from opbench.find import PACKAGE, known

PACKAGES = ("torch", "numpy", "scipy", "h5py", "xarray", "neuraloperator", "pydantic", "safetensors")


def commit() -> tuple[str | None, bool | None]:
    """The checkout's git commit and whether tracked files differ from it; (None, None) where opbench is not a checkout."""
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return None, None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head or None, bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!leaderboards"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(root, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def sha256(path: Path) -> str:
    """A file's sha256, 64 hexadecimal digits."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def total_memory() -> int:
    """Bytes that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def versions() -> dict[str, str | None]:
    """Installed versions of what moves numbers; None where a package is missing."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda"; raises OpbenchError where CUDA is asked for and not there."""
    import torch

    known("device", device, ("auto", "cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise OpbenchError("device cuda: torch sees no CUDA device here; use --device cpu, or install a CUDA build of torch")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def machine(device: str) -> dict[str, Any]:
    """The device that a run used, as a person would name it, and what decides its speed."""
    import torch

    tf32 = torch.backends.cudnn.allow_tf32 or torch.get_float32_matmul_precision() != "highest"
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor()
    return {"device": device, "name": name, "threads": torch.get_num_threads(), "tf32": tf32}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
