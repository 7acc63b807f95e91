"""The methods of an optimizer as local computations."""

from __future__ import annotations

from typing import Any

from tensorflow_federated import jax, tensorflow
from tensorflow_federated.core import computations, containers
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.learning.optimizers.optimizer import Optimizer


def decorator_for(framework: str) -> computations.Decorator:
    """The decorator for code of an optimizer, by the framework that it is written in."""
    if framework == "portable":
        return jax.portable_computation
    return jax.computation if framework == "jax" else tensorflow.computation


def trace_optimizer(
    optimizer: Optimizer[Any, Any, Any], weights_type: Type
) -> tuple[ConcreteComputation, ConcreteComputation, ConcreteComputation]:
    """Makes computations of all methods of an optimizer but `next`.

    Args:
      optimizer: the optimizer.
      weights_type: the type of the weights that it is for.

    Returns:
      Three computations: `initialize`, ``( -> S)``; `get_hparams`, ``(S -> H)``; `set_hparams`,
      ``(<state=S,hparams=H> -> S)``.
    """
    local = decorator_for(optimizer.framework)

    def initialize() -> Any:
        return optimizer.initialize(_specs(weights_type, optimizer.framework))

    def get_hparams(state: Any) -> Any:
        return optimizer.get_hparams(state)

    def set_hparams(state: Any, hparams: Any) -> Any:
        return optimizer.set_hparams(state, hparams)

    initialize_fn = local(initialize)
    state_type = initialize_fn.type_signature.result
    get_hparams_fn = local(get_hparams, state_type)
    hparams_type = get_hparams_fn.type_signature.result
    return initialize_fn, get_hparams_fn, local(set_hparams, state_type, hparams_type)


def _specs(weights_type: Type, framework: str) -> Any:
    """A structure of specs, in the Python containers of the weights."""
    if isinstance(weights_type, StructType):
        return containers.pack(
            weights_type, [_specs(element, framework) for element in weights_type]
        )
    assert isinstance(weights_type, TensorType)
    if framework != "tensorflow":
        return weights_type
    from tensorflow_federated.tensorflow import type_specs

    return type_specs.to_tensor_spec(weights_type)
