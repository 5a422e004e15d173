"""A dataset that is solved in a fraction of a second, in many blocks, for tests of how files come about."""

from opbench.data.recipe import Plan, load_recipe, plan


def tiny(samples: int = 4, block: int = 2, grid: int = 16, frames: int = 3, tolerance: float = 1e-4, final: float = 0.1) -> Plan:
    """Burgers in five splits, `samples` in each, but 64 at most where they are not for training."""
    recipe = load_recipe("burgers_1d")
    solving = recipe.solving.model_copy(update={"block": block, "tolerance": tolerance})
    mini = recipe.scales["mini"].model_copy(update={"frames": frames, "final": final, "refine": 2})
    return plan(
        recipe.model_copy(update={"solving": solving, "scales": recipe.scales | {"mini": mini}}), "mini", samples=samples, grid=grid
    )
