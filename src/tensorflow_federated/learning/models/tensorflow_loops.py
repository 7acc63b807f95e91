"""The local computations of `local_loops`, traced with TensorFlow.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tensorflow_federated import tensorflow as tensorflow_backend
from tensorflow_federated.core import (
    callsites,
    containers,
    errors,
    ir,
    trees,
    type_inference,
    types,
)
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.local_steps.local_step import BatchGradients, LocalStep
from tensorflow_federated.learning.models import (
    functional_runner,
    functional_variables,
    keras_model,
    loaded_model,
    runners,
)
from tensorflow_federated.learning.models.local_loops import (
    EvalLoop,
    TrainLoop,
    VariableModelSpec,
)
from tensorflow_federated.learning.models.recording import RecordedModel
from tensorflow_federated.tensorflow import tracing

_KEY_TYPE = TensorType(np.int64, [2])

Loop = TypeVar("Loop", TrainLoop, EvalLoop)


def build_train_loop(spec: VariableModelSpec, local_step: LocalStep) -> TrainLoop:
    """See `local_loops.build_train_loop`."""
    weight_specs = trees.map_structure(
        lambda tensor_type: tf.TensorSpec(tensor_type.shape, tensor_type.dtype),
        _as_structure(spec.weights_type["trainable"]),
    )
    shared_type = type_inference.infer_type(local_step.shared(weight_specs))

    def build(runner: runners.Runner) -> TrainLoop:
        return _trace_train_loop(spec, local_step, weight_specs, shared_type, runner)

    return _build_on_a_runner(spec, build)


def build_eval_loop(spec: VariableModelSpec) -> EvalLoop:
    """See `local_loops.build_eval_loop`."""
    return _build_on_a_runner(spec, lambda runner: _trace_eval_loop(spec, runner))


def _build_on_a_runner(spec: VariableModelSpec, build: Callable[[runners.Runner], Loop]) -> Loop:
    """Builds a loop that leaves the model's variables alone if that is possible."""
    recorded = spec.make_model()
    runner = _runner_without_variables(recorded)
    if runner is not None:
        with contextlib.suppress(_TracingFailure):
            loop = build(runner)
            while isinstance(runner, runners.StatelessRunner) and runner.take_in_found():
                loop = build(runner)
            if not _touches_variables(loop.step, recorded):
                return loop
        # The model keeps variables from Keras, or tensors between calls, as a `tf.function` inside
        # it may. If it is wrong altogether, it fails again below.
        recorded = spec.make_model()
    runner = runners.VariableRunner(recorded)
    if isinstance(recorded.model, loaded_model.LoadedModel):
        runner = loaded_model.LoadedRunner(recorded, recorded.model)
    try:
        return build(runner)
    except _TracingFailure as failure:
        raise _model_error(spec, failure.cause) from failure.cause


def _runner_without_variables(recorded: RecordedModel) -> runners.Runner | None:
    model = recorded.model
    if isinstance(model, keras_model.KerasModel):
        return runners.StatelessRunner(recorded, model)
    if isinstance(model, functional_variables.WithOwnMetrics):
        return functional_runner.FunctionalRunner(recorded, model)
    return None


def _trace_train_loop(
    spec: VariableModelSpec,
    local_step: LocalStep,
    weight_specs: Any,
    shared_type: types.Type,
    runner: runners.Runner,
) -> TrainLoop:
    hidden = runner.hidden

    @tf.autograph.experimental.do_not_convert
    def initialize(weights: Any, shared: Any, key: tf.Tensor) -> Any:
        return collections.OrderedDict(
            **_start(runner.recorded, hidden, weights, key),
            start=weights.trainable if local_step.needs_start else (),
            local_step=local_step.initialize(weight_specs, shared),
            num_examples=tf.constant(0, tf.int64),
        )

    @tf.autograph.experimental.do_not_convert
    def step(state: Any, batch: Any) -> Any:
        before = _values(state)
        trainable, start = state["trainable"], state["start"]
        at_start = None
        if local_step.needs_gradients_at_start:
            # First, for what it makes of the other variables does not count.
            at_start = _gradients(runner.run(_at(before, start), batch, training=True), trainable)
        result = runner.run(before, batch, training=True)
        step_state, trainable = local_step.next(
            state["local_step"],
            # A layer may have set them.
            trees.pack_like(trainable, _like(result.values.trainable, before.trainable)),
            start if local_step.needs_start else None,
            BatchGradients(_gradients(result, trainable), at_start, result.num_examples),
        )
        return collections.OrderedDict(
            **_after(state, before, result.values, trainable),
            start=start,
            local_step=step_state,
            num_examples=state["num_examples"] + result.num_examples,
        )

    finish_runner = runner.another(spec.make_model)

    @tf.autograph.experimental.do_not_convert
    def finish(weights: Any, state: Any) -> Any:
        num_examples = state["num_examples"]
        update = local_step.finish(
            state["local_step"], state["trainable"], weights.trainable, num_examples
        )
        finite = tf.reduce_all([_is_finite(leaf) for leaf in trees.leaves(update)])
        has_non_finite = tf.logical_not(finite)
        return collections.OrderedDict(
            update=trees.map_structure(
                lambda leaf: tf.where(finite, leaf, tf.zeros_like(leaf)), update
            ),
            num_examples=num_examples,
            has_non_finite=has_non_finite,
            unfinalized_metrics=finish_runner.report(_values(state), has_non_finite),
        )

    initialized = _compute(initialize, spec.weights_type, shared_type, _KEY_TYPE)
    state_type = initialized.type_signature.result
    return TrainLoop(
        shared_type=shared_type,
        initialize=initialized,
        step=_compute_on(runner, step, state_type, spec.batch_type),
        finish=_compute_on(finish_runner, finish, spec.weights_type, state_type),
    )


def _at(values: runners.Values, trainable: Any) -> runners.Values:
    """The values of the variables, with other trainable weights."""
    return values._replace(trainable=trees.leaves(trainable))


def _gradients(result: runners.Step, trainable: Any) -> Any:
    return trees.pack_like(trainable, result.gradients or [])


def _trace_eval_loop(spec: VariableModelSpec, runner: runners.Runner) -> EvalLoop:
    hidden = runner.hidden

    @tf.autograph.experimental.do_not_convert
    def initialize(weights: Any, key: tf.Tensor) -> Any:
        return _start(runner.recorded, hidden, weights, key)

    @tf.autograph.experimental.do_not_convert
    def step(state: Any, batch: Any) -> Any:
        before = _values(state)
        result = runner.run(before, batch, training=False)
        return _after(state, before, result.values, state["trainable"])

    finish_runner = runner.another(spec.make_model)

    @tf.autograph.experimental.do_not_convert
    def finish(state: Any) -> Any:
        return finish_runner.report(_values(state), None)

    initialized = _compute(initialize, spec.weights_type, _KEY_TYPE)
    state_type = initialized.type_signature.result
    return EvalLoop(
        initialize=initialized,
        step=_compute_on(runner, step, state_type, spec.batch_type),
        finish=_compute_on(finish_runner, finish, state_type),
    )


def _start(
    recorded: RecordedModel, hidden: Sequence[runners.Hidden], weights: Any, key: tf.Tensor
) -> collections.OrderedDict[str, Any]:
    """The values that the variables of a client's model start with."""
    return collections.OrderedDict(
        trainable=weights.trainable,
        non_trainable=weights.non_trainable,
        local=[tf.constant(value) for value in recorded.local_values],
        hidden=[
            runners.random_bits(key, index, each.value) if each.is_seed else tf.constant(each.value)
            for index, each in enumerate(hidden)
        ],
    )


def _values(state: Any) -> runners.Values:
    return runners.Values(
        trees.leaves(state["trainable"]),
        trees.leaves(state["non_trainable"]),
        list(state["local"]),
        list(state["hidden"]),
    )


def _after(
    state: Any, before: runners.Values, values: runners.Values, trainable: Any
) -> collections.OrderedDict[str, Any]:
    """The part of the state that holds the variables, after a batch."""
    return collections.OrderedDict(
        trainable=trainable,
        non_trainable=trees.pack_like(
            state["non_trainable"], _like(values.non_trainable, before.non_trainable)
        ),
        local=_like(values.local, before.local),
        hidden=_like(values.hidden, before.hidden),
    )


def _like(values: runners.Tensors, before: runners.Tensors) -> runners.Tensors:
    """Values with the shapes, as far as they are known, that they had before."""
    return [
        tf.ensure_shape(value, old.shape) if value.shape.as_list() != old.shape.as_list() else value
        for value, old in zip(values, before, strict=True)
    ]


def _is_finite(tensor: tf.Tensor) -> tf.Tensor:
    if not (tensor.dtype.is_floating or tensor.dtype.is_complex):
        return tf.constant(True)
    parts = [tf.math.real(tensor), tf.math.imag(tensor)] if tensor.dtype.is_complex else [tensor]
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(part)) for part in parts])


def _as_structure(struct_type: types.Type) -> Any:
    """A structure with the types of its elements as leaves."""
    if not isinstance(struct_type, types.StructType):
        return struct_type
    return containers.pack(struct_type, [_as_structure(each) for _, each in struct_type.items()])


def _compute(fn: Callable[..., Any], *parameter_types: types.Type) -> ConcreteComputation:
    return tensorflow_backend.computation(fn, *parameter_types)


def _compute_on(
    runner: runners.Runner, fn: Callable[..., Any], *parameter_types: types.Type
) -> ConcreteComputation:
    """A computation that runs a model, on values or on variables that it has to itself."""
    try:
        computation = tensorflow_backend.model_computation(fn, *parameter_types)
        _check_no_text_is_cast(computation)
    except errors.FederatedError:
        raise
    except Exception as error:
        raise _TracingFailure(error) from error
    owning = tracing.owning(_local(computation), runner.variables)
    return ConcreteComputation(ir.Local(owning), computation.__name__)


def _local(computation: ConcreteComputation) -> LocalComputation:
    node = computation.node
    assert isinstance(node, ir.Local)
    return node.computation


def _check_no_text_is_cast(computation: ConcreteComputation) -> None:
    """Finds labels of text that a loss casts to numbers: TensorFlow would say so only when run."""
    leaves = [spec.dtype for spec in _local(computation).function.concrete.inputs]
    if tf.string not in leaves:
        return
    graph = _local(computation).function.concrete.graph.as_graph_def()
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
    for node in nodes:
        if node.op == "Cast" and node.attr["SrcT"].type == tf.string.as_datatype_enum:
            number = tf.as_dtype(node.attr["DstT"].type).name
            raise TypeError(f"a string is cast to {number}, at {node.name!r}")


def _touches_variables(computation: ConcreteComputation, recorded: RecordedModel) -> bool:
    """Whether a traced computation reads or assigns variables, rather than its arguments alone."""
    concrete = _local(computation).function.concrete
    groups = (recorded.trainable, recorded.non_trainable, recorded.local, recorded.hidden)
    known = {id(variable.handle) for group in groups for variable in group}
    return bool(concrete.variables) or any(id(each) in known for each in concrete.captured_inputs)


class _TracingFailure(Exception):
    """The code of a model failed while it was traced."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _model_error(spec: VariableModelSpec, cause: Exception) -> errors.FederatedError:
    kind = errors.ModelError if isinstance(cause, TypeError) else errors.ModelValueError
    return kind(
        "the model cannot compute its loss for a batch of its `input_spec`.",
        problems=[
            f"input_spec: {spec.batch_type}",
            f"{type(cause).__name__}: {descriptions.told(cause)}",
        ],
        where=callsites.line_of(spec.model_fn),
        fix="compare `input_spec` with the `element_spec` of a client's dataset, the features with "
        "the input of the model, and the labels with what loss and metrics take.",
    )
