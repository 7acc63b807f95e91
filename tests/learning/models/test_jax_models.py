"""Functional models of JAX: in algorithms, against closed forms and against TensorFlow."""

# The models here are written as users write them.

from __future__ import annotations

import collections
import concurrent.futures
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff
from tensorflow_federated.core import errors

MODELS = tff.learning.models
NUM_FEATURES, NUM_LABELS, BATCH_SIZE = 4, 3, 5
SPEC = (tff.TensorType(np.float32, [None, NUM_FEATURES]), tff.TensorType(np.int32, [None]))


@jax.jit
def predict(model_weights, x, training):
    del training
    (kernel, bias), _ = model_weights
    return x @ kernel + bias


def cross_entropy(output, label, sample_weight=None):
    del sample_weight
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(output), label[:, None], axis=1))


def is_right(labels, batch_output):
    return jnp.argmax(batch_output.predictions, axis=1) == labels


MEANS = tff.learning.metrics.create_mean_metric_fns(
    {"loss": lambda labels, output: output.loss, "accuracy": is_right}
)


def zeros():
    return [np.zeros([NUM_FEATURES, NUM_LABELS], np.float32), np.zeros([NUM_LABELS], np.float32)]


def softmax(**arguments):
    """A softmax regression; arguments replace those of the constructor."""
    good = {
        "initial_weights": (zeros(), []),
        "predict_on_batch_fn": predict,
        "loss_fn": cross_entropy,
        "metrics_fns": MEANS,
        "input_spec": SPEC,
    }
    return MODELS.FunctionalModel(**{**good, **arguments})


def tensorflow_softmax():
    """The same model in TensorFlow."""

    @tf.function
    def predict_in_tensorflow(model_weights, x, training):
        del training
        (kernel, bias), _ = model_weights
        return tf.matmul(x, kernel) + bias

    def loss(output, label, sample_weight=None):
        del sample_weight
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(label, output))

    def is_right_in_tensorflow(labels, output):
        return tf.equal(tf.argmax(output.predictions, axis=1, output_type=tf.int32), labels)

    return MODELS.FunctionalModel(
        initial_weights=(zeros(), []),
        predict_on_batch_fn=predict_in_tensorflow,
        loss_fn=loss,
        metrics_fns=tff.learning.metrics.create_mean_metric_fns(
            {"loss": lambda labels, output: output.loss, "accuracy": is_right_in_tensorflow}
        ),
        input_spec=(
            tf.TensorSpec([None, NUM_FEATURES], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ),
    )


def clients(seed, sizes=(0, 1, 7, 5, 12)):
    """The features and labels of clients."""
    generator = np.random.default_rng(seed)
    return [
        (
            generator.standard_normal((size, NUM_FEATURES)).astype(np.float32),
            generator.integers(0, NUM_LABELS, size).astype(np.int32),
        )
        for size in sizes
    ]


def batched(data):
    """The batches of each client; the last one has what is left."""
    return [
        [
            (x[start : start + BATCH_SIZE], y[start : start + BATCH_SIZE])
            for start in range(0, len(x), BATCH_SIZE)
        ]
        for x, y in data
    ]


def sgd(learning_rate=0.1):
    return tff.learning.optimizers.build_sgdm(learning_rate)


def probabilities(kernel, bias, x):
    scores = np.exp(x @ kernel + bias)
    return scores / scores.sum(1, keepdims=True)


def trained_by_hand(batches, learning_rate):
    """The weights of a client after gradient descent from zeros, in double precision."""
    kernel, bias = np.zeros((NUM_FEATURES, NUM_LABELS)), np.zeros(NUM_LABELS)
    for x, y in batches:
        error = (probabilities(kernel, bias, x) - np.eye(NUM_LABELS)[y]) / len(x)
        kernel, bias = kernel - learning_rate * x.T @ error, bias - learning_rate * error.sum(0)
    return kernel, bias


# One seed is enough to see a mistake; the others are slow tests.
SEEDS = pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
@SEEDS
def test_federated_averaging_is_that_of_the_paper(seed):
    data = clients(seed)
    process = tff.learning.algorithms.build_weighted_fed_avg(softmax(), sgd())
    state, _ = process.next(process.initialize(), batched(data))
    weights = process.get_model_weights(state).trainable
    trained = [trained_by_hand(batches, 0.1) for batches in batched(data)]
    counts = [len(y) for _, y in data]
    for index in range(2):
        expected = np.average([each[index] for each in trained], axis=0, weights=counts)
        np.testing.assert_allclose(weights[index], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_models_with_metrics_are_trained_by_workers():
    data = batched(clients(0))
    process = tff.learning.algorithms.build_weighted_fed_avg(softmax(), sgd())
    start = process.initialize()
    here, expected = process.next(start, data)
    with (
        concurrent.futures.ThreadPoolExecutor(1) as executor,
        tff.backends.native.create_executor_context(executor),
    ):
        there, metrics = process.next(start, data)
    for one, other in zip(weights_of(here), weights_of(there), strict=True):
        np.testing.assert_array_equal(one, other)
    assert metrics["client_work"]["train"] == pytest.approx(expected["client_work"]["train"])


def weights_of(state):
    return state.global_model_weights.trainable


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        tff.learning.algorithms.build_weighted_fed_avg,
        pytest.param(tff.learning.algorithms.build_unweighted_fed_avg, marks=pytest.mark.slow),
    ],
)
@SEEDS
def test_training_is_that_of_the_same_model_in_tensorflow(build, seed):
    data = batched(clients(seed))
    results: list[tuple[Any, Any]] = []
    for model in (softmax(), tensorflow_softmax()):
        process = build(model, tff.learning.optimizers.build_sgdm(0.1, momentum=0.5))
        state, _ = process.next(process.initialize(), data)
        state, metrics = process.next(state, data)
        results.append((process.get_model_weights(state), metrics))
    (ours, our_metrics), (theirs, their_metrics) = results
    for a, b in zip(ours.trainable, theirs.trainable, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for name in ("loss", "accuracy"):
        train, expected = (each["client_work"]["train"] for each in (our_metrics, their_metrics))
        assert train[name] == pytest.approx(expected[name], rel=1e-5)


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_evaluation_is_that_of_the_same_model_in_tensorflow():
    data = batched(clients(0))
    generator = np.random.default_rng(1)
    weights = MODELS.ModelWeights(
        [generator.standard_normal(each.shape).astype(np.float32) for each in zeros()], []
    )
    found = []
    for model in (softmax(), tensorflow_softmax()):
        process = tff.learning.algorithms.build_fed_eval(model)
        state = process.set_model_weights(process.initialize(), weights)
        _, metrics = process.next(state, data)
        found.append(metrics["client_work"]["eval"]["current_round_metrics"])
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-5)
    assert found[0]["accuracy"] == found[1]["accuracy"]


@pytest.mark.parametrize(
    "build",
    [
        lambda model: tff.learning.algorithms.build_weighted_fed_avg(model, sgd()),
        lambda model: tff.learning.algorithms.build_unweighted_fed_avg(model, sgd()),
        tff.learning.algorithms.build_fed_eval,
    ],
)
def test_the_types_are_those_of_tensorflow(build):
    ours, theirs = build(softmax()), build(tensorflow_softmax())
    assert str(ours.initialize.type_signature) == str(theirs.initialize.type_signature)
    assert str(ours.next.type_signature) == str(theirs.next.type_signature)


@pytest.mark.slow
@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_without_metrics_it_reports_none():
    process = tff.learning.algorithms.build_weighted_fed_avg(
        MODELS.FunctionalModel(
            initial_weights=(zeros(), []),
            predict_on_batch_fn=predict,
            loss_fn=cross_entropy,
            input_spec=SPEC,
        ),
        sgd(),
    )
    _, metrics = process.next(process.initialize(), batched(clients(0)))
    assert metrics["client_work"]["train"] == collections.OrderedDict()


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_a_client_with_nan_counts_for_nothing():
    data = clients(0, sizes=(6, 3))
    bad = clients(1, sizes=(4,))
    bad[0][0][0, 0] = np.nan
    process = tff.learning.algorithms.build_weighted_fed_avg(softmax(), sgd())
    state, metrics = process.next(process.initialize(), batched(data + bad))
    expected, expected_metrics = process.next(process.initialize(), batched(data))
    for a, b in zip(
        process.get_model_weights(state).trainable,
        process.get_model_weights(expected).trainable,
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    train = metrics["client_work"]["train"]
    assert train["loss"] == pytest.approx(expected_metrics["client_work"]["train"]["loss"])


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_clients_without_examples_leave_the_weights():
    process = tff.learning.algorithms.build_weighted_fed_avg(softmax(), sgd())
    state, metrics = process.next(process.initialize(), [[], []])
    np.testing.assert_array_equal(process.get_model_weights(state).trainable[0], zeros()[0])
    assert metrics["client_work"]["train"]["loss"] == 0.0


class Affine(NamedTuple):
    kernel: np.ndarray
    bias: np.ndarray


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("weights", "read"),
    [
        pytest.param(tuple(zeros()), lambda w: w, marks=pytest.mark.slow),
        (Affine(*zeros()), lambda w: w),
        (
            {"linear/~": {"w": zeros()[0]}, "bias": {"b": zeros()[1]}},
            lambda w: (w["linear/~"]["w"], w["bias"]["b"]),
        ),
        pytest.param(list(map(jnp.asarray, zeros())), lambda w: w, marks=pytest.mark.slow),
    ],
    ids=["tuple", "named tuple", "nested dicts", "arrays of JAX"],
)
def test_weights_in_structures(weights, read):
    def predict_of(model_weights, x, training):
        kernel, bias = read(model_weights[0])
        return predict(([kernel, bias], []), x, training)

    model = softmax(initial_weights=(weights, []), predict_on_batch_fn=jax.jit(predict_of))
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    data = batched(clients(0, sizes=(7,)))
    state, _ = process.next(process.initialize(), data)
    kernel, _ = read(process.get_model_weights(state).trainable)
    np.testing.assert_allclose(kernel, trained_by_hand(data[0], 0.1)[0], rtol=1e-4, atol=1e-6)


def test_arrays_of_jax_make_a_plain_function_one_of_jax():
    model = softmax(
        initial_weights=(list(map(jnp.asarray, zeros())), []),
        predict_on_batch_fn=lambda weights, x, training: x @ weights[0][0] + weights[0][1],
    )
    assert model.framework == "jax"


@pytest.mark.slow
def test_weights_that_training_leaves_alone():
    def scaled(model_weights, x, training):
        (kernel,), (scale,) = model_weights
        del training
        return scale * (x @ kernel)

    scale = np.float32(2.0)
    model = softmax(initial_weights=([zeros()[0]], [scale]), predict_on_batch_fn=jax.jit(scaled))
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    state, _ = process.next(process.initialize(), batched(clients(0)))
    weights = process.get_model_weights(state)
    assert weights.non_trainable == [scale]
    assert np.abs(weights.trainable[0]).max() > 0


@pytest.mark.parametrize(
    "spec",
    [
        (jax.ShapeDtypeStruct((None, 4), np.float32), jax.ShapeDtypeStruct((None,), np.int32)),
        ((np.float32, [None, 4]), (np.int32, [None])),
        {"x": tff.TensorType(np.float32, [None, 4]), "y": tff.TensorType(np.int32, [None])},
        (tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.int32)),
        tff.to_type(((np.float32, [None, 4]), (np.int32, [None]))),
    ],
    ids=["JAX", "NumPy", "names", "TensorFlow", "type"],
)
def test_forms_of_the_input_spec(spec):
    process = tff.learning.algorithms.build_fed_eval(softmax(input_spec=spec))
    parameter: Any = process.next.type_signature.parameter
    data = parameter[1].member.element
    assert [str(each) for each in data] == ["float32[?,4]", "int32[?]"]


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "options", [{}, pytest.param({"static_argnames": ("training",)}, marks=pytest.mark.slow)]
)
def test_training_is_a_bool_of_python(options):
    def predict_or_fail(model_weights, x, training):
        scale = 1.0 if training else 0.0
        return scale * predict(model_weights, x, training)

    model = softmax(predict_on_batch_fn=jax.jit(predict_or_fail, **options))
    x = np.ones([2, NUM_FEATURES], np.float32)
    weights = ([zeros()[0] + 1, zeros()[1]], [])
    np.testing.assert_array_equal(model.predict_on_batch(weights, x, training=False), 0)
    np.testing.assert_array_equal(model.predict_on_batch(weights, x), NUM_FEATURES)
    process = tff.learning.algorithms.build_fed_eval(model)
    _, metrics = process.next(process.initialize(), batched(clients(0)))
    evaluated = metrics["client_work"]["eval"]["current_round_metrics"]
    assert evaluated["loss"] == pytest.approx(np.log(NUM_LABELS), rel=1e-5)


def test_its_methods_run_outside_of_computations():
    model = softmax()
    x, y = clients(0, sizes=(6,))[0]
    predictions = model.predict_on_batch(model.initial_weights, x)
    assert float(model.loss(predictions, y)) == pytest.approx(np.log(NUM_LABELS), rel=1e-5)
    output = MODELS.BatchOutput(model.loss(predictions, y), predictions, len(y))
    state = model.update_metrics_state(model.initialize_metrics_state(), y, output)
    state = model.update_metrics_state(state, y, output)
    metrics = model.finalize_metrics(state)
    assert float(metrics["accuracy"]) == pytest.approx(np.mean(y == 0))


@pytest.mark.slow
def test_the_code_of_a_model_has_32_bits():
    found = []

    def predict_and_note(model_weights, x, training):
        found.append(jnp.zeros(3).dtype)
        return predict(model_weights, x, training)

    model = softmax(predict_on_batch_fn=jax.jit(predict_and_note))
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    process.next(process.initialize(), batched(clients(0)))
    assert set(found) == {np.dtype(np.float32)}


@pytest.mark.slow
@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_weights_of_64_bits_keep_them():
    weights = [each.astype(np.float64) for each in zeros()]
    model = softmax(
        initial_weights=(weights, []),
        input_spec=((np.float64, [None, NUM_FEATURES]), (np.int64, [None])),
    )
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    x, y = clients(0, sizes=(7,))[0]
    data = batched([(x.astype(np.float64), y.astype(np.int64))])
    state, _ = process.next(process.initialize(), data)
    kernel, _ = process.get_model_weights(state).trainable
    # The learning rate is a float32.
    np.testing.assert_allclose(kernel, trained_by_hand(data[0], np.float32(0.1))[0], rtol=1e-6)


def noisy(model_weights, x, training, key):
    """Predicts with dropped features."""
    if training:
        x = x * jax.random.bernoulli(key, 0.5, x.shape)
    return predict(model_weights, x, training)


@pytest.mark.slow
def test_a_random_key_differs_by_client_and_batch():
    drawn = []

    def predict_and_note(model_weights, x, training, key):
        jax.debug.callback(lambda bits: drawn.append(int(bits)), jax.random.bits(key))
        return noisy(model_weights, x, training, key)

    model = softmax(predict_on_batch_fn=jax.jit(predict_and_note))
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    state = process.initialize()
    drawn.clear()
    process.next(state, batched(clients(0, sizes=(10, 10))))
    jax.effects_barrier()
    assert len(set(drawn)) == len(drawn) == 4


@pytest.mark.slow
def test_random_features_are_drawn_again_in_the_same_way(engine):
    del engine
    model = softmax(predict_on_batch_fn=jax.jit(noisy))
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    state, _ = process.next(process.initialize(), batched(clients(0)))
    exact = softmax()
    plain = tff.learning.algorithms.build_weighted_fed_avg(exact, sgd())
    other, _ = plain.next(plain.initialize(), batched(clients(0)))
    kernel = process.get_model_weights(state).trainable[0]
    assert np.all(np.isfinite(kernel))
    assert np.abs(kernel - plain.get_model_weights(other).trainable[0]).max() > 1e-4


def test_computations_of_jax_inside_a_model():
    @tff.jax.computation
    def doubled(x):
        return 2 * x

    def predict_doubled(model_weights, x, training):
        return doubled(predict(model_weights, x, training))

    process = tff.learning.algorithms.build_fed_eval(
        softmax(predict_on_batch_fn=jax.jit(predict_doubled))
    )
    _, metrics = process.next(process.initialize(), batched(clients(0)))
    loss = metrics["client_work"]["eval"]["total_rounds_metrics"]["loss"]
    assert loss == pytest.approx(np.log(NUM_LABELS), rel=1e-5)


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_metrics_by_hand_in_dicts():
    def initialize():
        return {"total": jnp.zeros(()), "batches": jnp.zeros((), jnp.int32)}

    def update(state, labels, batch_output, sample_weight=None):
        del sample_weight
        return {
            "batches": state["batches"] + 1,
            "total": state["total"] + labels.sum() + 0 * batch_output.num_examples,
        }

    model = softmax(
        metrics_fns=(initialize, update, lambda state: {"sum": state["total"], **state})
    )
    process = tff.learning.algorithms.build_fed_eval(model)
    data = clients(0)
    _, metrics = process.next(process.initialize(), batched(data))
    metrics = metrics["client_work"]["eval"]["current_round_metrics"]
    assert metrics["batches"] == 7
    assert metrics["sum"] == metrics["total"] == sum(int(y.sum()) for _, y in data)


@pytest.mark.slow
def test_it_runs_without_tensorflow(run_python):
    printed = run_python(
        """
        import sys
        sys.modules["tensorflow"] = None
        sys.modules["keras"] = None
        import jax, jax.numpy as jnp, numpy as np
        import tensorflow_federated as tff

        model = tff.learning.models.FunctionalModel(
            initial_weights=([np.zeros([2, 1], np.float32)], []),
            predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
            loss_fn=lambda output, label, sample_weight=None: jnp.mean((output - label) ** 2),
            metrics_fns=tff.learning.metrics.create_mean_metric_fns(
                {"loss": lambda labels, output: output.loss}
            ),
            input_spec=((np.float32, [None, 2]), (np.float32, [None, 1])),
        )
        sgd = tff.learning.optimizers.build_sgdm(0.5)
        process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
        batch = (np.float32([[1.0, 0.0]]), np.float32([[3.0]]))
        state, metrics = process.next(process.initialize(), [[batch]])
        evaluation = tff.learning.algorithms.build_fed_eval(model)
        weights = process.get_model_weights(state)
        evaluated = evaluation.set_model_weights(evaluation.initialize(), weights)
        _, after = evaluation.next(evaluated, [[batch]])
        print(weights.trainable[0].tolist(), metrics["client_work"]["train"]["loss"])
        print(after["client_work"]["eval"]["current_round_metrics"]["loss"])
        """
    )
    assert printed.split("\n")[:2] == ["[[3.0], [0.0]] 9.0", "0.0"]


WRONG = {
    "a tf.function and arrays of JAX": lambda: softmax(
        initial_weights=(list(map(jnp.asarray, zeros())), []),
        predict_on_batch_fn=tf.function(lambda weights, x, training: x),
    ),
    "a loss of TensorFlow": lambda: softmax(loss_fn=tf.function(lambda output, label, weight: 0.0)),
    "metrics of TensorFlow": lambda: softmax(
        metrics_fns=tff.learning.metrics.create_functional_metric_fns(
            collections.OrderedDict(loss=tf.keras.metrics.Mean)
        )
    ),
    "a loss without weights": lambda: softmax(loss_fn=lambda output, label: 0.0),
    "predictions that are not told of training": lambda: softmax(
        predict_on_batch_fn=jax.jit(lambda weights, x: x)
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_parts_that_do_not_fit_together(case, golden):
    with pytest.raises(errors.ModelError) as caught:
        WRONG[case]()
    golden.check(f"test_parts_that_do_not_fit_together[{case}]", str(caught.value))


def _in_an_algorithm(**arguments):
    return tff.learning.algorithms.build_weighted_fed_avg(softmax(**arguments), sgd())


class Halving(tff.learning.optimizers.Optimizer):
    """An optimizer as users write them in TensorFlow."""

    def initialize(self, specs):
        return ()

    def next(self, state, weights, gradients):
        return state, weights


WRONG_IN_ALGORITHMS = {
    "features of another shape": lambda: _in_an_algorithm(
        input_spec=((np.float32, [None, 7]), (np.int32, [None]))
    ),
    "a loss for each example": lambda: _in_an_algorithm(
        loss_fn=lambda output, label, weight=None: output[:, 0]
    ),
    "no loss": lambda: _in_an_algorithm(loss_fn=lambda output, label, weight=None: None),
    "a scalar as prediction": lambda: _in_an_algorithm(
        predict_on_batch_fn=jax.jit(lambda weights, x, training: x.sum()),
        loss_fn=lambda output, label, weight=None: output,
    ),
    "an if on an array": lambda: _in_an_algorithm(
        loss_fn=lambda output, label, weight=None: jnp.mean(output) if label[0] else 0.0
    ),
    "metrics without names": lambda: _in_an_algorithm(
        metrics_fns=(lambda: (jnp.zeros(()),), lambda state, *_: state, lambda state: state)
    ),
    "metrics of another type": lambda: _in_an_algorithm(
        metrics_fns=(
            lambda: {"n": jnp.zeros((), jnp.int32)},
            lambda state, labels, *_: {"n": state["n"] + 0.5},
            lambda state: state,
        )
    ),
    "whole numbers to train": lambda: _in_an_algorithm(
        initial_weights=([np.zeros([4, 3], np.int32), zeros()[1]], [])
    ),
    "labels of text": lambda: _in_an_algorithm(
        input_spec=((np.float32, [None, 4]), (np.str_, [None]))
    ),
    "no labels": lambda: _in_an_algorithm(input_spec=((np.float32, [None, 4]),)),
    "no spec": lambda: _in_an_algorithm(input_spec=3),
    "other names": lambda: _in_an_algorithm(
        input_spec={"a": (np.float32, [None, 4]), "b": (np.int32, [None])}
    ),
    "an optimizer of TensorFlow": lambda: tff.learning.algorithms.build_weighted_fed_avg(
        softmax(), Halving()
    ),
    "variables": lambda: MODELS.model_from_functional(softmax()),
}


@pytest.mark.parametrize("case", WRONG_IN_ALGORITHMS)
def test_models_that_algorithms_cannot_use(case, golden):
    with pytest.raises(errors.FederatedError) as caught:
        WRONG_IN_ALGORITHMS[case]()
    golden.check(f"test_models_that_algorithms_cannot_use[{case}]", str(caught.value))
