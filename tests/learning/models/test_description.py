"""What is wrong with a model function, or with the model that it makes, is said in four parts."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections

import keras
import pytest
import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.learning import models, optimizers
from tensorflow_federated.learning.local_steps.descent import Descent
from tensorflow_federated.learning.models import local_loops

SPEC = (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1]))
OUTER_NETWORK = keras.Sequential(
    [keras.Input((3,)), keras.layers.Dense(1, name="dense")], name="outer"
)
OUTER_METRIC = keras.metrics.MeanAbsoluteError()


def network(inputs=3):
    return keras.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(1, name="dense")], name="network"
    )


def of_keras(keras_model=None, spec=SPEC, **options):
    loss = options.pop("loss", None) or keras.losses.MeanSquaredError()
    return models.from_keras_model(
        network() if keras_model is None else keras_model, loss, spec, **options
    )


@pytest.fixture
def fails(golden, request):
    """Checks the class and the text of the error that training a model runs into."""

    def check(expected, model_fn):
        with pytest.raises(expected) as caught:
            local_loops.build_train_loop(model_fn, Descent(optimizers.build_sgdm(0.1)))
        assert isinstance(caught.value, errors.FederatedError)
        golden.check(request.node.name, str(caught.value))

    return check


def test_a_model_in_place_of_a_function(fails):
    fails(TypeError, of_keras())


def test_a_keras_model_in_place_of_a_function(fails):
    fails(TypeError, network())


def test_no_function(fails):
    fails(TypeError, 3)


def test_a_function_with_an_argument(fails):
    def model_fn(width):
        return of_keras()

    fails(TypeError, model_fn)


@pytest.mark.parametrize("made", [None, 3, network()], ids=["nothing", "a number", "a Keras model"])
def test_a_function_that_makes_no_model(fails, made):
    def model_fn():
        return made

    fails(TypeError, model_fn)


def test_a_model_of_another_scope(fails):
    def model_fn():
        return of_keras(OUTER_NETWORK)

    fails(ValueError, model_fn)


def test_the_same_model_twice(fails):
    model = of_keras()

    def model_fn():
        return model

    fails(ValueError, model_fn)


def test_a_metric_of_another_scope(fails):
    def model_fn():
        return of_keras(metrics=[OUTER_METRIC])

    fails(ValueError, model_fn)


def test_a_model_that_is_loaded_in_the_function_is_accepted(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable(tf.ones([3, 1]))
    tf.saved_model.save(module, str(tmp_path))

    class Loaded(Handmade):
        def __init__(self):
            self.weight = tf.saved_model.load(str(tmp_path)).weight

    spec = local_loops.describe_model(Loaded)
    assert str(spec.weights_type["trainable"]) == "<float32[3,1]>"


def test_features_of_another_size(fails):
    def model_fn():
        return of_keras(network(inputs=5))

    fails(ValueError, model_fn)


def test_labels_of_a_dtype_that_the_loss_cannot_take(fails):
    def model_fn():
        return of_keras(spec=(SPEC[0], tf.TensorSpec([None, 1], tf.string)))

    fails(TypeError, model_fn)


def test_labels_of_text_that_the_model_reads_are_accepted():
    class Reading(Handmade):
        input_spec = property(lambda self: (SPEC[0], tf.TensorSpec([None, 1], tf.string)))

        def forward_pass(self, batch_input, training=True):
            features, labels = batch_input
            error = features @ self.weight - tf.strings.to_number(labels)
            return models.BatchOutput(tf.reduce_mean(error**2), num_examples=tf.shape(labels)[0])

    loop = local_loops.build_train_loop(Reading, Descent(optimizers.build_sgdm(0.1)))
    assert "str[?,1]" in str(loop.step.type_signature)


def test_the_same_is_said_by_the_evaluation():
    def model_fn():
        return of_keras(network(inputs=5))

    with pytest.raises(errors.ModelValueError, match="input_spec"):
        local_loops.build_eval_loop(model_fn)


def test_a_loss_that_is_not_a_mean(fails):
    def model_fn():
        return of_keras(loss=keras.losses.MeanSquaredError(reduction=None))

    fails(ValueError, model_fn)


class Handmade(models.VariableModel):
    def __init__(self):
        self.weight = tf.Variable(tf.ones([3, 1]))

    trainable_variables = property(lambda self: [self.weight])
    non_trainable_variables = property(lambda self: [])
    local_variables = property(lambda self: [])
    input_spec = property(lambda self: SPEC)

    def forward_pass(self, batch_input, training=True):
        return models.BatchOutput(loss=tf.reduce_sum(batch_input[0] @ self.weight), num_examples=1)

    def predict_on_batch(self, batch_input, training=True):
        return batch_input @ self.weight

    def report_local_unfinalized_metrics(self):
        return collections.OrderedDict()

    def metric_finalizers(self):
        return collections.OrderedDict()

    def reset_metrics(self):
        pass


def test_weights_that_are_no_variables(fails):
    class Wrong(Handmade):
        trainable_variables = property(lambda self: [tf.constant(1.0)])

    fails(TypeError, Wrong)


def test_a_forward_pass_that_returns_no_batch_output(fails):
    class Wrong(Handmade):
        def forward_pass(self, batch_input, training=True):
            return {"loss": 1.0}

    fails(TypeError, Wrong)


def test_a_forward_pass_without_a_loss(fails):
    class Wrong(Handmade):
        def forward_pass(self, batch_input, training=True):
            return models.BatchOutput(num_examples=1)

    fails(ValueError, Wrong)


def test_a_forward_pass_that_counts_nothing(fails):
    class Wrong(Handmade):
        def forward_pass(self, batch_input, training=True):
            return models.BatchOutput(loss=tf.reduce_sum(self.weight))

    fails(ValueError, Wrong)


def test_a_report_that_is_no_ordered_dict(fails):
    class Wrong(Handmade):
        def report_local_unfinalized_metrics(self):
            return [1.0]

    fails(TypeError, Wrong)


def test_metrics_without_finalizers(fails):
    class Wrong(Handmade):
        def report_local_unfinalized_metrics(self):
            return collections.OrderedDict(a=1.0, b=2.0)

        def metric_finalizers(self):
            return collections.OrderedDict(b=lambda x: x, c=lambda x: x)

    fails(ValueError, Wrong)


def test_an_input_spec_that_is_none(fails):
    class Wrong(Handmade):
        input_spec = property(lambda self: (SPEC[0], 3))

    fails(TypeError, Wrong)


def test_a_model_that_changes_its_form():
    sizes = iter(range(1, 9))

    class Growing(Handmade):
        def __init__(self):
            self.weight = tf.Variable(tf.ones([next(sizes), 1]))

    initial_weights = local_loops.describe_model(Growing).initial_weights
    with pytest.raises(Exception, match="models of another form each time"):
        initial_weights()


def test_a_class_that_leaves_methods_out(fails):
    class Half(models.VariableModel):
        def predict_on_batch(self, x, training=True):
            return x

    fails(TypeError, Half)
