"""Local training and evaluation as small local computations, between which the engine loops.

A client's training is `initialize`, then `step` for each batch, then `finish`; a federated
computation puts them together as `finish(weights, sequence_reduce(data, initialize(...), step))`.
So the engine owns the loop, and may stream the batches of many clients through one compiled step.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tensorflow_federated.core import errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import StructWithPythonType, Type
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.local_steps.local_step import LocalStep
from tensorflow_federated.learning.metrics.metric_types import AnyMetricFinalizers
from tensorflow_federated.learning.models import frameworks
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.variable import VariableModel

if TYPE_CHECKING:
    from tensorflow_federated.learning.models.jax_passes import JaxModel
    from tensorflow_federated.learning.models.recording import RecordedModel


@dataclasses.dataclass(frozen=True, eq=False)
class ModelSpec:
    """What a federated algorithm has to know of a model.

    Attributes:
      weights_type: the type of its weights, `<trainable=<...>,non_trainable=<...>>`.
      batch_type: the type of a batch, the element of the clients' sequences.
      initial_weights: ``( -> weights_type)``, local.
      metric_finalizers: by name, the function from the sum of the clients' reports to the metric;
        or one function from all sums to all metrics.
      unfinalized_metrics_type: the type of what a client reports, an `OrderedDict`.
    """

    weights_type: StructWithPythonType
    batch_type: Type
    initial_weights: ConcreteComputation
    metric_finalizers: AnyMetricFinalizers
    unfinalized_metrics_type: StructWithPythonType


@dataclasses.dataclass(frozen=True, eq=False)
class VariableModelSpec(ModelSpec):
    """What is known of a model that has variables of TensorFlow.

    Its `initial_weights` call `model_fn` each time, so that the weights are drawn anew by the
    model's own initializers.

    Attributes:
      model_fn: makes a model.
      make_model: makes a model that nothing else uses, and its variables.
    """

    model_fn: Callable[[], VariableModel]
    make_model: Callable[[], RecordedModel]


@dataclasses.dataclass(frozen=True, eq=False)
class JaxModelSpec(ModelSpec):
    """What is known of a model of JAX.

    Attributes:
      model: the model, as pure functions.
      metrics_type: the type of the state of its metrics, in its own containers.
      uses_64_bits: whether JAX keeps 64 bits in the functions of the model. The state of a loop
        always has 64 bits, for it counts examples; the model does not notice.
    """

    model: JaxModel
    metrics_type: Type
    uses_64_bits: bool


@dataclasses.dataclass(frozen=True, eq=False)
class TrainLoop:
    """A client's training.

    Attributes:
      shared_type: the type of what the server sends besides the weights.
      initialize: ``(<weights=W,shared=H,key=int64[2]> -> S)``.
      step: ``(<state=S,batch=B> -> S)``.
      finish: ``(<weights=W,state=S> -> <update=U,num_examples=int64,has_non_finite=bool,
        unfinalized_metrics=M>)``. The update is what the local step makes; if it is infinite or
        NaN anywhere it is zero, and the metrics are reset.
    """

    shared_type: Type
    initialize: ConcreteComputation
    step: ConcreteComputation
    finish: ConcreteComputation


@dataclasses.dataclass(frozen=True, eq=False)
class EvalLoop:
    """A client's evaluation.

    Attributes:
      initialize: ``(<weights=W,key=int64[2]> -> S)``.
      step: ``(<state=S,batch=B> -> S)``.
      finish: ``(S -> M)``, M the type of the unfinalized metrics.
    """

    initialize: ConcreteComputation
    step: ConcreteComputation
    finish: ConcreteComputation


def describe_model(
    model_fn: Callable[[], VariableModel] | FunctionalModel | ModelSpec,
) -> ModelSpec:
    """Calls a model function once and finds out what an algorithm has to know.

    Args:
      model_fn: a function without arguments that makes a model; or a functional model; or a
        description, given back.

    Returns:
      The description.

    Raises:
      ModelError: if it is a model and no function, or does not make a model.
      ModelValueError: if the model uses variables that were made elsewhere, or if its metrics and
        their finalizers do not have the same names.
    """
    if isinstance(model_fn, ModelSpec):
        return model_fn
    if isinstance(model_fn, FunctionalModel) and model_fn.framework == "jax":
        from tensorflow_federated.learning.models import jax_models

        return jax_models.describe_model(model_fn)
    if not isinstance(model_fn, FunctionalModel) and frameworks.keras_is_on_jax():
        from tensorflow_federated.learning.models import keras_jax_model

        described = keras_jax_model.describe_if_keras(model_fn)
        if described is not None:
            return described
    _check_tensorflow()
    from tensorflow_federated.learning.models import description

    if isinstance(model_fn, FunctionalModel):
        from tensorflow_federated.learning.models import functional_variables

        # No function of the user's makes this model: messages point to where the algorithm is.
        model_fn = functools.partial(functional_variables.WithOwnMetrics, model_fn)
    return description.describe_model(model_fn)


def build_train_loop(
    model_fn: Callable[[], VariableModel] | FunctionalModel | ModelSpec, local_step: LocalStep
) -> TrainLoop:
    """Builds the training of a model.

    Args:
      model_fn: a function that makes a model, or a functional model, or a description.
      local_step: what a client does with the gradients of a batch; it runs inside the step.

    Returns:
      The computations.

    Raises:
      ModelError: as `describe_model`; if the model cannot read a batch of its `input_spec`; or if
        the local step is written in another framework than the model.
      ModelValueError: as `describe_model`.
    """
    spec = describe_model(model_fn)
    if isinstance(spec, JaxModelSpec):
        from tensorflow_federated.learning.models import jax_loops

        check_framework(local_step, "jax")
        return jax_loops.build_train_loop(spec, local_step)
    assert isinstance(spec, VariableModelSpec)
    from tensorflow_federated.learning.models import tensorflow_loops

    check_framework(local_step, "tensorflow")
    return tensorflow_loops.build_train_loop(spec, local_step)


def build_eval_loop(
    model_fn: Callable[[], VariableModel] | FunctionalModel | ModelSpec,
) -> EvalLoop:
    """Builds the evaluation of a model.

    Args:
      model_fn: a function that makes a model, or a functional model, or a description.

    Returns:
      The computations.

    Raises:
      ModelError: as `describe_model`; or if the model cannot read a batch of its `input_spec`.
      ModelValueError: likewise.
    """
    spec = describe_model(model_fn)
    if isinstance(spec, JaxModelSpec):
        from tensorflow_federated.learning.models import jax_loops

        return jax_loops.build_eval_loop(spec)
    assert isinstance(spec, VariableModelSpec)
    from tensorflow_federated.learning.models import tensorflow_loops

    return tensorflow_loops.build_eval_loop(spec)


_FRAMEWORKS = {"tensorflow": "TensorFlow", "jax": "JAX"}


def check_framework(local_step: LocalStep, framework: str) -> None:
    """Checks that a local step can be traced into the steps of a model of a framework."""
    if local_step.framework in ("portable", framework):
        return
    given = descriptions.with_article(type(local_step.written_by).__name__)
    raise errors.ModelError(
        f"this optimizer is written in {_FRAMEWORKS[local_step.framework]}, and the model in "
        f"{_FRAMEWORKS[framework]}.",
        problems=[f"optimizer: got {given}"],
        fix="use one of `tff.learning.optimizers`, such as `build_sgdm`; or write its methods with "
        'operators and `core.portable`, and set `framework = "portable"` in the class.',
    )


def _check_tensorflow() -> None:
    if "tensorflow" not in sys.modules and importlib.util.find_spec("tensorflow") is None:
        raise errors.missing_extra("tensorflow", "a `tff.learning.models.VariableModel`")
