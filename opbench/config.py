"""TOML and JSON -> frozen, strictly typed values; and a fingerprint that is the same on every machine."""

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from opbench.errors import ConfigError, DataError
from opbench.find import known

T = TypeVar("T")
LONGEST = 50  # signs of a name
Name = Annotated[str, Field(max_length=LONGEST, pattern=r"^\w[\w.+ -]*$")]  # a file's below a folder, no path out of it, and no markup
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TAKEN = {"readme", "solver", "index"}  # names of the leaderboards' own pages, which a dataset's table would stand in the place of
LARGEST = 1 << 26  # bytes of a JSON file that is read; a record of 10,000 samples has a tenth
PYTHON = {"True": True, "False": False, "None": None}
TOLD = 20  # faults of one value; what is wrong in more places is another kind of file


class Frozen(BaseModel):
    """A value that is read once, strictly, and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def validate(type_: type[T], value: Any, source: str) -> T:
    """`value` as a `type_`; raises ConfigError that names every fault with its path, in one line."""
    return validate_json(type_, json.dumps(value, default=str), source)  # JSON mode: a list is a tuple, nothing else is converted


def validate_json(type_: type[T], text: str | bytes, source: str) -> T:
    """JSON text as a `type_`; raises ConfigError that names its faults with their paths, in one line."""
    try:
        if isinstance(type_, type) and issubclass(type_, BaseModel):
            return type_.model_validate_json(text)
        return TypeAdapter(type_).validate_json(text, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults = [": ".join(filter(None, (".".join(map(str, e["loc"])), _told(e)))) for e in found]
        more = f"; {len(faults) - TOLD} more" if len(faults) > TOLD else ""
        raise ConfigError(f"{source}: {printable('; '.join(faults[:TOLD]))}{more}") from error


def _told(fault: Any) -> str:
    """What was expected, and what came where that is a value that fits a line."""
    came = "" if isinstance(fault["input"], (dict, list, bytes)) else f", got {fault['input']!r}"
    return fault["msg"].removeprefix("Value error, ") + (came if len(came) <= 60 else f"{came[:60]}...")


def read_text(path: Path, what: str) -> bytes:
    """A file of JSON as it is; raises DataError where it is no file, or larger than LARGEST."""
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file; give the path of a {what}")
        if not path.is_file():  # a pipe would be waited for, a device be read without end
            raise DataError(f"{path}: is no {what} but another kind of thing than a file; give the path of a {what}")
        if (size := path.stat().st_size) > LARGEST:
            raise DataError(f"{path}: expected a {what}, of at most {LARGEST >> 20} MiB, got {size >> 20}; remove it")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: is no JSON {what} ({error}); remove it or restore it") from error


def read_json(path: Path, what: str) -> tuple[bytes, Any]:
    """`read_text` and what it holds as JSON; raises DataError where it is none, or has a NaN."""
    text = read_text(path, what)
    try:
        return text, from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise DataError(f"{path}: is no JSON {what} ({error}); give the path of a {what}, or restore it") from error


def printable(text: str) -> str:
    """`text` on one line, without the signs that steer a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)


def load_toml(path: Path, type_: type[T]) -> T:
    """Read a TOML file as a `type_`; raises ConfigError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return validate(type_, content, str(path))


def build(type_: type[T], settings: Mapping[str, Any], source: str) -> T:
    """A frozen dataclass from its defaults and `settings`; raises ConfigError, UnknownName with the nearest field."""
    fields = [field.name for field in dataclasses.fields(type_)]  # pyright: ignore[reportArgumentType]
    for name in settings:
        known(f"setting of {source}", name, fields)
    return validate(type_, dict(settings), source)


def literal(text: str) -> Any:
    """A setting as typed on the command line: a TOML value, one of Python's True, False and None, or else the bare text."""
    if text in PYTHON:
        return PYTHON[text]
    try:
        value = tomllib.loads(f"value = {text}")["value"]
        json.dumps(value)
    except (tomllib.TOMLDecodeError, TypeError):  # a date is no setting's type, and its text may be one
        return text
    return value


def typed(value: Any) -> str:
    """The text that `literal` reads as a value."""
    if isinstance(value, str):
        return value if literal(value) == value else json.dumps(value)
    return "None" if value is None else json.dumps(value)


def canonical(value: Any) -> Any:
    """`value` as plain JSON data: the form that fingerprints and records are made of."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    return value


def fingerprint(value: Any) -> str:
    """sha256 of the canonical JSON form (keys sorted), as 64 hexadecimal digits."""
    return digest(canonical(value))


def digest(plain: Any) -> str:
    """`fingerprint` of what is plain JSON data already."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
