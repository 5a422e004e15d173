"""Files of tensors: whole or not there, refused with advice when damaged or foreign."""

import pytest
import torch
from safetensors.torch import save
from torch import nn

from opbench.checkpoint import put_back, read, tensors_of, write
from opbench.errors import DataError


def test_tensors_and_description_come_back_exactly(tmp_path):
    tensors = {
        "a": torch.randn(3, 4).T.contiguous(),
        "b": torch.tensor(1 + 2j),
        "c": torch.arange(5, dtype=torch.uint8),
        "d": torch.zeros(()),
    }
    description = {"error": 0.1 + 0.2, "curve": [[1, 2.5]], "none": None}
    write(tmp_path / "new" / "file.safetensors", tensors, description)
    back, told = read(tmp_path / "new" / "file.safetensors")
    assert told == description
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], value) and back[name].dtype == value.dtype for name, value in tensors.items())


def test_copies_share_no_memory_even_where_weights_are_tied(tmp_path):
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    tensors = tensors_of(module)
    expected = tensors["0.weight"].clone()
    with torch.no_grad():
        module[0].weight.zero_()
    assert torch.equal(tensors["0.weight"], expected)
    write(tmp_path / "tied.safetensors", tensors, {})
    put_back(module, read(tmp_path / "tied.safetensors")[0], "tied")
    assert torch.equal(module[1].weight, expected)


@pytest.mark.parametrize("other", [nn.Linear(2, 3), nn.Linear(2, 2, bias=False), nn.Sequential(nn.Linear(2, 2))])
def test_tensors_of_another_model_are_refused_with_their_names(other):
    with pytest.raises(DataError, match=r"file: expected the model's own tensors, got others \(.*(weight|bias).*\)"):
        put_back(nn.Linear(2, 2), tensors_of(other), "file")


def test_a_damaged_file_is_refused_with_advice(tmp_path):
    path = tmp_path / "state.safetensors"
    write(path, {"a": torch.ones(100)}, {"epoch": 1})
    content = path.read_bytes()
    for damaged in (b"", content[:30], content[: len(content) // 2], b"\x80\x04pickle" * 20):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cannot be read .* delete it to start anew"):
            read(path)


def test_a_safetensors_file_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    for metadata in (None, {"format": "pt"}, {"opbench": "{"}):
        path.write_bytes(save({"a": torch.zeros(1)}, metadata))
        with pytest.raises(DataError, match="a foreign one"):
            read(path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    write(path, {"a": torch.zeros(1)}, {"epoch": 1})

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(DataError, match="no space left"):
        write(path, {"a": torch.ones(1)}, {"epoch": 2})
    assert read(path)[1] == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]
