"""Records of earlier schemas as today's: one step for each version, in one chain."""

from typing import Any


def upgraded(content: Any) -> Any:
    """A record's JSON of an earlier schema as today's, one version at a time; what is newer or no record stays as it is."""
    while isinstance(content, dict) and (change := UPGRADES.get(content.get("schema_version", 0))):
        content = change(content)
    return content


def _to_2(content: dict[str, Any]) -> dict[str, Any]:
    """What version 2 adds was not measured before it."""
    return content | {"schema_version": 2}


UPGRADES = {1: _to_2}
NEWEST = max(UPGRADES) + 1
