"""datasets/README.md, its pictures and error floors, from the recipes: `python -m opbench.data.catalogue` makes what is missing or old."""

import json
import time
from typing import Any

from opbench.atomic import write_bytes
from opbench.data.describe import MEASURED, UNKNOWN, all_measured, facts, floor, measured, size
from opbench.data.foreign import Foreign
from opbench.data.recipe import Plan, Recipe, datasets, folder, load_recipe, plan
from opbench.data.samples import error_floor
from opbench.data.show import look, stored
from opbench.data.task import Problem, problem
from opbench.find import summary
from opbench.markdown import table
from opbench.pictures import picture
from opbench.threads import one_thread

PICTURES = "pictures"
LIMIT = 60_000  # bytes of a picture
SPLITS = ("test", "ood")  # whose floors are told; that of finer is of the samples of test, on twice their points
CODE = ("equation", "given", "ood")  # facts with signs that Markdown would take for its own
COLUMNS = ("dataset", "what", "axes", "tasks", "points", "times", "train", "error floor")
ABOUT = """# Datasets

Rendered from the recipes by `python -m opbench.data.catalogue`, to be run in a checkout after a recipe is added or changed. It solves
what the error floors and pictures of new and changed recipes need, goes on where it was stopped, and writes this page, `measured.json`
and `pictures/`. A picture that is deleted is drawn again.

`opbench show NAME` says the same of a dataset at any scale and draws samples of any split; `opbench generate NAME` makes its files. Points,
times, training samples and error floor in the table are those of the mini scale. The error floor is what the data are uncertain by: the
relative L2 difference of a few samples to the same ones solved at twice the grid and half the step, their mean and, in brackets, their
largest. A score below twice the floor is saturated: it says no more about a model.
"""


def update() -> None:
    """Measure and draw what is missing or of an older recipe, write the page, and print how long each dataset took."""
    place, names, entries = folder(), datasets(), all_measured()
    for name in names:
        chosen, begun = problem(name), time.monotonic()
        path = place / PICTURES / f"{name}.png"
        fresh = entries.get(name, {}).get("fingerprint") == chosen.data_fingerprint
        if not (fresh and path.is_file()):
            unknowns = {channel.field for channel in chosen.spec.outputs}
            write_bytes(path, picture(look(chosen, "test", max(1, 2 // len(unknowns))), LIMIT))
        if not fresh:
            entries[name] = measure(chosen)
        lines = (f"{json.dumps(known)}: {json.dumps(entries[known])}" for known in names if known in entries)
        write_bytes(place / MEASURED, ("{\n" + ",\n".join(lines) + "\n}\n").encode())
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    for path in (place / PICTURES).glob("*.png"):
        if path.stem not in names:
            path.unlink()
    write_bytes(place / "README.md", render().encode())


def measure(chosen: Problem) -> dict[str, Any]:
    """A dataset's entry in measured.json: what data it is of, and their scheme and error floors."""
    entry = {"fingerprint": chosen.data_fingerprint}
    if isinstance(chosen.recipe, Foreign):
        return entry
    found = {split: _floor(chosen.plan, split) for split in SPLITS if split in chosen.plan.samples}
    return entry | {"scheme": found["test"]["scheme"], "floors": {split: _rounded(measures["fields"]) for split, measures in found.items()}}


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    """Floors to five digits, which are the same on another machine."""
    return {
        name: {metric: {kind: float(f"{value:.5g}") for kind, value in kinds.items()} for metric, kinds in metrics.items()}
        for name, metrics in fields.items()
    }


def _floor(chosen: Plan, split: str) -> dict[str, Any]:
    """From the split's file, where that is there."""
    held = stored(chosen, split)
    if held is not None:
        return held.header.provenance["error_floor"]
    with one_thread():
        return error_floor(chosen, split, "cpu")


def render() -> str:
    """The page."""
    names = datasets()
    rows = table(COLUMNS, [*map(_row, names)])
    return "\n\n".join(["\n".join([ABOUT, *rows]), *map(_section, names), _laws(names)]) + "\n"


def _row(name: str) -> tuple[str, ...]:
    chosen = problem(name)
    recipe, grid, times = chosen.recipe, chosen.spec.grid, chosen.times
    means = [field["relative_l2"]["mean"] for field in measured(recipe).get("floors", {}).get("test", {}).values()]
    train = recipe.samples("train") if isinstance(recipe, Foreign) else recipe.scales["mini"].samples["train"]
    return (
        f"[{name}](#{name})",
        _plain(recipe.summary),
        str(grid.dims),
        ", ".join(task.kind for task in recipe.tasks),
        " x ".join(map(str, grid.shape)),
        str(len(times)) if times else "steady",
        str(train),
        f"{max(means):.1e}" if means else "not known",
    )


def _section(name: str) -> str:
    recipe = load_recipe(name)
    entry = measured(recipe)
    words = {label: f"`{text}`" if label in CODE else _plain(text) for label, text in facts(recipe, entry.get("scheme")).items()}
    scales = {scale: _plain(size(plan(recipe, scale))) for scale in recipe.scales} if isinstance(recipe, Recipe) else {}
    told = words | scales | ({"error floor, mini": floor(entry["floors"])} if entry else {"error floor": UNKNOWN})
    lines = "\n".join(f"* {label}: {text}" for label, text in told.items())
    return f"## {name}\n\n{_plain(recipe.summary)}.\n\n![samples of {name}]({PICTURES}/{name}.png)\n\n{lines}"


def _laws(names: list[str]) -> str:
    """What the laws that the recipes name are."""
    recipes = [recipe for recipe in map(load_recipe, names) if isinstance(recipe, Recipe)]
    used = {law.model_dump()["sampler"] for recipe in recipes for law in (*recipe.given.values(), *recipe.ood.values())}
    return "## Laws of the inputs\n\n" + "\n".join(f"* {law}: `{summary('samplers', law)}`" for law in sorted(used))


def _plain(text: str) -> str:
    """Text without the signs that Markdown or a table would take for its own."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    update()
