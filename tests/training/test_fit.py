"""A run is found again, goes on after kill -9 to the same weights, and leaves its teacher alone."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kilohear.config import load_json
from kilohear.errors import ConfigError
from kilohear.frontend import FrontEnd
from kilohear_training.fit import Fit, Folders, load_network, run_fit


@pytest.fixture
def fit(recordings: Path) -> Fit:
    return Fit(
        dataset=str(recordings),
        fold=1,
        network="tiny",
        front_end=FrontEnd.preset("native", 1_000),
        window_s=1.0,
        epochs=4,
        batch=8,
    )


def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "runs", tmp_path / "cache")


def quiet(_line: str) -> None:
    """Say nothing."""


def test_a_finished_run_is_whole_and_found_again(fit: Fit, tmp_path: Path) -> None:
    folder = run_fit(fit, folders(tmp_path), quiet)
    assert load_json(Fit, folder / "config.json") == fit
    result = json.loads((folder / "result.json").read_text())
    assert result["kind"] == "measured"
    assert len(result["losses"]) == 4
    assert result["test"]["clips"] == 8
    assert not (folder / "checkpoint.pt").exists()
    before = (folder / "weights.pt").stat().st_mtime_ns
    assert run_fit(fit, folders(tmp_path), quiet) == folder
    assert (folder / "weights.pt").stat().st_mtime_ns == before


def test_the_name_tells_configurations_apart(fit: Fit) -> None:
    assert fit.name == dataclasses.replace(fit).name
    assert fit.name != dataclasses.replace(fit, seed=2).name
    assert fit.name != dataclasses.replace(fit, teachers=(fit,)).name


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from kilohear.config import load_json
from kilohear_training import fit as fit_module
torch.set_num_threads(1)
fit_module.CHECKPOINT_EVERY_S = 0.0
def report(line):
    if ": epoch 3/4" in line and sys.argv[3] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
fit = load_json(fit_module.Fit, Path(sys.argv[1]))
root = Path(sys.argv[2])
fit_module.run_fit(fit, fit_module.Folders(root / "runs", root / "cache"), report)
"""


def test_kill_9_changes_nothing(fit: Fit, tmp_path: Path) -> None:
    from kilohear.config import save_json

    save_json(fit, tmp_path / "fit.json")

    def run(root: str, mode: str) -> int:
        command = [sys.executable, "-c", KILLED, str(tmp_path / "fit.json"), str(tmp_path / root)]
        return subprocess.run([*command, mode], check=False).returncode

    assert run("killed", "kill") == -signal.SIGKILL
    assert (tmp_path / "killed" / "runs" / fit.name / "checkpoint.pt").exists()
    assert not (tmp_path / "killed" / "runs" / fit.name / "result.json").exists()
    assert run("killed", "go on") == 0
    assert run("whole", "go on") == 0
    weights = [
        torch.load(tmp_path / root / "runs" / fit.name / "weights.pt", weights_only=True)
        for root in ("killed", "whole")
    ]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_the_teacher_is_not_changed(fit: Fit, tmp_path: Path) -> None:
    at = folders(tmp_path)
    teacher = dataclasses.replace(fit, front_end=FrontEnd.preset("native", 2_000), epochs=1)
    teacher_folder = run_fit(teacher, at, quiet)
    before = (teacher_folder / "weights.pt").read_bytes()
    _, network = load_network(teacher_folder, 2)
    statistics = {k: v.clone() for k, v in network.named_buffers()}
    run_fit(dataclasses.replace(fit, teachers=(teacher,), epochs=2), at, quiet)
    assert (teacher_folder / "weights.pt").read_bytes() == before
    _, network = load_network(teacher_folder, 2)
    for name, value in network.named_buffers():
        assert torch.equal(value, statistics[name]), name


def test_distilling_draws_the_student_to_its_teacher(fit: Fit, tmp_path: Path) -> None:
    at = folders(tmp_path)
    teacher = dataclasses.replace(fit, seed=5)
    taught = dataclasses.replace(fit, teachers=(teacher,), alpha=0.0, epochs=30)
    folder = run_fit(taught, at, quiet)
    losses = json.loads((folder / "result.json").read_text())["losses"]
    assert losses[-1] < 0.5 * losses[0]


def test_starting_from_the_teacher_needs_one(fit: Fit) -> None:
    with pytest.raises(ConfigError, match="no teacher is given"):
        dataclasses.replace(fit, initial="teacher")


def test_impossible_numbers_are_refused(fit: Fit) -> None:
    for wrong in ({"alpha": 1.5}, {"temperature": 0.0}, {"epochs": 0}):
        with pytest.raises(ConfigError, match=str(next(iter(wrong.values())))):
            dataclasses.replace(fit, **wrong)


def test_a_fold_that_is_left_out_is_neither_trained_on_nor_tested(fit: Fit, tmp_path: Path) -> None:
    folder = run_fit(dataclasses.replace(fit, left_out=(2,), epochs=1), folders(tmp_path), quiet)
    result = json.loads((folder / "result.json").read_text())
    assert result["training_clips"] == 8
    assert result["test"]["clips"] == 8
    with pytest.raises(ConfigError, match="fold 1 is the test fold and in left_out"):
        dataclasses.replace(fit, left_out=(1,))


def test_cross_fitted_teachers_must_leave_every_clip_unseen_once(fit: Fit, tmp_path: Path) -> None:
    at = folders(tmp_path)
    quick = dataclasses.replace(fit, epochs=1)
    without = [dataclasses.replace(quick, left_out=(fold,)) for fold in (2, 3)]
    taught = dataclasses.replace(quick, teachers=tuple(without), teaching="unseen")
    assert (run_fit(taught, at, quiet) / "result.json").is_file()
    lacking = dataclasses.replace(taught, teachers=tuple(without[:1]))
    with pytest.raises(ConfigError, match="8 of 16 training clips were seen by every teacher"):
        run_fit(lacking, at, quiet)
    assert not (at.runs / lacking.name).exists()


def test_a_student_of_another_shape_cant_start_from_its_teacher(fit: Fit, tmp_path: Path) -> None:
    teacher = dataclasses.replace(fit, front_end=FrontEnd.preset("native", 16_000), epochs=1)
    student = dataclasses.replace(fit, teachers=(teacher,), initial="teacher")
    with pytest.raises(ConfigError, match="as their front ends differ"):
        run_fit(student, folders(tmp_path), quiet)


def test_a_spoilt_answer_of_the_teacher_is_asked_again(fit: Fit, tmp_path: Path) -> None:
    at = folders(tmp_path)
    taught = dataclasses.replace(fit, teachers=(dataclasses.replace(fit, seed=5),), epochs=2)
    first = torch.load(run_fit(taught, at, quiet) / "weights.pt", weights_only=True)
    for file in (at.cache / "soft").rglob("*.npy"):
        file.write_bytes(file.read_bytes()[:90])
    (at.runs / taught.name / "result.json").unlink()
    again = torch.load(run_fit(taught, at, quiet) / "weights.pt", weights_only=True)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_an_unwritable_folder_is_named(fit: Fit, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    from kilohear.errors import KilohearError

    with pytest.raises(KilohearError, match="file"):
        run_fit(fit, Folders(blocker / "runs", tmp_path / "cache"), quiet)
