"""The laws of mergeable computations: one error for each that can be broken."""

from __future__ import annotations

from tensorflow_federated.core import errors


class UpToMergeTypeError(errors.FederatedError, TypeError):
    """`up_to_merge` does not return one value at the server.

    Fails: an `up_to_merge` of the type `({int32}@CLIENTS -> {int32}@CLIENTS)`.
    Mended: aggregate, as `tff.federated_sum(values)` does: `({int32}@CLIENTS -> int32@SERVER)`.
    """


class MergeTypeNotAssignableError(errors.FederatedError, TypeError):
    """`merge` does not make one value of two that `up_to_merge` returns.

    Fails: an `up_to_merge` that returns `int32@SERVER`, and a `merge` of the type
    `(<float32,float32> -> float32)`.
    Mended: a `merge` of the type `(<int32,int32> -> int32)`.
    """


class AfterMergeTypeError(errors.FederatedError, TypeError, known_as="TypeError"):
    """`after_merge` does not take what the computation takes, and what was merged.

    Fails: an `after_merge` of the type `(int32@SERVER -> int32@SERVER)` for an `up_to_merge` of the
    type `({int32}@CLIENTS -> int32@SERVER)`.
    Mended: `(<{int32}@CLIENTS,int32@SERVER> -> int32@SERVER)`.
    """


class AfterMergeStructureError(errors.FederatedError, ValueError):
    """`after_merge` aggregates: it runs on parts of the cohort, and would aggregate each apart.

    Fails: `tff.federated_sum` in an `after_merge`; or a secure sum in a computation that is
    compiled to a mergeable one, whose parts would show the server the sums of parts of the cohort.
    Mended: aggregate in `up_to_merge`, and with `tff.federated_sum` or `tff.federated_aggregate`.
    """


class NoMergeableFormError(errors.FederatedError, ValueError, known_as="ValueError"):
    """A computation is to be run in subrounds, and nothing makes a `MergeableCompForm` of it.

    Fails: calling a computation in a `MergeableCompExecutionContext(contexts)` without compiler.
    Mended: `tff.backends.native.create_mergeable_comp_execution_context(contexts)`.
    """
