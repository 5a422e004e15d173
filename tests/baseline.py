"""Benchmarks against those of an earlier run on the same machine: what is kept, and what may be compared."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opbench.config import fingerprint
from opbench.provenance import machine, versions

FOLDER = Path(".benchmarks")  # ignored by git: another machine's seconds say nothing here
CHANGED = "the benchmark itself was changed"


def here() -> dict[str, Any]:
    """What decides this machine's seconds."""
    return {"machine": machine("cpu"), "versions": versions()}


def path(about: Mapping[str, Any], folder: Path = FOLDER) -> Path:
    """Where the baseline of a machine lies."""
    return folder / f"{fingerprint(about)[:12]}.json"


def content(about: Mapping[str, Any], results: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """What is kept of a run: pytest-benchmark's own JSON, by name, with the sum of the file that each benchmark is in."""
    kept = {}
    for entry in results["benchmarks"]:
        source = root / entry["fullname"].partition("::")[0]
        timed = {key: entry["stats"][key] for key in ("median", "q1", "q3", "rounds")}
        numbers = {key: value for key, value in entry["extra_info"].items() if isinstance(value, (int, float))}
        kept[entry["fullname"]] = timed | {"extra": numbers, "source": hashlib.sha256(source.read_bytes()).hexdigest()}
    return {"about": dict(about), "date": results["datetime"], "benchmarks": kept}


def compared(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A line a benchmark: the change of its median, or why there is none to tell. A change within both runs' quartiles is told as none."""
    lines = [f"baseline of {before['date'][:19]}, medians in seconds"]
    for name, new in now["benchmarks"].items():
        old = before["benchmarks"].get(name)
        if old is None or old["source"] != new["source"]:
            lines.append(f"{name}: {new['median']:.3g}, {'new' if old is None else CHANGED}")
            continue
        apart = new["q1"] > old["q3"] or new["q3"] < old["q1"]
        change = f"{new['median'] / old['median'] - 1:+.1%}" if apart else "no change beyond the scatter"
        lines.append(f"{name}: {old['median']:.3g} -> {new['median']:.3g}, {change}")
        extra = {key: (old["extra"][key], value) for key, value in new["extra"].items() if key in old["extra"]}
        lines += [f"    {key}: {a:.4g} -> {b:.4g}" for key, (a, b) in extra.items()]
    return lines + [f"{name}: gone" for name in before["benchmarks"] if name not in now["benchmarks"]]


def read(place: Path) -> dict[str, Any]:
    return json.loads(place.read_text(encoding="utf-8"))
