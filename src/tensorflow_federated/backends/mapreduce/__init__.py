"""`tff.backends.mapreduce`: rounds of computations in the form that other systems can run.

A round of the type ``(<S@SERVER,{D}@CLIENTS> -> <S@SERVER,X@SERVER>)``, as the `next` of a learning
process, goes from the server to the clients and back::

                      the clients are sent          the clients send
    state at the  --> a part of it, or what --> an update each, which --> state of the next
    server            is computed of it          is aggregated             round, and an output

Three forms write that down:

- a `MapReduceForm` as ten local computations without placement, among them `work` for one client,
  and `zero`, `accumulate`, `merge` and `report` for the aggregation, in any order and grouping;
- a `DistributeAggregateForm` as five federated computations, two of which only communicate;
- a `BroadcastForm` is the first half of a round: what the server sends, and what the clients make
  of it.

Each can be made of a computation, and a computation of each, which does the same.

Examples:
  A process as a system would run it that knows nothing of this package:

  >>> import numpy as np
  >>> import tensorflow_federated as tff
  >>> @tff.jax.computation(np.float32, np.float32)
  ... def half_way(x, y):
  ...     return (x + y) / 2
  >>> @tff.federated_computation
  ... def initialize():
  ...     return tff.federated_value(8.0, tff.SERVER)
  >>> @tff.federated_computation(
  ...     tff.FederatedType(np.float32, tff.SERVER), tff.FederatedType(np.float32, tff.CLIENTS)
  ... )
  ... def approach(guess, values):
  ...     mean = tff.federated_mean(values)
  ...     return tff.federated_map(half_way, (guess, mean)), mean
  >>> form = tff.backends.mapreduce.get_map_reduce_form_for_computation(approach)
  >>> state = tff.backends.mapreduce.get_state_initialization_computation(initialize)()
  >>> for _ in range(3):
  ...     sent = form.prepare(state)
  ...     accumulator = form.zero()
  ...     for value in [1.0, 3.0]:
  ...         accumulator = form.accumulate(accumulator, form.work(value, sent)[0])
  ...     state, mean = form.update(state, (form.report(accumulator), (), (), ()))
  >>> float(state), float(mean)
  (2.75, 2.0)
"""

from __future__ import annotations

from tensorflow_federated.backends.mapreduce.broadcast_form import BroadcastForm
from tensorflow_federated.backends.mapreduce.conversion import (
    check_computation_compatible_with_map_reduce_form,
    get_broadcast_form_for_computation,
    get_distribute_aggregate_form_for_computation,
    get_map_reduce_form_for_computation,
)
from tensorflow_federated.backends.mapreduce.distribute_aggregate_form import (
    DistributeAggregateForm,
)
from tensorflow_federated.backends.mapreduce.local_processing import (
    consolidate_and_extract_local_processing,
    get_state_initialization_computation,
    parse_tff_to_tf,
)
from tensorflow_federated.backends.mapreduce.map_reduce_form import MapReduceForm
from tensorflow_federated.backends.mapreduce.recomposition import (
    get_computation_for_broadcast_form,
    get_computation_for_distribute_aggregate_form,
    get_computation_for_map_reduce_form,
)
from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.secure_intrinsics import federated_secure_modular_sum

__all__ = [
    "BroadcastForm",
    "DistributeAggregateForm",
    "MapReduceForm",
    "check_computation_compatible_with_map_reduce_form",
    "consolidate_and_extract_local_processing",
    "federated_secure_modular_sum",
    "get_broadcast_form_for_computation",
    "get_computation_for_broadcast_form",
    "get_computation_for_distribute_aggregate_form",
    "get_computation_for_map_reduce_form",
    "get_distribute_aggregate_form_for_computation",
    "get_map_reduce_form_for_computation",
    "get_state_initialization_computation",
    "parse_tff_to_tf",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.backends.mapreduce", __all__)
