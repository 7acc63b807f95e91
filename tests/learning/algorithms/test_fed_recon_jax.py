"""Federated reconstruction of models of JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests import marks
from tests.learning.algorithms import test_fed_recon as in_tensorflow

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import trees
from tensorflow_federated.execution import contexts
from tensorflow_federated.execution.settings import Settings

build: Any = tff.learning.algorithms.build_fed_recon
build_eval: Any = tff.learning.algorithms.build_fed_recon_eval
split_fn = tff.learning.models.ReconstructionModel.build_dataset_split_fn
Model: Any = tff.learning.models.FunctionalReconstructionModel
COHORT = in_tensorflow.COHORT
INPUT_SPEC = {"x": tff.TensorType(np.int64, [None, 1]), "y": tff.TensorType(np.float32, [None, 1])}


def predict(global_weights, local_weights, x, training):
    (items, weight, bias), _ = global_weights
    (user,), _ = local_weights
    return weight[0] * (items[x[:, 0]] @ user)[:, None] + bias


def factorisation(**arguments: Any) -> Any:
    """The model of `test_fed_recon.model_fn`."""
    items = np.full([in_tensorflow.ITEMS, 2], 0.5, np.float32)
    defaults = {
        "initial_global_weights": ([items, np.float32([[0.7]]), np.float32([0.0])], []),
        "initial_local_weights_fn": lambda key: ([jnp.full([2], 0.3)], []),
        "predict_on_batch_fn": predict,
        "input_spec": INPUT_SPEC,
    }
    return Model(**{**defaults, **arguments})


def squared_error(output, label, sample_weight=None):
    return jnp.mean((output - label) ** 2)


def loss_fn():
    return squared_error


def metrics_fn():
    return tff.learning.metrics.create_mean_metric_fns(
        {"error": lambda labels, output: jnp.abs(labels - output.predictions)[:, 0]}
    )


@pytest.fixture(scope="module")
def process():
    return build(factorisation(), loss_fn=loss_fn, metrics_fn=metrics_fn)


OF_TFF = {
    **in_tensorflow.OF_TFF,
    "by the number of batches": (
        {"client_weighting": lambda metrics: metrics["loss"][1] * 2},
        *in_tensorflow.OF_TFF["by the number of batches"][1:],
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "halves in epochs" else pytest.mark.slow)
        for name in OF_TFF
    ],
)
def test_two_rounds_are_those_of_tff(name):
    arguments, losses, weights = OF_TFF[name]
    process = build(factorisation(), loss_fn=loss_fn, **arguments)
    state, metrics = in_tensorflow.two_rounds(process)
    assert [each["loss"] for each in metrics] == pytest.approx(losses, abs=2e-5)
    items, weight, bias = process.get_model_weights(state).trainable
    found = np.concatenate([items[:, 0], weight[0], bias])
    np.testing.assert_allclose(found, weights, atol=2e-5)


@marks.SLOW_ON_REFERENCE
def test_a_round_is_that_by_hand(process, engine):
    output = process.next(process.initialize(), COHORT)
    items, weight, bias = process.get_model_weights(output.state).trainable
    expected = in_tensorflow.by_hand(np.full([in_tensorflow.ITEMS, 2], 0.5), 0.7, 0.0, COHORT)
    np.testing.assert_allclose(items, expected[0], atol=1e-5)
    np.testing.assert_allclose([weight[0, 0], bias[0]], expected[1:], atol=1e-5)
    assert list(output.metrics["client_work"]["train"]) == ["error", "loss"]


def test_the_types_are_those_of_a_model_of_tensorflow(process):
    other = build(in_tensorflow.model_fn, loss_fn=in_tensorflow.loss_fn)
    for name in ("initialize", "get_model_weights"):
        signature = getattr(process, name).type_signature
        assert str(signature) == str(getattr(other, name).type_signature)


def test_the_clients_of_a_chunk_are_one_program(process):
    plan = str(tff.explain(process.next).plan)
    assert "one XLA program that loops over the clients" in plan
    assert "masked last" in plan


NUMBERS_SPEC = (tff.TensorType(np.float32, [None]), tff.TensorType(np.float32, [None]))


def predict_with_noise(global_weights, local_weights, x, training, key):
    (shared,), (scale,) = global_weights
    (own,), (offset,) = local_weights
    noise = jax.random.normal(key, x.shape) if training else 0.0
    return shared + own + scale * offset + 0 * x + 1e-3 * noise


def drawn(**arguments: Any) -> Any:
    """A model that draws its local weights, and noise in training."""
    defaults = {
        "initial_global_weights": ([np.float32(0)], [np.float32(2)]),
        "initial_local_weights_fn": lambda key: ([jax.random.normal(key)], [jnp.float32(0.5)]),
        "predict_on_batch_fn": predict_with_noise,
        "input_spec": NUMBERS_SPEC,
    }
    return Model(**{**defaults, **arguments})


def client(label: float, count: int = 2) -> list[Any]:
    return [(np.ones([2], np.float32), np.full([2], label, np.float32))] * count


@pytest.fixture(scope="module")
def drawing():
    return build(drawn(), loss_fn=loss_fn)


def rounds_of(process) -> list[Any]:
    state, found = process.initialize(), []
    for _ in range(2):
        state, metrics = process.next(state, [client(3.0), client(3.0), client(5.0, 4)])
        found.append((process.get_model_weights(state), metrics["client_work"]["train"]["loss"]))
    return found


@pytest.mark.slow
def test_draws_depend_on_seed_round_and_client_alone(drawing):
    def rounds(context):
        with context_stack.install(context):
            return trees.leaves(rounds_of(drawing))

    first = rounds(contexts.create_local_context(seed=1))
    assert rounds(contexts.create_local_context(seed=1, settings=Settings(threads=3))) == first
    assert rounds(contexts.create_reference_context(seed=1)) == first
    assert rounds(contexts.create_local_context(seed=2)) != first


@pytest.mark.slow
def test_each_client_draws_its_own_local_weights(drawing):
    loss = drawing.next(drawing.initialize(), [client(3.0)]).metrics["client_work"]["train"]["loss"]
    two = drawing.next(drawing.initialize(), [client(3.0)] * 2).metrics["client_work"]["train"]
    assert loss != two["loss"]


@pytest.mark.slow
def test_local_weights_that_nobody_trains_are_used():
    process = build_eval(
        drawn(initial_local_weights_fn=lambda key: ([jnp.zeros([])], [jnp.float32(0.5)])),
        loss_fn=loss_fn,
        reconstruction_optimizer_fn=tff.learning.optimizers.build_sgdm(0.25),
    )
    output = process.next(process.initialize(), [client(5.0)])
    metrics = output.metrics["client_work"]["eval"]["current_round_metrics"]
    # The prediction is 1, and 3 after a step that halves what is missing.
    assert metrics["loss"] == pytest.approx(4.0, abs=2e-2)
    assert output.state.global_model_weights.non_trainable == [2.0]


@pytest.mark.slow
def test_a_model_of_global_weights_alone_is_only_trained():
    process = build(
        drawn(
            initial_local_weights_fn=lambda key: ([], []),
            predict_on_batch_fn=lambda global_weights, local_weights, x, training: (
                global_weights[0][0] * x
            ),
        ),
        loss_fn=loss_fn,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.25),
    )
    state = process.next(process.initialize(), [client(8.0)]).state
    assert process.get_model_weights(state).trainable == [4.0]


@pytest.mark.slow
def test_a_client_that_diverges_or_has_no_batches_is_left_out():
    process = build(
        drawn(
            predict_on_batch_fn=jax.jit(_without_noise),
            initial_local_weights_fn=lambda key: ([jnp.ones([])], [jnp.float32(0.5)]),
        ),
        loss_fn=loss_fn,
    )
    bad = [(np.ones([2], np.float32), np.full([2], np.inf, np.float32))] * 2
    alone, other = (
        process.next(process.initialize(), clients).state.global_model_weights.trainable
        for clients in ([client(3.0)], [client(3.0), bad, []])
    )
    assert np.isfinite(other).all()
    np.testing.assert_array_equal(alone, other)


def _without_noise(global_weights, local_weights, x, training):
    # It is told as a bool whether it is trained, also where it is compiled.
    assert isinstance(training, bool)
    return predict_with_noise(global_weights, local_weights, x, False, None)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("no pair", lambda: factorisation(initial_global_weights=[np.ones(2)])),
        ("no function", lambda: factorisation(initial_local_weights_fn=3)),
        ("other arguments", lambda: factorisation(predict_on_batch_fn=lambda weights, x: x)),
        (
            "no pair of local weights",
            lambda: build(
                factorisation(initial_local_weights_fn=lambda key: jnp.ones([2])), loss_fn=loss_fn
            ),
        ),
        ("no loss", lambda: build(factorisation(), loss_fn=lambda: 3)),
        (
            "no metrics",
            lambda: build(factorisation(), loss_fn=loss_fn, metrics_fn=lambda: [1]),
        ),
        ("a loss", lambda: build(factorisation(), loss_fn=squared_error)),
        (
            "one name",
            lambda: build(
                factorisation(),
                loss_fn=loss_fn,
                metrics_fn=lambda: tff.learning.metrics.create_mean_metric_fns(
                    {"loss": lambda labels, output: output.loss}
                ),
            ),
        ),
        (
            "a split of datasets",
            lambda: build(
                factorisation(),
                loss_fn=loss_fn,
                dataset_split_fn=lambda dataset: (dataset, dataset.take(1)),
            ),
        ),
        (
            "without end",
            lambda: build(
                factorisation(),
                loss_fn=loss_fn,
                dataset_split_fn=split_fn(recon_epochs=-1, recon_steps_max=3),
            ),
        ),
        (
            "no weight",
            lambda: build(
                factorisation(), loss_fn=loss_fn, client_weighting=lambda metrics: jnp.ones([2])
            ),
        ),
        (
            "an optimizer of TensorFlow",
            lambda: build(
                factorisation(),
                loss_fn=loss_fn,
                client_optimizer_fn=_OfTensorFlow(),
            ),
        ),
    ],
)
def test_errors(name, make, golden):
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    golden.check(name, f"{type(caught.value).__name__}: {caught.value}")


class _OfTensorFlow(tff.learning.optimizers.Optimizer):
    framework = "tensorflow"

    def initialize(self, specs):
        return ()

    def next(self, state, weights, gradients):
        return state, weights
