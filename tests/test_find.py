"""A folder is a registry: names, summaries, classes, and the nearest name for a wrong one."""

import pytest

from opbench.errors import OpbenchError, UnknownName
from opbench.find import find, known, names, summary
from opbench.pde import PDE


def test_every_file_of_a_room_is_found_by_its_name():
    assert {"burgers", "darcy", "navier_stokes"} <= set(names("pdes"))
    assert find("pdes", "burgers", PDE).__name__ == "Burgers"
    assert summary("pdes", "burgers").startswith("Viscous Burgers")


@pytest.mark.parametrize(("name", "message"), [("burger", "did you mean 'burgers'"), ("qqq", "choose one of advection, ")])
def test_a_wrong_name_is_told_with_the_nearest_or_all(name, message):
    with pytest.raises(UnknownName, match=message):
        find("pdes", name, PDE)


def test_a_users_class_is_found_by_module_and_by_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("class Net:\n    pass\n")
    assert find("models", f"{file}:Net", object).__name__ == "Net"
    assert find("models", "fractions:Fraction", object).__name__ == "Fraction"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "Net", "no such file"),
        ("class Net(:\n", "Net", r"cannot be imported \(line 1\): SyntaxError"),
        ("import nowhere_at_all\n", "Net", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("class Network:\n    pass\n", "Netwrk", "no class 'Netwrk' there; did you mean 'Network'"),
    ],
)
def test_a_users_file_that_does_not_work_is_told_in_one_line(tmp_path, content, name, message):
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(OpbenchError, match=message) as told:
        find("models", f"{file}:{name}", object)
    assert "\n" not in str(told.value)


def test_known_returns_the_name_itself():
    assert known("thing", "a", ["b", "a"]) == "a"
