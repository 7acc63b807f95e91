"""TensorFlow as a back end: `@tff.tensorflow.computation`.

Importing this package does not import TensorFlow; the first computation does.

Examples:
  >>> import numpy as np
  >>> import tensorflow_federated as tff
  >>> tff.tensorflow.computation(lambda: "Hello, World!")()
  b'Hello, World!'
  >>> @tff.tensorflow.computation(np.int32, np.int32)
  ... def add(x, y):
  ...     return x + y
  >>> print(add.type_signature)
  (<x=int32,y=int32> -> int32)
  >>> int(add(1, 2))
  3
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tensorflow_federated.core import (
    computations,
    containers,
    errors,
    ir,
    namespaces,
    portable,
    spec_writers,
)
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import backends, sequences
from tensorflow_federated.tensorflow import composites

if TYPE_CHECKING:
    from tensorflow_federated.core.types import to_type
    from tensorflow_federated.tensorflow import backend as _backend
    from tensorflow_federated.tensorflow.compatibility import (
        replace_intrinsics_with_bodies,
        transform_args,
        transform_result,
    )

__all__ = [
    "computation",
    "replace_intrinsics_with_bodies",
    "to_type",
    "transform_args",
    "transform_result",
]


def _check_installed(what: str) -> None:
    try:
        importlib.import_module("tensorflow")
    except ImportError as error:
        # What a broken installation says stays visible as the cause.
        raise errors.missing_extra("tensorflow", what=what) from error


def _trace(
    fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str
) -> ir.Local:
    _check_installed("`tff.tensorflow.computation`")
    from tensorflow_federated.tensorflow import tracing

    return tracing.trace(fn, parameter_type, unpack, name)


def _trace_model(
    fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str
) -> ir.Local:
    _check_installed("`tff.tensorflow.computation`")
    from tensorflow_federated.tensorflow import tracing

    return tracing.trace(fn, parameter_type, unpack, name, runs_model=True)


def _load_backend() -> _backend.TensorFlowBackend:
    _check_installed("a TensorFlow computation")
    from tensorflow_federated.tensorflow import backend

    return backend.TensorFlowBackend()


def _set_up(options: Mapping[str, Any] | None) -> None:
    _check_installed("a TensorFlow computation")
    # Not the back end: when that is imported, TensorFlow computes.
    from tensorflow_federated.tensorflow import process_options

    if options is not None:
        process_options.set_process_options(options)


def _load_namespace() -> portable.ArrayNamespace:
    from tensorflow_federated.tensorflow import namespace

    return namespace.TensorFlowNamespace()


def _load_class(name: str) -> type[Any]:
    _check_installed(f"a `tf.{name}`")
    import tensorflow as tf

    return getattr(tf, name)


def _is_dataset(value: Any) -> bool:
    tf = sys.modules.get("tensorflow")
    return tf is not None and hasattr(tf, "data") and isinstance(value, tf.data.Dataset)


def _convert_dataset(dataset: Any, element_type: Type) -> sequences.Sequence:
    from tensorflow_federated.tensorflow import datasets

    return datasets.convert(dataset, element_type)


computation = computations.Decorator(
    _trace,
    "tff.tensorflow.computation",
    """Makes a local computation of a Python function on tensors.

The function is traced once for each type of argument, with AutoGraph if it is a `def`. Its
arguments come in the containers of their types: tensors, `tf.data.Dataset`s for sequences, and
`tff.structure.Struct`s for structures that have no container. What it returns keeps its
containers; Python numbers and strings become tensors (int32, float32, bool, str).

A computation is pure: a variable that the function makes is made afresh, with its initial value, at
every call. Other TensorFlow computations that it calls become part of it.

Raises:
  TracingError: if the function returns nothing, or calls what cannot run inside TensorFlow.
  TypeMismatchError: if the result is not made of tensors and datasets.

Differs from TFF: loops over datasets need no `tf.function` around them.
""",
)


def _write_spec(tensor_type: TensorType) -> Any:
    _check_installed("`tff.types.type_to_tf_tensor_specs`")
    from tensorflow_federated.tensorflow import type_specs

    return type_specs.to_tensor_spec(tensor_type)


model_computation = computations.Decorator(
    _trace_model,
    "model_computation",
    """Makes a computation of code of ours that runs a model.

The code may use variables that were made outside of it, for it sets all that it reads; whoever
makes the computation adds them to those that it owns. What TensorFlow raises passes as it is.
""",
)

backends.register("tensorflow", _load_backend, _set_up)
spec_writers.register("tensorflow", _write_spec)
sequences.register_dataset_converter(_is_dataset, _convert_dataset)
containers.register_composites(composites.TensorFlowComposites())
for _name in ("RaggedTensor", "SparseTensor"):
    containers.register_container_loader(f"tf.{_name}", functools.partial(_load_class, _name))
portable.register_namespace("tensorflow", ("tensorflow", "keras"), _load_namespace)

# What is imported at first use: it loads the compiler.
_load = namespaces.loader(
    __name__,
    {
        "replace_intrinsics_with_bodies": "tensorflow_federated.tensorflow.compatibility",
        "to_type": "tensorflow_federated.core.types",
        "transform_args": "tensorflow_federated.tensorflow.compatibility",
        "transform_result": "tensorflow_federated.tensorflow.compatibility",
    },
)

__getattr__, __dir__ = namespaces.module_functions("tff.tensorflow", __all__, load=_load)
