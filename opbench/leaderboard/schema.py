"""The JSON Schema of a record, for people who write records without opbench: `python -m opbench.leaderboard.schema` writes it."""

import json
from pathlib import Path

from opbench.atomic import write_bytes
from opbench.records.record import Record

FILE = Path("leaderboards/record.schema.json")


def schema() -> str:
    """Rendered from the type that records are read as."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A record of opbench"}
    return json.dumps(Record.model_json_schema() | about, indent=1) + "\n"


if __name__ == "__main__":
    write_bytes(FILE, schema().encode())
