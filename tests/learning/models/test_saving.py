"""`tff.learning.models.save` and its kin: what is not said by the rows of `test_adapters`."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

MODELS = tff.learning.models


@pytest.fixture
def model(keras_network, spec):
    return MODELS.from_keras_model(keras_network(), tf.keras.losses.MeanSquaredError(), spec)


@pytest.fixture
def folder(model, tmp_path):
    MODELS.save(model, tmp_path / "model")
    return tmp_path / "model"


def test_counters_go_on_where_they_were(model, features, labels, tmp_path):
    model.forward_pass((features, labels))
    MODELS.save(model, tmp_path)
    loaded = MODELS.load(tmp_path)
    loaded.forward_pass((features, labels))
    loss, count = loaded.report_local_unfinalized_metrics()["loss"]
    np.testing.assert_allclose((loss, count), (2 * 92.21, 8), rtol=1e-6)
    loaded.reset_metrics()
    assert float(loaded.report_local_unfinalized_metrics()["loss"][1]) == 0


def test_training_a_loaded_model_updates_batch_normalization(spec, features, labels, tmp_path):
    layers = [tf.keras.layers.BatchNormalization(), tf.keras.layers.Dense(1)]
    network = tf.keras.Sequential([tf.keras.Input((3,)), *layers])
    model = MODELS.from_keras_model(network, tf.keras.losses.MeanSquaredError(), spec)
    MODELS.save(model, tmp_path)
    loaded = MODELS.load(tmp_path)
    for each in (model, loaded):
        each.forward_pass((features, labels), training=True)
    for got, expected in zip(
        loaded.non_trainable_variables, model.non_trainable_variables, strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert np.any(loaded.non_trainable_variables[0].numpy())
    # With variables inside, clients would train one at a time.
    assert not loaded.inner_variables


@pytest.mark.parametrize("training", [True, False])
def test_predictions_have_the_gradients_of_the_model(model, folder, features, training):
    found = []
    for each in (model, MODELS.load(folder)):
        x = tf.constant(features)
        weights = list(each.trainable_variables)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(each.predict_on_batch(x, training=training) ** 2)
        found.append(tape.gradient(total, [*weights, x]))
    for expected, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_loaded_model_is_saved_with_what_its_variables_hold_now(folder, features, tmp_path):
    loaded = MODELS.load(folder)
    loaded.trainable_variables[0].assign(tf.zeros([3, 2]))
    MODELS.save(loaded, tmp_path / "again")
    again = MODELS.load(tmp_path / "again")
    np.testing.assert_array_equal(
        again.predict_on_batch(features, training=False),
        loaded.predict_on_batch(features, training=False),
    )
    assert not np.any(again.trainable_variables[0])


def test_another_type_of_batches(model, tmp_path):
    named = tff.to_type({"x": (np.float32, [4, 3]), "y": (np.float32, [4, 1])})
    MODELS.save(model, tmp_path, named)
    assert tff.to_type(MODELS.load(tmp_path).input_spec) == named


def test_it_is_replaced_as_a_whole(model, folder):
    model.trainable_variables[0].assign(tf.zeros([3, 2]))
    MODELS.save(model, folder)
    assert [each.name for each in folder.iterdir()] == ["model.tff"]
    assert not np.any(MODELS.load(folder).trainable_variables[0].numpy())


def test_a_failed_save_leaves_the_old_model(model, folder, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        MODELS.save(model, folder)
    assert [each.name for each in folder.iterdir()] == ["model.tff"]
    MODELS.load(folder)


def refuses(expected, golden, request, act, tmp_path):
    with pytest.raises(expected) as caught:
        act()
    assert isinstance(caught.value, errors.FederatedError)
    text = str(caught.value).replace(str(tmp_path), "FOLDER")
    golden.check(request.node.name, re.sub(r"expected \d+ bytes", "expected N bytes", text))


def test_what_is_no_model(golden, request, tmp_path):
    refuses(TypeError, golden, request, lambda: MODELS.save(3, "x"), tmp_path)


def test_what_is_no_functional_model(golden, request, model, tmp_path):
    refuses(TypeError, golden, request, lambda: MODELS.save_functional_model(model, "x"), tmp_path)


def test_an_empty_path(golden, request, model, tmp_path):
    refuses(ValueError, golden, request, lambda: MODELS.save(model, ""), tmp_path)


def test_what_is_no_path(golden, request, tmp_path):
    refuses(TypeError, golden, request, lambda: MODELS.load(3), tmp_path)


def test_no_such_folder(golden, request, tmp_path):
    refuses(OSError, golden, request, lambda: MODELS.load(tmp_path / "other"), tmp_path)


def test_a_folder_that_tff_wrote(golden, request, tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    refuses(ValueError, golden, request, lambda: MODELS.load(tmp_path), tmp_path)


def test_a_truncated_file(golden, request, folder, tmp_path):
    file = folder / "model.tff"
    file.write_bytes(file.read_bytes()[:100])
    refuses(ValueError, golden, request, lambda: MODELS.load(folder), tmp_path)


def test_a_changed_byte(golden, request, folder, tmp_path):
    file = folder / "model.tff"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    refuses(ValueError, golden, request, lambda: MODELS.load(folder), tmp_path)


def test_a_foreign_file(golden, request, tmp_path):
    (tmp_path / "model.tff").write_bytes(b"\x80\x04K\x01.")
    refuses(ValueError, golden, request, lambda: MODELS.load(tmp_path), tmp_path)


def test_a_model_of_another_kind(golden, request, folder, tmp_path):
    refuses(ValueError, golden, request, lambda: MODELS.load_functional_model(folder), tmp_path)


def test_weights_of_examples(golden, request, keras_network, spec, features, labels, tmp_path):
    model = MODELS.functional_model_from_keras(
        keras_network, tf.keras.losses.MeanSquaredError(), spec
    )
    MODELS.save_functional_model(model, tmp_path)
    loaded = MODELS.load_functional_model(tmp_path)
    refuses(
        ValueError, golden, request, lambda: loaded.loss(features[:, :1], labels, labels), tmp_path
    )
