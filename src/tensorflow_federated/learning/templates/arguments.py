"""Checks of the arguments that the builders share."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.templates.distributors import DistributionProcess


def check_kind(
    candidate: Any, kind: type[Any] | tuple[type[Any], ...], argument: str, user: str, fix: str
) -> None:
    """Checks the class of an argument.

    Args:
      candidate: what was given.
      kind: the class, or the classes, that it may be an instance of.
      argument: the name of the argument.
      user: the function that takes it, for the message.
      fix: what to write instead.

    Raises:
      TypeMismatchError: if it is something else.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(candidate, kinds):
        expected = " or ".join(descriptions.with_article(each.__name__) for each in kinds)
        raise errors.TypeMismatchError(
            f"`{user}` cannot use this `{argument}`.",
            problems=[f"{argument}: expected {expected}, got {descriptions.described(candidate)}"],
            fix=fix,
        )


def check_client_weighting(candidate: Any, user: str) -> ClientWeighting:
    """Checks the argument `client_weighting`.

    Args:
      candidate: what was given.
      user: the function that takes it, for the message.

    Returns:
      The weighting.

    Raises:
      TypeMismatchError: if it is no `ClientWeighting`.
    """
    check_kind(
        candidate,
        ClientWeighting,
        "client_weighting",
        user,
        "give tff.learning.ClientWeighting.NUM_EXAMPLES or tff.learning.ClientWeighting.UNIFORM.",
    )
    return candidate


def check_distributor(candidate: Any, user: str) -> None:
    """Checks the argument `model_distributor`, unless it is None.

    Args:
      candidate: what was given.
      user: the function that takes it, for the message.

    Raises:
      TypeMismatchError: if it is no `DistributionProcess`.
    """
    if candidate is not None:
        check_kind(
            candidate,
            DistributionProcess,
            "model_distributor",
            user,
            "make one with tff.learning.templates.build_broadcast_process, or leave it out.",
        )


def check_loop_implementation(candidate: Any, user: str) -> None:
    """Checks the argument `loop_implementation`, which has no effect.

    Args:
      candidate: what was given.
      user: the function that takes it, for the message.

    Raises:
      TypeMismatchError: if it is no `LoopImplementation`.
    """
    check_kind(
        candidate,
        LoopImplementation,
        "loop_implementation",
        user,
        "leave it out: it has no effect here.",
    )


def check_metrics_aggregator(
    candidate: Any, default: MetricsAggregatorType, user: str
) -> MetricsAggregatorType:
    """Checks the argument `metrics_aggregator`.

    Args:
      candidate: what was given.
      default: what None stands for.
      user: the function that takes it, for the message.

    Returns:
      The aggregator.

    Raises:
      TypeMismatchError: if it cannot be called.
    """
    if candidate is None:
        return default
    if not callable(candidate):
        raise errors.TypeMismatchError(
            f"`{user}` cannot use this `metrics_aggregator`.",
            problems=[
                f"metrics_aggregator: expected a function, got {descriptions.described(candidate)}"
            ],
            fix="give tff.learning.metrics.sum_then_finalize or leave it out.",
        )
    return candidate
