from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorflow_federated.simulation.datasets import digits, in_memory


def total(*parts: in_memory.TestClientData) -> dict[str, np.ndarray]:
    examples = [part.client_examples(name) for part in parts for name in part.client_ids]
    return {name: np.concatenate([each[name] for each in examples]) for name in examples[0]}


def test_all_images_are_there_with_the_counts_of_the_original():
    images = digits.load_images()
    assert images["pixels"].shape == (1797, 8, 8)
    assert images["pixels"].dtype == np.float32
    assert images["label"].dtype == np.int32
    # From `optdigits.names` of the collection: the number of test images of each digit.
    assert np.bincount(images["label"]).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip


def test_the_first_image_is_that_of_the_original():
    first = digits.load_images()["pixels"][0] * 16
    assert first.astype(int).tolist() == [
        [0, 0, 5, 13, 9, 1, 0, 0],
        [0, 0, 13, 15, 10, 15, 5, 0],
        [0, 3, 15, 2, 0, 11, 8, 0],
        [0, 4, 12, 0, 0, 8, 8, 0],
        [0, 5, 8, 0, 0, 9, 8, 0],
        [0, 4, 11, 0, 1, 12, 7, 0],
        [0, 2, 14, 5, 10, 12, 0, 0],
        [0, 0, 6, 13, 10, 0, 0, 0],
    ]


def test_ink_is_one_and_background_is_zero():
    pixels = digits.load_images()["pixels"]
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)
    assert pixels[:, :, 0].mean() < 0.01  # Hardly anybody writes on the left edge.


def test_images_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        digits.load_images()["pixels"][0] = 0.0


def test_both_parts_have_the_same_clients():
    train, test = digits.load_data()
    assert train.client_ids == test.client_ids
    assert train.client_ids[:2] == ["client_00", "client_01"]
    assert len(train.client_ids) == 30


@settings(max_examples=20)
@given(
    num_clients=st.integers(1, 898),
    alpha=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**32),
    test_fraction=st.floats(0.01, 0.99),
)
def test_every_image_is_used_exactly_once(
    num_clients: int, alpha: float, seed: int, test_fraction: float
):
    parts = digits.load_data(num_clients, alpha, seed, test_fraction)
    images, found = digits.load_images(), total(*parts)
    for part in parts:
        assert len(part.client_ids) == num_clients
        assert all(part.has_examples(name) for name in part.client_ids)

    def rows(each: dict[str, np.ndarray]) -> list[bytes]:
        return sorted(
            bytes([label]) + image.tobytes()
            for label, image in zip(each["label"], each["pixels"], strict=True)
        )

    assert rows(found) == rows(images)


def test_about_a_fifth_is_held_out():
    train, test = digits.load_data()
    assert len(total(test)["label"]) == pytest.approx(1797 / 5, abs=15)
    assert len(total(train)["label"]) + len(total(test)["label"]) == 1797


def test_the_division_of_a_seed_is_fixed():
    train, test = digits.load_data(num_clients=5, seed=3)
    assert [len(train.client_examples(name)["label"]) for name in train.client_ids] == [
        250,
        233,
        406,
        317,
        233,
    ]
    assert test.client_examples("client_2")["label"][:8].tolist() == [4, 7, 5, 2, 8, 1, 1, 4]


def test_clients_differ_in_their_digits():
    train, _ = digits.load_data(alpha=0.1)
    most_common = [
        np.bincount(train.client_examples(name)["label"]).max()
        / len(train.client_examples(name)["label"])
        for name in train.client_ids
    ]
    assert np.mean(most_common) > 0.4


@pytest.mark.parametrize("test_fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_outside_its_range_is_refused(test_fraction: float):
    with pytest.raises(ValueError, match="`test_fraction` must lie between 0 and 1"):
        digits.load_data(test_fraction=test_fraction)


def test_too_many_clients_are_refused():
    with pytest.raises(ValueError, match="899 clients with at least 2 examples each need 1798"):
        digits.load_data(num_clients=899)


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(digits, "_SHA256", "0" * 64)
    digits._read_images.cache_clear()
    with pytest.raises(ValueError, match="is damaged") as caught:
        digits.load_images()
    assert caught.value.fix == "install the package again."  # type: ignore[attr-defined]


def test_thirty_rounds_of_federated_averaging_learn_the_digits():
    # Softmax regression as in the tutorial (5 epochs, batches of 20, SGD 0.02), 10 of the clients
    # a round, in plain NumPy: what the default division is made for.
    train, test = digits.load_data()
    generator = np.random.Generator(np.random.PCG64(0))
    weights = np.zeros((65, 10))

    def features(pixels: np.ndarray) -> np.ndarray:
        return np.concatenate([pixels.reshape(-1, 64), np.ones((len(pixels), 1))], axis=1)

    for _ in range(30):
        change, count = np.zeros_like(weights), 0
        for client_id in generator.choice(train.client_ids, 10, replace=False):
            examples = train.client_examples(str(client_id))
            x, y, local = features(examples["pixels"]), examples["label"], weights.copy()
            order = np.concatenate([generator.permutation(len(y)) for _ in range(5)])
            for batch in np.split(order, range(20, len(order), 20)):
                scores = np.exp(x[batch] @ local)
                error = scores / scores.sum(1, keepdims=True) - np.eye(10)[y[batch]]
                local -= 0.02 * x[batch].T @ error / len(batch)
            change += len(order) * (local - weights)
            count += len(order)
        weights += change / count
    held_out = total(test)
    predicted = (features(held_out["pixels"]) @ weights).argmax(1)
    assert (predicted == held_out["label"]).mean() > 0.85


def test_without_tensorflow_all_but_datasets_works():
    program = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('tensorflow', 'keras', 'sklearn'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Blocker())
from tensorflow_federated.simulation import datasets

train, test = datasets.digits.load_data()
print(len(train.client_ids), train.client_examples('client_00')['pixels'].shape[1:])
synthetic = datasets.emnist.get_synthetic()
print(synthetic.client_examples('synthetic1')['pixels'].shape)
part, _ = datasets.ClientData.train_test_client_split(train, 3, seed=0)
print(len(part.client_ids))
for attempt in (
    lambda: train.create_tf_dataset_for_client('client_00'),
    lambda: train.element_type_structure,
    lambda: train.create_tf_dataset_from_all_clients(),
    lambda: part.serializable_dataset_fn,
):
    try:
        attempt()
    except ImportError as error:
        print(error.summary, error.fix)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    needs = 'needs the extra `tensorflow`, which is not installed. pip install "tff-ng[tensorflow]"'
    assert done.stdout.splitlines() == [
        "30 (8, 8)",
        "(10, 28, 28)",
        "27",
        f"`create_tf_dataset_for_client` {needs}",
        f"`element_type_structure` {needs}",
        f"`create_tf_dataset_from_all_clients` {needs}",
        f"`serializable_dataset_fn` {needs}",
    ]
