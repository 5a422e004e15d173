"""A folder is a registry: names, summaries, classes, and the nearest name for a wrong one."""

import importlib
from pathlib import Path

import pytest

from opbench.errors import OpbenchError, UnknownName
from opbench.evaluation.source import files, source_sha256
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


def written(folder: Path, **files: str) -> Path:
    """Files by their names, with __ for / and without .py."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


NET = "from blocks import SIZE\nclass Net:\n    size = SIZE\n"


def test_two_files_of_one_name_are_run_with_their_own_neighbours_in_any_order(tmp_path):
    for folder, size in (("a", 3), ("b", 31)):
        written(tmp_path / folder, net=NET, blocks=f"SIZE = {size}\n")
    for folder, size in (("a", 3), ("b", 31), ("a", 3)):
        cls = find("models", f"{tmp_path}/{folder}/net.py:Net", object)
        assert cls.size == size
        assert set(files(cls)) == {"net.py", "blocks.py"}
        assert files(cls)["blocks.py"] == tmp_path / folder / "blocks.py"


def test_what_a_model_imports_when_it_is_made_lies_beside_its_file_too(tmp_path):
    late = "class Net:\n    def __init__(self):\n        from deep.blocks import SIZE\n        self.size = SIZE\n"
    for folder, size in (("a", 3), ("b", 31)):
        written(tmp_path / folder, net=late, deep__blocks=f"SIZE = {size}\n", statistics="mean = 0\n")
        (tmp_path / folder / "deep" / "__init__.py").write_text("")
    for folder, size in (("a", 3), ("b", 31), ("a", 3)):
        cls = find("models", f"{tmp_path}/{folder}/net.py:Net", object)
        assert cls().size == size
        assert {"net.py", "deep/__init__.py", "deep/blocks.py"} == set(files(cls))
    import statistics

    assert statistics.mean([1, 3]) == 2


def test_a_folder_of_logs_beside_a_model_is_no_library_that_others_find(tmp_path):
    (tmp_path / "no_such_logger").mkdir()
    written(tmp_path, net="class Net: ...\n")
    find("models", f"{tmp_path}/net.py:Net", object)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_logger")


def test_what_was_edited_is_read_again(tmp_path):
    written(tmp_path, net=NET, blocks="SIZE = 1\n")
    assert find("models", f"{tmp_path}/net.py:Net", object).size == 1
    written(tmp_path, blocks="SIZE = 1000\n")
    assert find("models", f"{tmp_path}/net.py:Net", object).size == 1000


def test_a_file_of_a_package_may_import_relatively_and_brings_its_packages(tmp_path, monkeypatch):
    layers = {"pkg__sub__layers": "from .. import BASE\nSIZE = BASE + 1\n", "pkg__sub__other": "", "sub__layers": "SIZE = 0\n"}
    written(tmp_path, pkg__model="import math\nfrom .sub.layers import SIZE\nclass Net:\n    size = SIZE\n", **layers)
    (tmp_path / "pkg" / "__init__.py").write_text("BASE = 1\n")
    (tmp_path / "pkg" / "sub" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    hashes = set()
    for name in ("pkg/model.py:Net", "pkg.model:Net", f"{tmp_path}/pkg/model.py:Net"):
        cls = find("models", name, object)
        assert cls.size == 2
        assert set(files(cls)) == {"pkg/__init__.py", "pkg/model.py", "pkg/sub/__init__.py", "pkg/sub/layers.py"}, name
        hashes.add(source_sha256(cls))
    (tmp_path / "pkg" / "sub" / "layers.py").write_text("SIZE = 7000\n")
    assert len(hashes) == 1
    assert source_sha256(find("models", "pkg/model.py:Net", object)) not in hashes


def test_a_file_among_others_of_a_package_finds_them_without_dots_too(tmp_path):
    written(tmp_path, pkg__net=NET, pkg__blocks="SIZE = 5\n")
    (tmp_path / "pkg" / "__init__.py").write_text("")
    cls = find("models", f"{tmp_path}/pkg/net.py:Net", object)
    assert cls.size == 5
    assert set(files(cls)) == {"pkg/__init__.py", "pkg/net.py", "pkg/blocks.py"}


def test_a_folder_beside_a_file_is_followed_without_an_init_and_libraries_are_not(tmp_path):
    net = "import numpy\nimport torch.nn as nn\nfrom layers.conv import make\nclass Net: ...\n"
    written(tmp_path, net=net, layers__conv="make = 1\n")
    assert set(files(find("models", f"{tmp_path}/net.py:Net", object))) == {"net.py", "layers/conv.py"}


def test_a_file_without_its_class_is_told_what_to_write(tmp_path):
    path = written(tmp_path, net="from pathlib import Path\nclass One: ...\ndef Net(): ...\n") / "net.py"
    with pytest.raises(UnknownName, match=r"name it as .*net\.py:Class"):
        find("models", str(path), object)
    with pytest.raises(UnknownName, match=r"no class 'Net' there; its classes are One$"):
        find("models", f"{path}:Net", object)
