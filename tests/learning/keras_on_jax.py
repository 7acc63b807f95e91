"""What holds of Keras on JAX, where TensorFlow cannot be imported.

Keras has one back end in a process, so these tests have a process of their own:
`test_keras_on_jax` runs this file and reports what comes out. It also calls `result_of`, with Keras
on TensorFlow, and leaves the results for `reference`: the two have to agree, from the same weights.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import functools
import importlib.abc
import itertools
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"


class Absent(importlib.abc.MetaPathFinder):
    """Stands in for an environment in which TensorFlow was never installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


if ON_JAX:
    sys.meta_path.insert(0, Absent())

import keras  # noqa: E402

import tensorflow_federated as tff  # noqa: E402
from tensorflow_federated.core import contexts as context_stack  # noqa: E402
from tensorflow_federated.core import errors  # noqa: E402
from tensorflow_federated.execution import contexts, local, pool, pool_executors  # noqa: E402
from tensorflow_federated.execution.settings import Settings  # noqa: E402
from tensorflow_federated.learning import models  # noqa: E402

SIDE = 8
CLIENT_SIZES = (20, 7, 0, 13)
BATCH_SIZE = 8
ROUNDS = 3

layers, losses = keras.layers, keras.losses


def mlp() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def cnn() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Conv2D(4, 3, padding="same", activation="relu", kernel_regularizer="l2"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dropout(0.0),
            layers.Dense(3, activation="softmax"),
        ]
    )


def normalized() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Flatten(),
            layers.BatchNormalization(momentum=0.9),
            layers.Dense(3, activation="softmax"),
        ]
    )


SPEC = collections.OrderedDict(
    x=tff.TensorType(np.float32, [None, SIDE, SIDE]), y=tff.TensorType(np.int32, [None, 1])
)


def model_fn_of(network: Callable[[], keras.Model]) -> Callable[[], models.VariableModel]:
    def model_fn() -> models.VariableModel:
        return models.from_keras_model(
            network(),
            loss=losses.SparseCategoricalCrossentropy(),
            input_spec=SPEC,
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )

    return model_fn


def functional(network: Callable[[], keras.Model]) -> models.FunctionalModel:
    return models.functional_model_from_keras(
        network(),
        losses.SparseCategoricalCrossentropy(),
        SPEC,
        collections.OrderedDict(
            accuracy=keras.metrics.SparseCategoricalAccuracy,
            num_examples=tff.learning.metrics.NumExamplesCounter,
        ),
    )


def client_data() -> list[list[Any]]:
    """The batches of the clients; the last of one is shorter than the others."""
    generator = np.random.default_rng(5)
    clients = []
    for size in CLIENT_SIZES:
        x = generator.standard_normal((size, SIDE, SIDE)).astype(np.float32)
        y = generator.integers(0, 3, (size, 1)).astype(np.int32)
        starts = range(0, size, BATCH_SIZE)
        clients.append(
            [
                collections.OrderedDict(x=x[i : i + BATCH_SIZE], y=y[i : i + BATCH_SIZE])
                for i in starts
            ]
        )
    return clients


def drawn_like(weights: Any) -> models.ModelWeights:
    """Weights of the form of others, the same with each framework."""
    generator = np.random.default_rng(9)
    return models.ModelWeights(
        type(weights.trainable)(
            (0.3 * generator.standard_normal(np.shape(each))).astype(np.float32)
            for each in weights.trainable
        ),
        weights.non_trainable,
    )


def sgd(learning_rate: float = 0.1) -> Any:
    return tff.learning.optimizers.build_sgdm(learning_rate)


def trained(model: Any, rounds: int = ROUNDS) -> tuple[Any, models.ModelWeights, list[Any]]:
    """Federated averaging: the process, the weights afterwards, and the metrics of the rounds."""
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    state = process.initialize()
    start = drawn_like(process.get_model_weights(state))
    state, found = process.set_model_weights(state, start), []
    for _ in range(rounds):
        state, metrics = process.next(state, client_data())
        found.append(dict(metrics["client_work"]["train"]))
    return process, process.get_model_weights(state), found


MODELS: dict[str, Callable[[], Any]] = {
    "mlp": lambda: model_fn_of(mlp),
    "functional mlp": lambda: functional(mlp),
    "cnn": lambda: model_fn_of(cnn),
    "normalized": lambda: model_fn_of(normalized),
}
# A name of a model, and what is done with it.
FAST_CASES = (("normalized", "training"),)
SLOW_CASES = tuple(
    case for case in itertools.product(MODELS, ("training", "evaluation")) if case not in FAST_CASES
)


@functools.cache
def training_of(name: str) -> tuple[Any, Any, models.ModelWeights, list[Any]]:
    """A model, and what it is trained to."""
    model = MODELS[name]()
    return model, *trained(model)


@functools.cache
def result_of(name: str, part: str) -> dict[str, Any]:
    """What a model does with the framework of this process; it is evaluated after training."""
    model, process, weights, metrics = training_of(name)
    if part == "evaluation":
        process = tff.learning.algorithms.build_fed_eval(model)
        state = process.set_model_weights(process.initialize(), weights)
        evaluated = process.next(state, client_data()).metrics["client_work"]["eval"]
        metrics = [evaluated["current_round_metrics"]]
    return {
        "types": [str(each.type_signature) for each in (process.initialize, process.next)],
        "trainable": [np.asarray(each) for each in weights.trainable],
        "non_trainable": [np.asarray(each) for each in weights.non_trainable],
        "metrics": [{key: np.asarray(value) for key, value in each.items()} for each in metrics],
    }


if ON_JAX:
    from tests.learning.models import keras_layers

    @pytest.fixture(scope="module")
    def reference() -> dict[tuple[str, str], Any]:
        """The results with Keras on TensorFlow."""
        with open(os.environ["RESULTS_ON_TENSORFLOW"], "rb") as file:
            return pickle.load(file)

    CASES = [*FAST_CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW_CASES)]

    @pytest.mark.parametrize(("name", "part"), CASES)
    def test_rounds_are_those_of_keras_on_tensorflow(name, part, reference):
        ours, theirs = result_of(name, part), reference[name, part]
        for a, b in zip(ours["metrics"], theirs["metrics"], strict=True):
            assert list(a) == list(b)
            for key, value in a.items():
                assert value.dtype == b[key].dtype
                np.testing.assert_allclose(value, b[key], rtol=1e-4)
        for group in ("trainable", "non_trainable"):
            for a, b in zip(ours[group], theirs[group], strict=True):
                np.testing.assert_allclose(a, b, atol=1e-5)

    @pytest.mark.parametrize(("name", "part"), CASES)
    def test_types_are_those_of_keras_on_tensorflow(name, part, reference):
        assert result_of(name, part)["types"] == reference[name, part]["types"]

    @pytest.mark.slow
    def test_a_model_works_by_hand():
        model = model_fn_of(mlp)()
        batch = client_data()[0][0]
        output = model.forward_pass(batch)
        assert isinstance(output, models.BatchOutput)
        assert output.predictions.shape == (BATCH_SIZE, 3)
        assert int(output.num_examples) == BATCH_SIZE
        reported = model.report_local_unfinalized_metrics()
        finalized = {
            name: finalize(reported[name]) for name, finalize in model.metric_finalizers().items()
        }
        assert list(finalized) == [
            "sparse_categorical_accuracy",
            "loss",
            "num_examples",
            "num_batches",
        ]
        np.testing.assert_allclose(finalized["loss"], output.loss, rtol=1e-6)
        assert finalized["num_examples"] == BATCH_SIZE
        assert reported["num_examples"][0].dtype == np.int64
        model.reset_metrics()
        after = model.report_local_unfinalized_metrics()
        assert [float(each) for values in after.values() for each in values] == [0.0] * 6

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["counters", "dicts of inputs and outputs"])
    def test_a_round_of_one_client_is_a_fit(name):
        row = keras_layers.ROWS[name]
        data = [
            keras.tree.map_structure(lambda a, i=i: a[i : i + 2], (row.x, row.y)) for i in (0, 2, 4)
        ]
        spec = keras.tree.map_structure(
            lambda a: tff.TensorType(a.dtype.type, [None, *a.shape[1:]]), (row.x, row.y)
        )
        process = tff.learning.algorithms.build_weighted_fed_avg(
            lambda: models.from_keras_model(row.make(), row.loss(), spec, loss_weights=row.weights),
            sgd(),
        )
        state, network = process.initialize(), row.make()
        process.get_model_weights(state).assign_weights_to(network)
        network.compile(keras.optimizers.SGD(0.1), row.loss(), loss_weights=row.weights)
        network.fit(row.x, row.y, batch_size=2, shuffle=False, verbose=0)
        found = process.get_model_weights(process.next(state, [data]).state)
        for weight, expected in zip(found.trainable, network.trainable_weights, strict=True):
            np.testing.assert_allclose(weight, expected.value, atol=1e-5)

    def test_a_layer_that_sets_a_weight_that_is_trained():
        def network() -> keras.Model:
            dense = layers.SpectralNormalization(layers.Dense(3, activation="softmax"))
            return keras.Sequential([keras.Input((SIDE, SIDE)), layers.Flatten(), dense])

        with pytest.raises(errors.ModelValueError, match="a forward pass sets it, and it is train"):
            trained(model_fn_of(network))

    def test_it_lists_keras_variables():
        model = model_fn_of(normalized)()
        assert all(isinstance(each, keras.Variable) for each in model.trainable_variables)
        assert [each.shape for each in model.non_trainable_variables] == [(64,), (64,)]

    def test_weights_go_into_a_keras_model_and_out():
        model = normalized()
        weights = drawn_like(models.ModelWeights.from_model(model).convert_variables_to_arrays())
        weights.assign_weights_to(model)
        again = models.ModelWeights.from_model(model).convert_variables_to_arrays()
        for a, b in zip(weights.trainable, again.trainable, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_weights_of_another_shape():
        weights = models.ModelWeights.from_model(mlp()).convert_variables_to_arrays()
        with pytest.raises(ValueError, match=r"expected shape \[3, 3, 1, 4\], got \[64, 16\]"):
            weights.assign_weights_to(cnn())

    def test_each_initialize_draws_weights_anew():
        process = tff.learning.algorithms.build_weighted_fed_avg(model_fn_of(mlp), sgd())
        first, second = (
            process.get_model_weights(process.initialize()).trainable[0] for _ in range(2)
        )
        assert np.abs(first - second).max() > 0.01

    def test_the_seed_of_keras_decides_what_is_drawn():
        process = tff.learning.algorithms.build_weighted_fed_avg(model_fn_of(mlp), sgd())

        def draw() -> np.ndarray:
            keras.utils.set_random_seed(3)
            return process.get_model_weights(process.initialize()).trainable[0]

        np.testing.assert_array_equal(draw(), draw())

    def test_initial_weights_are_those_that_model_fn_sets():
        def network() -> keras.Model:
            model = mlp()
            model.set_weights([np.full(each.shape, 0.5, np.float32) for each in model.weights])
            return model

        process = tff.learning.algorithms.build_weighted_fed_avg(model_fn_of(network), sgd())
        weights = process.get_model_weights(process.initialize())
        assert all((each == 0.5).all() for each in weights.trainable)

    def dropped_out() -> keras.Model:
        return keras.Sequential(
            [keras.Input((SIDE, SIDE)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)]
        )

    @pytest.mark.slow
    def test_dropout_draws_from_the_key_of_the_client():
        """Only training drops units out, and differently for each batch."""
        model = model_fn_of(dropped_out)
        ones = collections.OrderedDict(
            x=np.ones((4, SIDE, SIDE), np.float32), y=np.zeros((4, 1), np.int32)
        )
        spec = tff.learning.models.weights_type_from_model(model)
        assert str(spec["non_trainable"]) == "<>"

        process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd(1.0))

        def kernel(seed: int) -> np.ndarray:
            with context_stack.install(contexts.create_local_context(seed=seed)):
                state = process.initialize()
                start = drawn_like(process.get_model_weights(state))
                output = process.next(process.set_model_weights(state, start), [[ones]])
            return process.get_model_weights(output.state).trainable[0]

        first = kernel(0)
        np.testing.assert_array_equal(first, kernel(0))
        assert np.abs(first - kernel(1)).max() > 0

    @pytest.mark.slow
    @pytest.mark.parametrize("network", [normalized, dropped_out])
    def test_engines_agree_to_the_bit(network):
        process = tff.learning.algorithms.build_weighted_fed_avg(model_fn_of(network), sgd())
        start = drawn_like(process.get_model_weights(process.initialize()))

        def weights(context: Any) -> list[np.ndarray]:
            with context_stack.install(context):
                state = process.set_model_weights(process.initialize(), start)
                return process.get_model_weights(process.next(state, client_data()).state).trainable

        one, three = Settings(threads=1), Settings(threads=3)
        first = weights(contexts.create_local_context(seed=0, settings=one))
        with contextlib.closing(pool_executors.Pool(2)) as workers:
            others = [
                weights(contexts.create_local_context(seed=0, settings=three)),
                weights(
                    contexts.ExecutionContext(
                        local.LocalEngine(Settings(), pool.PoolRunner(workers)), seed=0
                    )
                ),
            ]
        for found in others:
            for a, b in zip(first, found, strict=True):
                np.testing.assert_array_equal(a, b)
        for a, b in zip(first, weights(contexts.create_reference_context(seed=0)), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)

    @pytest.mark.parametrize("network", [cnn, normalized])
    def test_short_batches_run_masked(network):
        """So that a round compiles one program, whatever sizes the last batches have."""
        from tensorflow_federated.jax import masked_forms
        from tensorflow_federated.learning.models import local_loops

        loop = local_loops.build_eval_loop(model_fn_of(network))
        assert masked_forms.find(loop.step.node.computation) is not None

    def test_training_moves_the_averages_of_a_client_and_not_those_of_the_server():
        moved = result_of("normalized", "training")["non_trainable"]
        np.testing.assert_array_equal(moved[0], np.zeros(64))

    class TwoOutputs(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = layers.Dense(1), layers.Dense(1)

        def call(self, x: Any) -> Any:
            return [self.first(x), self.second(x)]

    @pytest.mark.slow
    def test_a_subclassed_model_of_two_outputs_trains():
        def model_fn() -> models.VariableModel:
            labels = tff.TensorType(np.float32, [None, 1])
            return models.from_keras_model(
                TwoOutputs(),
                loss=[losses.MeanSquaredError(), losses.MeanAbsoluteError()],
                loss_weights=[1.0, 0.5],
                input_spec=(tff.TensorType(np.float32, [None, 2]), [labels, labels]),
            )

        process = tff.learning.algorithms.build_weighted_fed_avg(model_fn, sgd())
        y = np.float32([[1.0], [2.0]])
        state, found = process.initialize(), []
        for _ in range(6):
            state, metrics = process.next(state, [[(np.eye(2, dtype="f"), [y, y])]] * 2)
            found.append(metrics["client_work"]["train"]["loss"])
        assert found[-1] < found[0]

    @pytest.mark.parametrize(
        "spec",
        [
            (
                tff.TensorType(np.float32, [None, SIDE, SIDE]),
                tff.TensorType(np.int32, [None, 1]),
            ),
            ((np.float32, [None, SIDE, SIDE]), (np.int32, [None, 1])),
            tff.to_type(SPEC),
        ],
    )
    def test_forms_of_the_input_spec(spec):
        model = models.from_keras_model(mlp(), losses.SparseCategoricalCrossentropy(), spec)
        assert model.input_spec is spec

    def test_a_process_travels_without_its_model_function():
        process = tff.learning.algorithms.build_weighted_fed_avg(model_fn_of(mlp), sgd())
        data = tff.framework.serialize_computation(process.initialize)
        again = tff.framework.deserialize_computation(data)
        assert again.type_signature == process.initialize.type_signature

    def fails(make: Callable[[], Any], kind: type[Exception], *expected: str) -> None:
        with pytest.raises(kind) as caught:
            make()
        assert isinstance(caught.value, errors.FederatedError)
        text = str(caught.value)
        assert "fix: " in text
        for each in expected:
            assert each in text

    def test_a_compiled_model():
        model = mlp()
        model.compile(loss="mse")
        make = lambda: models.from_keras_model(model, losses.MeanSquaredError(), SPEC)  # noqa: E731
        fails(make, ValueError, "has been compiled")

    def test_no_loss():
        fails(lambda: models.from_keras_model(mlp(), None, SPEC), TypeError, "needs a loss")

    @pytest.mark.parametrize(
        ("spec", "kind", "expected"),
        [
            (None, TypeError, "got None"),
            ((tff.TensorType(np.float32),), ValueError, "expected 2 elements"),
            ((tff.TensorType(np.str_), tff.TensorType(np.int32)), ValueError, "JAX has no arrays"),
        ],
    )
    def test_a_wrong_input_spec(spec, kind, expected):
        make = lambda: models.from_keras_model(mlp(), losses.MeanSquaredError(), spec)  # noqa: E731
        fails(make, kind, expected)

    def test_features_that_the_model_cannot_be_built_from():
        spec = (tff.TensorType(np.float32, [None]), SPEC["y"])
        network = lambda: keras.Sequential([layers.Conv2D(1, 3)])  # noqa: E731
        make = lambda: models.from_keras_model(network(), losses.MeanSquaredError(), spec)  # noqa: E731
        fails(make, ValueError, "cannot be made")

    def test_labels_that_the_loss_cannot_read():
        def model_fn() -> models.VariableModel:
            spec = (SPEC["x"], tff.TensorType(np.int32, [None, 2, 2]))
            return models.from_keras_model(mlp(), losses.SparseCategoricalCrossentropy(), spec)

        fails(
            lambda: tff.learning.algorithms.build_weighted_fed_avg(model_fn, sgd()),
            ValueError,
            "the model cannot compute its loss for a batch of its `input_spec`",
        )

    def test_a_model_that_was_made_before():
        made = mlp()
        fails(
            lambda: tff.learning.algorithms.build_weighted_fed_avg(
                model_fn_of(lambda: made), sgd()
            ),
            ValueError,
            "made before it was called",
        )

    def test_a_function_that_returns_the_keras_model():
        fails(
            lambda: tff.learning.algorithms.build_fed_eval(mlp),
            TypeError,
            "does not return a model",
            "from_keras_model",
        )

    def test_a_model_in_place_of_its_function():
        fails(
            lambda: tff.learning.algorithms.build_fed_eval(model_fn_of(mlp)()),
            TypeError,
            "is a model, not a function",
        )

    class Counting(layers.Layer):
        """Counts its calls in a variable that Keras does not see."""

        def __init__(self) -> None:
            super().__init__()
            self.hidden = (lambda variable: lambda: variable)(
                keras.Variable(np.float32(0.0), trainable=False)
            )

        def call(self, x: Any) -> Any:
            self.hidden().assign(self.hidden() + 1.0)
            return x

    def test_a_variable_that_keras_does_not_list():
        network = lambda: keras.Sequential(  # noqa: E731
            [keras.Input((SIDE, SIDE)), layers.Flatten(), Counting(), layers.Dense(3)]
        )
        fails(
            lambda: tff.learning.algorithms.build_fed_eval(model_fn_of(network)),
            ValueError,
            "Keras does not list it",
        )

    def test_batch_normalization_in_a_functional_model():
        fails(lambda: functional(normalized), ValueError, "moving_mean: training changes it")

    @pytest.mark.slow
    def test_threads_may_build_at_the_same_time():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            built = list(pool.map(lambda _: trained(model_fn_of(mlp), rounds=1)[1], range(2)))
        np.testing.assert_array_equal(*(each.trainable[0] for each in built))

    def test_tensorflow_was_never_imported():
        assert not any(name.partition(".")[0] == "tensorflow" for name in sys.modules)
