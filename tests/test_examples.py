"""The examples run to their end, show their progress, and leave what they say they leave."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def run_example(
    repository: pathlib.Path, name: str, folder: pathlib.Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(repository / "examples" / name), "--output", str(folder), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", params=["image_classification.py", "custom_model.py"])
def finished(
    request: pytest.FixtureRequest,
    repository: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, pathlib.Path]:
    """What an example printed in three rounds, and the folder it wrote to."""
    folder = tmp_path_factory.mktemp("output")
    done = run_example(repository, request.param, folder, "--rounds", "3")
    assert done.returncode == 0, done.stderr
    return done.stdout, folder


def test_each_round_is_one_line(finished: tuple[str, pathlib.Path]):
    printed, _ = finished
    rounds = re.findall(
        r"^round +(\d+) +loss +[\d.]+ +accuracy [\d.]+ +clients +10 +examples +\d+ +[\d.]+ s$",
        printed,
        re.MULTILINE,
    )
    assert rounds == ["1", "2", "3"]


def test_the_loss_falls(finished: tuple[str, pathlib.Path]):
    printed, _ = finished
    losses = [float(loss) for loss in re.findall(r"^round .*loss +([\d.]+)", printed, re.MULTILINE)]
    assert losses[-1] < losses[0]


def test_everything_it_names_is_there(finished: tuple[str, pathlib.Path]):
    printed, folder = finished
    named = re.findall(rf"^[\w' ]+: +({re.escape(str(folder))}\S+)$", printed, re.MULTILINE)
    assert {pathlib.Path(path).name for path in named} == {
        "client_digits.png",
        "label_counts.png",
        "curves.png",
        "logs",
        "model.keras",
    }
    assert all(pathlib.Path(path).exists() for path in named)


def test_the_saved_model_opens_and_predicts(finished: tuple[str, pathlib.Path]):
    import keras

    _, folder = finished
    model: Any = keras.models.load_model(folder / "model.keras")
    scores = model.predict(np.zeros([2, 64], np.float32), verbose=0)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)


def test_tensorboard_reads_the_scalars(finished: tuple[str, pathlib.Path]):
    from tensorboard.backend.event_processing import event_accumulator

    _, folder = finished
    [train] = (folder / "logs").glob("*/train")
    events = event_accumulator.EventAccumulator(str(train)).Reload()
    assert [event.step for event in events.Tensors("loss")] == [1, 2, 3]


def test_more_clients_than_there_are_is_an_error_of_one_line(
    repository: pathlib.Path, tmp_path: pathlib.Path
):
    done = run_example(
        repository, "image_classification.py", tmp_path, "--clients-per-round", "100000"
    )
    assert done.returncode == 1
    assert re.search(r"^--clients-per-round 100000: there are \d+ clients\.$", done.stderr, re.M)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "many"], "--rounds: many is not a whole number of at least 1"),
        (["--seed", "-1"], "--seed: -1 is not a whole number of at least 0"),
    ],
)
def test_a_wrong_argument_is_an_error_of_one_line(
    repository: pathlib.Path, tmp_path: pathlib.Path, arguments: list[str], message: str
):
    done = run_example(repository, "image_classification.py", tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: argument {message}\n")


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(
    repository: pathlib.Path, tmp_path: pathlib.Path
):
    taken = tmp_path / "file"
    taken.touch()
    done = run_example(repository, "image_classification.py", taken, "--rounds", "1")
    assert done.returncode == 1
    assert done.stderr.endswith(f"--output {taken}: File exists\n")


def test_data_that_cannot_be_had_is_told_without_a_traceback(
    repository: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TFF_DATA_DIR", str(tmp_path))
    (tmp_path / "emnist_all.sqlite").write_bytes(b"no database" * 1000)
    folder = tmp_path / "output"
    done = run_example(repository, "image_classification.py", folder, "--dataset", "emnist")
    assert done.returncode == 1
    assert "--dataset emnist: `emnist_all.sqlite` is not a usable file" in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()


@pytest.mark.parametrize("name", ["jax_model.py", "keras_on_jax.py"])
def test_the_models_on_jax_learn_without_tensorflow(repository: pathlib.Path, name: str):
    path = repository / "examples" / name
    program = f"""
import runpy, sys
sys.modules["tensorflow"] = None
sys.argv = [{name!r}, "--rounds", "10"]
runpy.run_path({str(path)!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rounds = re.findall(r"^round +(\d+): loss [\d.]+, accuracy [\d.]+$", done.stdout, re.MULTILINE)
    assert rounds == [str(number) for number in range(1, 11)]
    [accuracy] = re.findall(r"^held out : loss [\d.]+, accuracy ([\d.]+)$", done.stdout, re.M)
    assert float(accuracy) > 0.5


def test_the_model_of_characters_learns_and_writes(repository: pathlib.Path):
    done = subprocess.run(
        [sys.executable, str(repository / "examples" / "text_generation.py"), "--rounds", "3"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = re.findall(r"^round +\d+: loss ([\d.]+), accuracy [\d.]+$", done.stdout, re.MULTILINE)
    assert len(losses) == 3
    assert float(losses[-1]) < float(losses[0]) - 0.3
    [accuracy] = re.findall(r"^held out : loss [\d.]+, accuracy ([\d.]+)$", done.stdout, re.M)
    assert float(accuracy) > 0.2
    [_, written] = done.stdout.split("What of it, you ask? ")
    assert len(written) == 200 + len("\n")


@pytest.mark.parametrize("name", ["processes.py", "dask_cluster.py", "ray_cluster.py"])
def test_workers_give_the_weights_that_this_process_gives(repository: pathlib.Path, name: str):
    done = subprocess.run(
        [sys.executable, str(repository / "examples" / name)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the weights are the same\n")
