"""The learning algorithms that the contract is about: a new one joins by a row in `ROWS`."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tensorflow_federated as tff
from tensorflow_federated.core import portable

NUM_FEATURES, NUM_LABELS, BATCH_SIZE = 3, 2, 4
FRAMEWORKS = ("tensorflow", "jax")

Build = Callable[[Any], tff.learning.templates.LearningProcess]
"""From a model, a function that makes one or a functional one, to the process."""

algorithms = tff.learning.algorithms


def descent() -> Any:
    return tff.learning.optimizers.build_sgdm(0.1)


def momentum() -> Any:
    return tff.learning.optimizers.build_sgdm(0.1, momentum=0.5)


def halving(round_num: Any) -> Any:
    """A schedule that TensorFlow and JAX trace alike."""
    xp = portable.namespace_of(round_num)
    return 0.4 * xp.pow(xp.asarray(0.5), xp.cast(round_num, np.float32))


@dataclasses.dataclass(frozen=True)
class Row:
    """An algorithm.

    Attributes:
      name: what it is called in test ids and golden files.
      build: builds it with a model.
      trains: whether it changes the model.
      is_weighted: whether a client counts by its number of examples, so that one without, or one
        whose update is not finite, counts for nothing.
      frameworks: what models may be written in.
      model: the model in a framework, as `build` takes it.
      cohort: makes the data of some clients, of a seed and sizes if they are given; of those that
        are not, one is 0.
    """

    name: str
    build: Build
    trains: bool = True
    is_weighted: bool = True
    frameworks: tuple[str, ...] = FRAMEWORKS
    model: Callable[[str], Any] = lambda framework: model_of(framework)
    cohort: Callable[..., list[Any]] = lambda *given: cohort(*given)


def reconstruction(build: Callable[..., Any], model: Any, **arguments: Any) -> Any:
    """Builds an algorithm whose clients reconstruct weights, from all of their batches."""
    is_jax = isinstance(model, tff.learning.models.FunctionalReconstructionModel)
    return build(
        model,
        loss_fn=(lambda: jax_loss) if is_jax else keras_loss,
        metrics_fn=jax_metrics if is_jax else keras_metrics,
        reconstruction_optimizer_fn=momentum(),
        dataset_split_fn=tff.learning.models.ReconstructionModel.simple_dataset_split_fn,
        **arguments,
    )


ROWS = (
    Row("weighted FedAvg", lambda m: algorithms.build_weighted_fed_avg(m, descent(), momentum())),
    Row(
        "unweighted FedAvg",
        lambda m: algorithms.build_unweighted_fed_avg(m, momentum()),
        is_weighted=False,
    ),
    Row("weighted FedProx", lambda m: algorithms.build_weighted_fed_prox(m, 0.5, momentum())),
    Row(
        "unweighted FedProx",
        lambda m: algorithms.build_unweighted_fed_prox(m, 0.5, descent(), momentum()),
        is_weighted=False,
    ),
    Row("FedSGD", lambda m: algorithms.build_fed_sgd(m, momentum())),
    Row("weighted MimeLite", lambda m: algorithms.build_weighted_mime_lite(m, momentum())),
    Row(
        "unweighted MimeLite",
        lambda m: algorithms.build_unweighted_mime_lite(m, momentum(), descent()),
        is_weighted=False,
    ),
    Row(
        "MimeLite with schedule",
        lambda m: algorithms.build_mime_lite_with_optimizer_schedule(m, halving, momentum()),
    ),
    Row(
        "FedAvg with schedule",
        lambda m: algorithms.build_weighted_fed_avg_with_optimizer_schedule(
            m, halving, lambda rate: tff.learning.optimizers.build_sgdm(rate, momentum=0.5)
        ),
    ),
    Row("evaluation", lambda m: algorithms.build_fed_eval(m), trains=False),
    Row(
        "reconstruction",
        lambda m: reconstruction(algorithms.build_fed_recon, m, server_optimizer_fn=momentum()),
        model=lambda framework: reconstruction_model_of(framework),
    ),
    Row(
        "evaluation with reconstruction",
        lambda m: reconstruction(algorithms.build_fed_recon_eval, m),
        trains=False,
        model=lambda framework: reconstruction_model_of(framework),
    ),
    Row(
        "evaluation of two models",
        lambda m: algorithms.build_fed_multi_model_eval([m, m]),
        trains=False,
        model=lambda framework: functional_model_of(framework),
    ),
    Row(
        "k-means",
        lambda _: algorithms.build_fed_kmeans(2, (NUM_FEATURES,), random_seed=(1, 2)),
        trains=False,
        frameworks=("any",),
        model=lambda framework: None,
        cohort=lambda *given: [[x for batch, _ in each for x in batch] for each in cohort(*given)],
    ),
)


# The models: the same logistic regression.


def first_weights() -> np.ndarray:
    return np.linspace(-0.5, 0.5, NUM_FEATURES * NUM_LABELS, dtype=np.float32).reshape(
        NUM_FEATURES, NUM_LABELS
    )


def keras_loss() -> Any:
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def keras_metrics() -> list[Any]:
    import keras

    return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def jax_loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
    import jax
    import jax.numpy as jnp

    del sample_weight
    chosen = jnp.take_along_axis(jax.nn.log_softmax(output), label[:, None], axis=1)
    return -jnp.mean(chosen)


def jax_metrics(**others: Any) -> Any:
    return tff.learning.metrics.create_mean_metric_fns(
        {
            "accuracy": lambda labels, output: output.predictions.argmax(axis=1) == labels,
            **others,
        }
    )


def keras_model() -> Any:
    import keras

    kernel = keras.layers.Dense(
        NUM_LABELS, kernel_initializer=lambda shape, dtype=None: first_weights()
    )
    return keras.Sequential([keras.layers.InputLayer(shape=(NUM_FEATURES,)), kernel])


def tensorflow_spec() -> Any:
    import tensorflow as tf

    return tf.TensorSpec([None, NUM_FEATURES]), tf.TensorSpec([None], tf.int32)


def keras_model_fn() -> Any:
    return tff.learning.models.from_keras_model(
        keras_model(),
        loss=keras_loss(),
        metrics=keras_metrics(),
        input_spec=tensorflow_spec(),
    )


def functional_keras_model() -> Any:
    import keras

    return tff.learning.models.functional_model_from_keras(
        keras_model(),
        loss_fn=keras_loss(),
        input_spec=tensorflow_spec(),
        metrics_constructor=collections.OrderedDict(
            accuracy=lambda: keras.metrics.SparseCategoricalAccuracy(),
            loss=lambda: keras.metrics.SparseCategoricalCrossentropy(from_logits=True),
        ),
    )


def jax_model() -> Any:
    import jax

    return tff.learning.models.FunctionalModel(
        initial_weights=([first_weights(), np.zeros(NUM_LABELS, np.float32)], []),
        predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0] + weights[0][1]),
        loss_fn=jax_loss,
        metrics_fns=jax_metrics(loss=lambda labels, output: output.loss),
        input_spec=JAX_SPEC,
    )


JAX_SPEC = (tff.TensorType(np.float32, [None, NUM_FEATURES]), tff.TensorType(np.int32, [None]))


def model_of(framework: str) -> Any:
    return keras_model_fn if framework == "tensorflow" else jax_model()


def functional_model_of(framework: str) -> Any:
    return functional_keras_model() if framework == "tensorflow" else jax_model()


# The same with weights of each client next to the global ones.


def keras_reconstruction_model_fn() -> Any:
    import keras
    import tensorflow as tf

    shared = keras.layers.Dense(
        NUM_LABELS, use_bias=False, kernel_initializer=lambda shape, dtype=None: first_weights()
    )
    own = keras.layers.Dense(NUM_LABELS, use_bias=False, kernel_initializer="zeros")
    inputs = keras.Input((NUM_FEATURES,))
    return tff.learning.models.ReconstructionModel.from_keras_model_and_layers(
        keras.Model(inputs, keras.layers.Add()([shared(inputs), own(inputs)])),
        global_layers=[shared],
        local_layers=[own],
        input_spec=(tf.TensorSpec([None, NUM_FEATURES]), tf.TensorSpec([None], tf.int32)),
    )


def jax_reconstruction_model() -> Any:
    return tff.learning.models.FunctionalReconstructionModel(
        initial_global_weights=([first_weights()], []),
        initial_local_weights_fn=lambda key: (
            [np.zeros((NUM_FEATURES, NUM_LABELS), np.float32)],
            [],
        ),
        predict_on_batch_fn=lambda shared, own, x, training: x @ shared[0][0] + x @ own[0][0],
        input_spec=JAX_SPEC,
    )


def reconstruction_model_of(framework: str) -> Any:
    if framework == "tensorflow":
        return keras_reconstruction_model_fn
    return jax_reconstruction_model()


@functools.cache
def process(row: Row, framework: str) -> tff.learning.templates.LearningProcess:
    """The process of a row for a model of a framework, built once."""
    return another_process(row, framework)


def another_process(row: Row, framework: str) -> tff.learning.templates.LearningProcess:
    """A process like `process(row, framework)` that nothing else uses."""
    return row.build(row.model(framework))


# The clients.


def client(seed: int, size: int) -> list[Any]:
    """The batches of a client."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((size, NUM_FEATURES)).astype(np.float32)
    y = generator.integers(0, NUM_LABELS, size).astype(np.int32)
    return [(x[i : i + BATCH_SIZE], y[i : i + BATCH_SIZE]) for i in range(0, size, BATCH_SIZE)]


def cohort(seed: int = 0, sizes: Sequence[int] = (5, 0, 9, 1)) -> list[Any]:
    """Clients of these numbers of examples."""
    return [client(1000 * seed + number, size) for number, size in enumerate(sizes)]


def broken_client() -> list[Any]:
    """A client whose features are not finite."""
    [(x, y), *rest] = client(9, 6)
    return [(np.where(x > 0, np.nan, x).astype(np.float32), y), *rest]
