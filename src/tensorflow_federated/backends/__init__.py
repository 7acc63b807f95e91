"""`tff.backends`: where computations run, and the forms that other platforms run them in."""

from __future__ import annotations

from tensorflow_federated.backends import mapreduce, native, test, xla
from tensorflow_federated.core import namespaces as _namespaces

__all__ = ["mapreduce", "native", "test", "xla"]

_REMOVED = {
    "iree": "JAX computations run in every context: `tff.jax.computation`.",
    "reference": "call the computation: every context evaluates computations as TFF's did.",
}

__getattr__, __dir__ = _namespaces.module_functions("tff.backends", __all__, removed=_REMOVED)
