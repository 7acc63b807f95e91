"""Evaluation of ways to personalize a model."""

from __future__ import annotations

import collections
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tensorflow_federated import aggregators, tensorflow
from tensorflow_federated.core import errors, intrinsics, placements, tracing, trees, type_trees
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.core.types import FederatedType, SequenceType, TensorType, Type, to_type
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.local_loops import VariableModelSpec
from tensorflow_federated.learning.models.model_weights import ModelWeights

_NAME = "tff.learning.algorithms.build_personalization_eval_computation"
_BASELINE = "baseline_metrics"

PersonalizeFn = Callable[[Any, Any, Any], Mapping[str, Any]]
"""A way to personalize a model: from the model, training and test data to metrics."""


@errors.boundary
def build_personalization_eval_computation(
    model_fn: Callable[[], Any],
    personalize_fn_dict: Mapping[str, Callable[[], PersonalizeFn]],
    baseline_evaluate_fn: Callable[[Any, Any], Mapping[str, Any]],
    max_num_clients: int = 100,
) -> Computation:
    """Builds a computation that tries ways to personalize a model, on each client.

    A client evaluates the model that the server sends on its test data; then, for each way, it
    starts again from the server's model, personalizes it on its training data, and evaluates the
    result on its test data. The metrics of at most `max_num_clients` clients, each equally likely,
    come to the server as they are: this is for simulations, and for metrics that may be collected.

    Type: ``(<server_model_weights=W@SERVER,federated_client_input=
    {<train_data=E*,test_data=E*>}@CLIENTS> -> <baseline_metrics=M,name=N,...>@SERVER)``, where E is
    an example, the batch of the model's `input_spec` without its first dimension. Each leaf of the
    metrics has one more dimension in front, of unknown size: row i is of the same client in all
    leaves.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.VariableModel`, anew
        at each call.
      personalize_fn_dict: for each way, by name, a function without arguments that returns a
        function from the model, the training data and the test data, two `tf.data.Dataset` of
        single examples, to metrics: a structure of tensors by name. What it needs, such as an
        optimizer with its variables, is made in the outer function.
      baseline_evaluate_fn: a function from the model and the test data to metrics.
      max_num_clients: the largest number of clients whose metrics come to the server.

    Returns:
      The computation.

    Raises:
      ModelError: if `model_fn` does not make a model of TensorFlow.
      ModelValueError: if a batch of the model has a part without a dimension for its examples.
      PersonalizationError: if a way is no function, or called `baseline_metrics`, or
        `max_num_clients` is not positive.

    Examples:
      >>> import collections
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer="zeros")
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> def evaluate(model, dataset):
      ...     def add(total, batch):
      ...         return total + model.forward_pass(batch, training=False).loss
      ...
      ...     return collections.OrderedDict(loss=dataset.batch(8).reduce(0.0, add))
      >>> def build_one_step():
      ...     @tf.function
      ...     def one_step(model, train_data, test_data):
      ...         for batch in train_data.batch(8).take(1):
      ...             with tf.GradientTape() as tape:
      ...                 loss = model.forward_pass(batch).loss
      ...             weights = model.trainable_variables
      ...             for weight, gradient in zip(weights, tape.gradient(loss, weights)):
      ...                 weight.assign_sub(0.25 * gradient)
      ...         return evaluate(model, test_data)
      ...
      ...     return one_step
      >>> compute = tff.learning.algorithms.build_personalization_eval_computation(
      ...     model_fn, collections.OrderedDict(one_step=build_one_step), evaluate
      ... )
      >>> examples = tf.data.Dataset.from_tensors((np.float32([1.0]), np.float32([2.0])))
      >>> client = collections.OrderedDict(train_data=examples, test_data=examples)
      >>> weights = tff.learning.models.ModelWeights.from_model(model_fn())
      >>> metrics = compute(weights.convert_variables_to_arrays(), [client])
      >>> metrics["baseline_metrics"]["loss"].tolist(), metrics["one_step"]["loss"].tolist()
      ([4.0], [0.0])

    Source: Wang et al. (2019), "Federated Evaluation of On-device Personalization",
    arXiv:1910.10252.

    Differs from TFF: every way gets a model of its own, so that metrics which one way leaves in the
    model's variables do not count in the next; the sample of clients follows from the seed of the
    execution context; `personalize_fn_dict` may be any mapping.
    """
    _check_arguments(personalize_fn_dict, baseline_evaluate_fn, max_num_clients)
    model = local_loops.describe_model(model_fn)
    if not isinstance(model, VariableModelSpec):
        raise errors.ModelError(
            f"`{_NAME}` needs a model of TensorFlow.",
            problems=["model_fn: got a model that is written in JAX"],
            signature="( -> VariableModel)",
            fix="give a function that makes a `tff.learning.models.VariableModel`.",
        )
    example_type = type_trees.map_leaves(model.batch_type, _without_first_dimension)
    data_type = to_type(
        collections.OrderedDict(
            train_data=SequenceType(example_type), test_data=SequenceType(example_type)
        )
    )
    personalize = _client_computation(
        model, data_type, dict(personalize_fn_dict), baseline_evaluate_fn
    )
    sample: Any = aggregators.UnweightedReservoirSamplingFactory(max_num_clients).create(
        personalize.type_signature.result
    )

    def personalization_eval(server_model_weights: Any, federated_client_input: Any) -> Any:
        weights = intrinsics.federated_broadcast(server_model_weights)
        metrics = intrinsics.federated_map(personalize, (weights, federated_client_input))
        return sample.next(sample.initialize(), metrics).result

    return tracing.federated_computation(
        personalization_eval,
        FederatedType(model.weights_type, placements.SERVER),
        FederatedType(data_type, placements.CLIENTS),
    )


def _client_computation(
    model: VariableModelSpec,
    data_type: Type,
    personalize_fns: Mapping[str, Callable[[], PersonalizeFn]],
    evaluate: Callable[[Any, Any], Mapping[str, Any]],
) -> ConcreteComputation:
    """What a client computes: from the weights and its data to all metrics."""

    def with_weights(weights: Any) -> Any:
        made = model.model_fn()
        variables = ModelWeights.from_model(made)
        trees.map_structure(lambda variable, value: variable.assign(value), variables, weights)
        return made

    def personalize(weights: Any, data: Any) -> Any:
        train_data, test_data = data["train_data"], data["test_data"]
        metrics: collections.OrderedDict[str, Any] = collections.OrderedDict()
        metrics[_BASELINE] = _metrics_of(
            "baseline_evaluate_fn", evaluate, with_weights(weights), test_data
        )
        for name, build in personalize_fns.items():
            label = f"personalize_fn_dict[{name!r}]()"
            metrics[name] = _metrics_of(
                label, build(), with_weights(weights), train_data, test_data
            )
        return metrics

    return tensorflow.computation(personalize, model.weights_type, data_type)


def _metrics_of(label: str, fn: Any, *arguments: Any) -> Any:
    """What a function of the user returns, or an error that names it."""
    expected = "a function of the model, training and test data, that returns metrics"
    if len(arguments) == 2:
        expected = "a function of the model and test data, that returns metrics"
    problem = None
    if not callable(fn):
        problem = descriptions.described(fn)
    else:
        try:
            inspect.signature(fn).bind(*arguments)
        except TypeError as error:
            problem = f"one that does not take these: {error}"
    metrics = fn(*arguments) if callable(fn) and problem is None else None
    if metrics is None:
        raise PersonalizationTypeError(
            f"`{_NAME}` cannot use these arguments.",
            problems=[f"{label}: expected {expected}; got {problem or 'None'}"],
            fix="give functions, by name, that make the functions which personalize.",
        )
    return metrics


def _without_first_dimension(leaf: Type) -> Type:
    if isinstance(leaf, TensorType) and leaf.shape:
        return TensorType(leaf.dtype, leaf.shape[1:])
    raise errors.ModelValueError(
        "a batch of this model cannot be taken apart into examples.",
        problems=[f"input_spec: expected a dimension for the examples, got {leaf}"],
        fix="let every part of the batch have one row for each example.",
    )


class PersonalizationError(errors.FederatedError, ValueError, known_as="ValueError"):
    """The ways to personalize a model cannot be evaluated.

    Fails: `build_personalization_eval_computation(model_fn, {"baseline_metrics": build}, fn)`.
    Mended: give the way a name of its own, `{"sgd": build}`.
    """


class PersonalizationTypeError(PersonalizationError, TypeError, known_as="TypeError"):
    """What should personalize or evaluate a model is no function, or a number of clients is none.

    Fails: `build_personalization_eval_computation(model_fn, {"sgd": 0.1}, evaluate)`.
    Mended: `{"sgd": build}`, with a function that returns the function which personalizes.
    """


def _check_arguments(personalize_fns: Any, evaluate: Any, max_num_clients: Any) -> None:
    problems: list[str] = []
    if not isinstance(personalize_fns, Mapping):
        given = descriptions.described(personalize_fns)
        problems.append(f"personalize_fn_dict: expected functions by name, got {given}")
    else:
        problems += [
            f"personalize_fn_dict[{name!r}]: expected a function without arguments, got "
            f"{descriptions.described(build)}"
            for name, build in personalize_fns.items()
            if not callable(build)
        ]
        problems += [
            f"personalize_fn_dict: expected names, got {name!r}"
            for name in personalize_fns
            if not isinstance(name, str)
        ]
    if not callable(evaluate):
        given = descriptions.described(evaluate)
        problems.append(f"baseline_evaluate_fn: expected a function, got {given}")
    if not isinstance(max_num_clients, int) or isinstance(max_num_clients, bool):
        problems.append(f"max_num_clients: expected an int, got {max_num_clients!r}")
    if problems:
        raise PersonalizationTypeError(
            f"`{_NAME}` cannot use these arguments.",
            problems=problems,
            signature="(model_fn, {name: () -> (model, train_data, test_data) -> metrics}, "
            "(model, test_data) -> metrics, max_num_clients)",
            fix="give functions, by name, that make the functions which personalize.",
        )
    if _BASELINE in personalize_fns:
        raise PersonalizationError(
            f"no way to personalize a model can be called {_BASELINE!r}.",
            problems=[f"personalize_fn_dict: has {_BASELINE!r}"],
            fix="choose another name: this one is for what `baseline_evaluate_fn` returns.",
        )
    if max_num_clients <= 0:
        raise PersonalizationError(
            f"`{_NAME}` has to collect the metrics of some clients.",
            problems=[f"max_num_clients: expected a positive number, got {max_num_clients}"],
            fix="leave it out for 100.",
        )
