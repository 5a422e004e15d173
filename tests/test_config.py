"""Settings are strict, all faults are told at once, and fingerprints do not depend on order or machine."""

from dataclasses import dataclass

import pytest

from opbench.config import Frozen, build, fingerprint, literal, load_toml, typed
from opbench.errors import ConfigError, UnknownName


class Inner(Frozen):
    size: int


class Outer(Frozen):
    inner: Inner
    rate: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    width: int = 32
    modes: tuple[int, ...] = (4, 4)
    kind: str = "plain"


def write(tmp_path, text):
    path = tmp_path / "file.toml"
    path.write_text(text)
    return path


def test_toml_becomes_a_frozen_value(tmp_path):
    value = load_toml(write(tmp_path, 'rate = 1\nnames = ["a"]\n[inner]\nsize = 3\n'), Outer)
    assert value == Outer(inner=Inner(size=3), rate=1.0, names=("a",))


def test_all_faults_are_told_at_once_with_their_paths(tmp_path):
    with pytest.raises(ConfigError) as told:
        load_toml(write(tmp_path, 'rat = 1\nnames = "a"\n[inner]\nsize = 2.5\n'), Outer)
    for place in ("rat:", "rate:", "names:", "inner.size:"):
        assert place in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path):
    with pytest.raises(ConfigError, match="line 1"):
        load_toml(write(tmp_path, "rate = = 1"), Outer)


def test_settings_replace_defaults_and_keep_their_types():
    assert build(Config, {"width": 64, "modes": [8]}, "net") == Config(64, (8,))
    with pytest.raises(UnknownName, match="did you mean 'width'"):
        build(Config, {"widht": 64}, "net")
    with pytest.raises(ConfigError, match="net: width"):
        build(Config, {"width": "wide"}, "net")


@pytest.mark.parametrize(
    ("text", "value"), [("64", 64), ("1e-3", 1e-3), ("true", True), ("[8, 8]", [8, 8]), ("gelu", "gelu"), ('"a b"', "a b")]
)
def test_a_setting_from_the_command_line_has_its_natural_type(text, value):
    assert literal(text) == value


@pytest.mark.parametrize("text", ["False", "None", "1979-05-27"])
def test_pythons_words_are_what_they_are_in_python_and_a_date_is_text(text):
    assert literal(text) == {"False": False, "None": None}.get(text, text)


@pytest.mark.parametrize(
    "value", [True, False, None, 3, 0.5, 1e-7, "gelu", "true", "None", "64", "a b", 'a "b"', [1, 2], ["a", "b"], [True]]
)
def test_what_is_typed_is_read_as_the_value_it_was_typed_for(value):
    assert literal(typed(value)) == value
    assert type(literal(typed(value))) is type(value)


def test_a_fault_says_what_came(tmp_path):
    with pytest.raises(ConfigError, match=r"rate: Input should be a valid number, got 'fast'; names"):
        load_toml(write(tmp_path, 'rate = "fast"\nnames = [1]\ninner = {size = 1}'), Outer)


def test_fingerprints_depend_on_content_alone():
    assert fingerprint({"b": 1, "a": (1, 2)}) == fingerprint({"a": [1, 2], "b": 1})
    assert fingerprint(Config()) != fingerprint(Config(width=33))
    assert fingerprint({"a": 1.5}) == "3b1cb40b22933d83e9242f8ac724f114d812ddd49909917b365375c24b69a455"  # sha256 of {"a":1.5}
