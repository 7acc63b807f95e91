"""What clients report of results that were not finite, as an aggregate of their step.

The aggregate tells the engine which clients of a chunk reported: it writes their reports one after
the other, as the digits of a binary number. So a compiled step needs one integer for it, beside the
totals that it has in any case, and none of its results depends on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.compiler import lowering, plan
from tensorflow_federated.core import ir, portable, traversal
from tensorflow_federated.core.types import StructType, TensorType

URI = "reported_non_finite"

KIND: plan.AggregateKind = "non_finite"

_NUM_DIGITS = 64
_REPORT_TYPE = TensorType(np.bool_)
_STATE_TYPE = StructType([np.int64, np.int32])


def is_report(node: ir.Node) -> bool:
    """Whether a node is the call by which a client reports."""
    intrinsic = ir.called_intrinsic(node)
    return intrinsic is not None and intrinsic.uri == URI


def aggregate(names: traversal.FreshNames) -> plan.Aggregate:
    """The aggregate of a report.

    Args:
      names: makes the names that the program does not have.
    """
    output = plan.Slot(names.fresh("non_finite"), StructType([]))
    parameter = ir.Reference(names.fresh("arg"), StructType([_STATE_TYPE, _REPORT_TYPE]))
    append = lowering.portable(_append, "append", parameter.type, _STATE_TYPE)
    accumulate = ir.Lambda(parameter.name, parameter.type, ir.Call(append, parameter))
    return plan.Aggregate(output, KIND, _REPORT_TYPE, accumulate=accumulate)


def zero() -> tuple[Any, ...]:
    """What the aggregate starts from, canonical."""
    return np.int64(0), np.int32(0)


def is_last(state: tuple[Any, ...]) -> bool:
    """Whether the client that was accumulated last reported."""
    digits, _ = state
    return bool(digits & 1)


def positions(state: tuple[Any, ...], num_clients: int) -> list[int] | None:
    """Which clients reported.

    Args:
      state: what was accumulated from `zero`.
      num_clients: the number of clients that were.

    Returns:
      Their positions, in order; None if there are some, and too many clients to know which.
    """
    digits, count = state
    if not count:
        return []
    if num_clients > _NUM_DIGITS:
        return None
    written = f"{int(digits) % 2**_NUM_DIGITS:0{num_clients}b}"
    return [position for position, digit in enumerate(written) if digit == "1"]


def _append(argument: Any) -> Any:
    (digits, count), report = argument
    xp = portable.namespace_of(digits, report)
    return digits + digits + xp.cast(report, np.int64), count + xp.cast(report, np.int32)
