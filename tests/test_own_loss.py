"""A loss of the user's own: part of what a run is, packed with its record, and run only where it is named."""

import zipfile

import pytest

import opbench
from opbench.cli import opbench as commands
from opbench.errors import DataError, OpbenchError
from opbench.evaluation.planning import planned
from opbench.submission.reproduce import checkpoint, verify
from opbench.submission.submit import submit

OWN_LOSS = """
from opbench.losses import Loss
from scale_beside import SCALE
class Scaled(Loss):
    def __call__(self, prediction, batch):
        return SCALE * (prediction - batch.reference).square().mean()
"""


def test_a_loss_of_the_users_own_is_packed_verified_where_it_is_named_and_part_of_the_fingerprint(tmp_path, capsys):
    loss, beside = f"{tmp_path}/mine.py:Scaled", tmp_path / "scale_beside.py"
    (tmp_path / "mine.py").write_text(OWN_LOSS)
    beside.write_text("SCALE = 2.0")
    given = {"loss": loss, "settings": {"train.epochs": 1}, "device": "cpu"}
    held = opbench.evaluate("fast_fno", "darcy_neuralop", **given, out=tmp_path, cost=False)
    assert held.loss == "mine.py:Scaled"
    (path,) = (tmp_path / "records").glob("*/*.json")
    with pytest.raises(OpbenchError, match=r"the record's loss 'mine\.py:Scaled' is code of others: read it, then name it with --loss"):
        submit(path, out=tmp_path)
    archive, sizes, _ = submit(path, loss=loss, out=tmp_path)
    assert [name for name in sizes if name.endswith(".py")] == ["loss/mine.py", "loss/scale_beside.py"]
    with pytest.raises(OpbenchError, match=r"its loss 'mine\.py:Scaled' is code of others, and was not run: .* read FOLDER/loss/"):
        commands.main(["verify", str(archive)], standalone_mode=False)
    with zipfile.ZipFile(archive) as stored:
        stored.extractall(tmp_path / "unpacked")
    commands.main(["verify", str(archive), "--loss", f"{tmp_path}/unpacked/loss/mine.py:Scaled"], standalone_mode=False)
    commands.main(["rescore", str(path), "--loss", loss], standalone_mode=False)
    assert "verified: all " in capsys.readouterr().out
    assert planned("fast_fno", "darcy_neuralop", **given).identity == held.fingerprint
    beside.write_text("SCALE = 3.0")
    assert planned("fast_fno", "darcy_neuralop", **given).identity != held.fingerprint
    with pytest.raises(DataError, match="makes another loss_source_sha256"):
        verify(held, checkpoint(path, held), loss=loss)
