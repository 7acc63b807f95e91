"""Errors about names that do not exist, and extras that are not installed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tensorflow_federated.core.errors.root import FederatedError


class MissingExtraError(FederatedError, ImportError):
    """Something needs an optional dependency that is not installed.

    Fails: `tff.tensorflow.computation(...)` on a machine without TensorFlow.
    Mended: `pip install "tff-ng[tensorflow]"`.
    """


class RemovedNameError(FederatedError, AttributeError):
    """A name does not exist, was removed, or is misspelt.

    Examples:
      Fails, for there is no such name:

      >>> import tensorflow_federated as tff
      >>> tff.federated_averge
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.names.RemovedNameError: `tff` has no attribute
        `federated_averge`.
        where:       <doctest ...
        fix:         did you mean `tff.federated_value`?

      Mended:

      >>> tff.federated_mean.__name__
      'federated_mean'
    """


def missing_extra(extra: str, what: str) -> MissingExtraError:
    """Returns the error to raise where an optional dependency is missing.

    Args:
      extra: The name of the extra, for example `tensorflow`.
      what: What needs it, for example `` `tff.tensorflow.computation` ``.

    Returns:
      The error, not raised yet.

    Examples:
      >>> print(missing_extra("tensorflow", "`tff.tensorflow.computation`").fix)
      pip install "tff-ng[tensorflow]"
    """
    return MissingExtraError(
        f"{what} needs the extra `{extra}`, which is not installed.",
        problems=[f"extra: expected `{extra}`, got an environment without it"],
        fix=f'pip install "tff-ng[{extra}]"',
    )


def suggest_name(name: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate that `name` was probably meant to be, or None.

    Args:
      name: A name that does not exist.
      candidates: The names that do.

    Returns:
      The nearest candidate, or None if none is near.

    Examples:
      >>> suggest_name("federated_averge", ["federated_sum", "federated_average"])
      'federated_average'
      >>> suggest_name("zebra", ["federated_sum"]) is None
      True
    """
    matches = difflib.get_close_matches(name, sorted(candidates), n=1)
    return matches[0] if matches else None


def unknown_name(owner: str, name: str, candidates: Iterable[str]) -> RemovedNameError:
    """Returns the error to raise where a name does not exist.

    Args:
      owner: What has no such name, for example `tff.learning`.
      name: The name that was asked for.
      candidates: The names that exist.

    Returns:
      The error, not raised yet; it proposes the nearest name if there is one.

    Examples:
      >>> print(unknown_name("tff", "to_tipe", ["to_type", "CLIENTS"]).fix)
      did you mean `tff.to_type`?
    """
    nearest = suggest_name(name, candidates)
    return RemovedNameError(
        f"`{owner}` has no attribute `{name}`.",
        fix=None if nearest is None else f"did you mean `{owner}.{nearest}`?",
    )
