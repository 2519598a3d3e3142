"""A study runs each training once, tests what it promised, and is none the worse for a kill."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from kilohear.config import load_json, save_json
from kilohear.errors import ConfigError, DataError, KilohearError
from kilohear_training import study as study_module
from kilohear_training.fit import Folders
from kilohear_training.methods import METHODS, Recipe
from kilohear_training.study import (
    NAMED,
    Arm,
    Study,
    load_study,
    on_this_disk,
    plan,
    result_name,
    run_study,
    save_study,
)
from kilohear_training.workers import local_workers, ray_workers

SMALL = Recipe("tiny", "native", "none", epochs=2, learning_rate=1e-3, batch=8, window_s=1.0)


def say_nothing(_line: str) -> None:
    """Say nothing."""


def a_study(dataset: Path | str, **changes: object) -> Study:
    values: dict[str, object] = {
        "name": "small",
        "datasets": (str(dataset),),
        "arms": (Arm("tiny", SMALL),),
        "rates_hz": (1_000,),
        "methods": tuple(METHODS),
        "folds": (1, 2),
    }
    return Study(**(values | changes))  # type: ignore[arg-type]


def run(study: Study, root: Path, jobs: int = 1) -> None:
    folders = Folders(root / "runs", root / "cache")
    run_study(study, folders, root / "results", local_workers(jobs), say_nothing)


@pytest.fixture(scope="module")
def finished(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    root = tmp_path_factory.mktemp("study")
    study = a_study(recordings, methods=(*METHODS, "again"), chains={"again": ("student",) * 3})
    save_study(study, root / "results")
    run(study, root, jobs=2)
    return study, root


def test_every_cell_has_a_result(finished: tuple[Study, Path]) -> None:
    study, root = finished
    results = {file.name for file in (root / "results").glob("recordings-*.json")}
    assert results == {result_name(experiment) for experiment in study.experiments()}
    # raw's network is cssd's teacher, and finetune, basd and again teach one another.
    assert len(list((root / "runs").iterdir())) == 5 * 2


def test_results_hold_what_the_tables_need(finished: tuple[Study, Path]) -> None:
    study, root = finished
    file = root / "results" / "recordings-tiny-raw-1000hz-seed1-fold1.json"
    result = json.loads(file.read_text())
    assert result["kind"] == "measured"
    assert (result["study"], result["arm"], result["seed"]) == ("small", "tiny", 1)
    assert result["fit"]["front_end"]["rate_hz"] == 16_000
    assert result["heard_at_hz"] == 1_000
    assert len(result["scores"]["clips_target_predicted"]) == 8
    assert load_json(Study, root / "results" / "study.json") == study


def test_finished_runs_are_not_run_again(
    finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, root = finished

    def refuse(*_: object) -> str:
        raise AssertionError("trained again")

    monkeypatch.setattr(study_module, "run_tasks", refuse)
    run(study, root)
    todo = plan(study, Folders(root / "runs", root / "cache"), root / "results")
    assert not todo.waiting
    assert not todo.untested


def test_a_result_of_another_configuration_is_made_again(
    recordings: Path, finished: tuple[Study, Path]
) -> None:
    _, root = finished
    changed = a_study(recordings, arms=(Arm("tiny", dataclasses.replace(SMALL, epochs=3)),))
    todo = plan(changed, Folders(root / "runs", root / "cache"), root / "results")
    assert len(todo.untested) == 4 * 2
    assert len(todo.waiting) == 4 * 2


def test_what_was_tested_needs_no_runs(finished: tuple[Study, Path], tmp_path: Path) -> None:
    study, root = finished
    elsewhere = Folders(tmp_path / "runs", tmp_path / "cache")
    assert not plan(study, elsewhere, root / "results").waiting


def test_failures_are_named(recordings: Path, tmp_path: Path) -> None:
    broken = Arm("broken", dataclasses.replace(SMALL, network="nothing"))
    with pytest.raises(ConfigError, match="'nothing' is unknown"):
        run(a_study(recordings, arms=(broken,), methods=("finetune",)), tmp_path)
    assert not (tmp_path / "runs").exists()


KILLED = """
import sys
from pathlib import Path
from kilohear.config import load_json
from kilohear_training.fit import Folders
from kilohear_training.study import Study, run_study
from kilohear_training.workers import local_workers
if __name__ == "__main__":
    root = Path(sys.argv[2])
    folders = Folders(root / "runs", root / "cache")
    study = load_json(Study, Path(sys.argv[1]))
    run_study(study, folders, root / "results", local_workers(1), print)
"""


def test_kill_9_of_a_study_changes_no_number(recordings: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SMALL, epochs=12)
    study = a_study(
        recordings, arms=(Arm("tiny", recipe),), methods=("finetune", "cssd"), folds=(1,)
    )
    save_json(study, tmp_path / "study.json")
    script = tmp_path / "script.py"
    script.write_text(KILLED)

    def start(root: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(script), str(tmp_path / "study.json"), str(tmp_path / root)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    killed = start("killed")
    wait_for(lambda: bool(list((tmp_path / "killed").glob("runs/*/config.json"))))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not list((tmp_path / "killed").glob("results/*.json"))
    assert start("killed").wait() == 0
    assert start("whole").wait() == 0
    for experiment in study.experiments():
        name = result_name(experiment)
        both = [
            json.loads((tmp_path / root / "results" / name).read_text())
            for root in ("killed", "whole")
        ]
        assert both[0]["scores"] == both[1]["scores"]
        weights = [
            torch.load(
                tmp_path / root / "runs" / experiment.fit.name / "weights.pt", weights_only=True
            )
            for root in ("killed", "whole")
        ]
        assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_a_ray_cluster_redoes_what_a_killed_worker_lost(recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    psutil = pytest.importorskip("psutil")
    recipe = dataclasses.replace(SMALL, epochs=40)
    study = a_study(recordings, arms=(Arm("tiny", recipe),), methods=("finetune",))
    killed: list[int] = []

    def kill_one() -> None:
        wait_for(lambda: bool(list((tmp_path / "runs").glob("*/config.json"))))
        workers = [p for p in psutil.process_iter(["cmdline"]) if is_ours(p)]
        os.kill(workers[0].pid, signal.SIGKILL)
        killed.append(workers[0].pid)

    def is_ours(process: object) -> bool:
        command = process.info["cmdline"]  # type: ignore[attr-defined]
        return bool(command) and command[0].startswith("ray::_call")

    killer = threading.Thread(target=kill_one)
    killer.start()
    folders = Folders(tmp_path / "runs", tmp_path / "cache")
    run_study(study, folders, tmp_path / "results", ray_workers("local"), say_nothing)
    killer.join()
    assert killed
    assert len(list((tmp_path / "results").glob("recordings-*.json"))) == 2


def wait_for(condition: object, seconds: float = 60.0) -> None:
    """Wait until `condition` holds, or fail."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_part_of_a_study_can_be_chosen(recordings: Path) -> None:
    paper = dataclasses.replace(SMALL, preset="paper")
    study = a_study(recordings, arms=(Arm("tiny", SMALL), Arm("tiny-paper", paper)))
    part = study.only(networks=("tiny-paper",), rates_hz=(2_000,), folds=(3,), seeds=(7,))
    found = list(part.experiments())
    assert {e.arm for e in found} == {"tiny-paper"}
    assert {(e.heard_at_hz, e.fit.fold, e.fit.seed) for e in found} == {(2_000, 3, 7)}
    assert {e.arm for e in study.only(networks=("tiny",)).experiments()} == {"tiny"}
    renamed = dataclasses.replace(study, arms=(Arm("a", SMALL), Arm("b", paper)))
    assert {e.arm for e in renamed.only(networks=("tiny",)).experiments()} == {"a", "b"}
    with pytest.raises(ConfigError, match="has no network 'huge'; it has tiny, tiny-paper"):
        study.only(networks=("huge",))
    with pytest.raises(ConfigError, match="has no data set 'moon'"):
        study.only(datasets=("moon",))
    with pytest.raises(ConfigError, match="method 'magic' is unknown; use one of raw"):
        study.only(methods=("magic",))


def test_data_sets_that_are_not_here_are_left_out_and_said(
    recordings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    said: list[str] = []
    both = a_study(recordings, datasets=(str(recordings), "kitchen20"))
    assert on_this_disk(both, said.append).datasets == (str(recordings),)
    assert said[0].startswith("kitchen20 is left out: ")
    with pytest.raises(DataError, match="kitchen20"):
        on_this_disk(a_study("kitchen20"), said.append)


def test_impossible_studies_are_refused(recordings: Path) -> None:
    with pytest.raises(ConfigError, match="rates_hz is empty"):
        a_study(recordings, rates_hz=())
    with pytest.raises(ConfigError, match="isn't among"):
        a_study(recordings, arms=(Arm("tiny", SMALL, datasets=("esc10",)),))
    with pytest.raises(ConfigError, match=r"'unheard' is unknown; use one of .*table1"):
        load_study("unheard")
    with pytest.raises(KilohearError, match="no fold 9"):
        run(a_study(recordings, folds=(9,)), recordings.parent / "never")


@pytest.mark.data
@pytest.mark.parametrize("file", sorted(NAMED.glob("*.json")), ids=lambda file: file.stem)
def test_the_projects_studies_can_be_read(file: Path, data_dir: Path) -> None:
    study = load_study(file.stem)
    assert study.name == file.stem
    assert list(on_this_disk(study, say_nothing).experiments())
