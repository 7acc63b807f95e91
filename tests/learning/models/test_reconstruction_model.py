"""Models of which a part never leaves a client."""

from __future__ import annotations

import re
from typing import Any

import pytest
import tensorflow as tf

import tensorflow_federated as tff

Model: Any = tff.learning.models.ReconstructionModel
SPEC = (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1]))


def two_layers(*between: tf.keras.layers.Layer) -> tuple[Any, Any, Any]:
    body, head = tf.keras.layers.Dense(2, name="body"), tf.keras.layers.Dense(1, name="head")
    return tf.keras.Sequential([tf.keras.Input([3]), body, *between, head]), body, head


def shapes(variables) -> list[list[int]]:
    return [variable.shape.as_list() for variable in variables]


def test_layers_say_which_variables_are_global():
    norm = tf.keras.layers.BatchNormalization()
    keras_model, body, head = two_layers(norm, tf.keras.layers.Dropout(0.5))
    model = Model.from_keras_model_and_layers(
        keras_model, global_layers=[body, norm], local_layers=[head], input_spec=SPEC
    )
    assert shapes(Model.get_global_variables(model).trainable) == [[3, 2], [2], [2], [2]]
    assert shapes(Model.get_global_variables(model).non_trainable) == [[2], [2]]
    assert shapes(Model.get_local_variables(model).trainable) == [[2, 1], [1]]
    assert Model.get_local_variables(model).non_trainable == []
    assert not Model.has_only_global_variables(model)


def test_variables_of_a_layer_may_be_apart():
    keras_model, body, head = two_layers()
    model = Model.from_keras_model_and_variables(
        keras_model,
        global_trainable_variables=[*body.trainable_variables, head.kernel],
        global_non_trainable_variables=[],
        local_trainable_variables=[head.bias],
        local_non_trainable_variables=[],
        input_spec=SPEC,
    )
    assert shapes(model.local_trainable_variables) == [[1]]
    assert model.input_spec == SPEC


def test_a_forward_pass_gives_predictions_and_labels():
    keras_model, body, head = two_layers()
    model = Model.from_keras_model_and_layers(
        keras_model, global_layers=[body, head], local_layers=[], input_spec=SPEC
    )
    labels = tf.ones([4, 1])
    output = model.forward_pass((tf.ones([4, 3]), labels))
    assert output.predictions.shape == [4, 1]
    assert output.labels is labels
    assert int(output.num_examples) == 4
    assert Model.has_only_global_variables(model)


def test_a_model_that_is_not_built_is_built_from_its_input_spec():
    own, shared = tf.keras.layers.Dense(1), tf.keras.layers.Dense(2)
    model = Model.from_keras_model_and_layers(
        tf.keras.Sequential([shared, own]),
        global_layers=[shared],
        local_layers=[own],
        input_spec=SPEC,
    )
    assert shapes(model.global_trainable_variables) == [[3, 2], [2]]


@pytest.mark.parametrize(
    ("arguments", "first", "second"),
    [
        ({}, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        ({"split_dataset": True}, [0, 2, 4], [1, 3]),
        ({"recon_epochs": 2, "post_recon_steps_max": 2}, [0, 1, 2, 3, 4] * 2, [0, 1]),
        (
            {"split_dataset": True, "recon_epochs": 2, "recon_steps_max": 4},
            [0, 2, 4, 0],
            [1, 3],
        ),
        ({"split_dataset": True, "post_recon_epochs": 2}, [0, 2, 4], [1, 3, 1, 3]),
    ],
)
def test_data_are_split(arguments, first, second):
    # Source: TFF 0.87, whose operations on datasets are these.
    parts = Model.build_dataset_split_fn(**arguments)(tf.data.Dataset.range(5))
    assert [list(part.as_numpy_iterator()) for part in parts] == [first, second]


def test_the_simple_split_gives_all_data_twice():
    data = tf.data.Dataset.range(2)
    assert Model.simple_dataset_split_fn(data) == (data, data)


def test_the_variables_of_metrics_are_read():
    metric = tf.keras.metrics.MeanAbsoluteError(name="error")
    metric.update_state([1.0, 2.0], [1.0, 5.0])
    values = Model.read_metric_variables([metric])
    assert {name: [float(each) for each in value] for name, value in values.items()} == {
        "error": [1.5, 1.0]
    }


def compiled():
    model, body, head = two_layers()
    model.compile()
    return Model.from_keras_model_and_layers(
        model, global_layers=[body], local_layers=[head], input_spec=SPEC
    )


def twice():
    model, body, head = two_layers()
    return Model.from_keras_model_and_layers(
        model, global_layers=[body, head], local_layers=[head], input_spec=SPEC
    )


def forgotten():
    model, body, _ = two_layers()
    other = tf.keras.layers.Dense(1, name="other")
    other.build([None, 4])
    return Model.from_keras_model_and_layers(
        model, global_layers=[body], local_layers=[other], input_spec=SPEC
    )


def no_model():
    return Model.from_keras_model_and_layers(
        lambda: None, global_layers=[], local_layers=[], input_spec=SPEC
    )


def no_layer():
    model, _, head = two_layers()
    return Model.from_keras_model_and_layers(
        model, global_layers=["body"], local_layers=[head], input_spec=SPEC
    )


def three_elements():
    model, body, head = two_layers()
    return Model.from_keras_model_and_layers(
        model, global_layers=[body], local_layers=[head], input_spec=(*SPEC, SPEC[0])
    )


def not_built():
    return Model.from_keras_model_and_variables(
        tf.keras.Sequential([tf.keras.layers.Dense(1)]),
        global_trainable_variables=[],
        global_non_trainable_variables=[],
        local_trainable_variables=[],
        local_non_trainable_variables=[],
        input_spec=SPEC,
    )


def no_number():
    return Model.build_dataset_split_fn(recon_epochs="two")


def one_name():
    return Model.read_metric_variables([tf.keras.metrics.Mean(name="a")] * 2)


@pytest.mark.parametrize(
    "make",
    [
        compiled,
        twice,
        forgotten,
        no_model,
        no_layer,
        three_elements,
        not_built,
        no_number,
        one_name,
    ],
)
def test_errors(make, golden):
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    text = f"{type(caught.value).__name__}: {caught.value}"
    golden.check(make.__name__, re.sub(r"sequential_\d+", "sequential", text))
