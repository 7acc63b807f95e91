"""The ranges that metrics are clipped to before they are summed securely."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from tensorflow_federated import aggregators, templates
from tensorflow_federated.core import dtypes, errors, type_trees, types
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.learning import descriptions

_NAME = "tff.learning.metrics.create_default_secure_sum_quantization_ranges"
_LOWER = 0
_UPPER = 2**20 - 1

Bound = int | float
Path = tuple[str, ...]
Range: TypeAlias = "tuple[Bound | None, Bound | templates.EstimationProcess]"
"""A lower and an upper bound; or None and the process that estimates both from round to round."""


class UnquantizableDTypeError(errors.FederatedError):
    """Values of a dtype cannot be summed securely.

    Fails: a metric of the type `<name=str>` in `tff.learning.metrics.secure_sum_then_finalize`.
    Mended: report metrics of integer or floating dtypes only.
    """


class MetricRangeError(errors.FederatedError, TypeError, known_as="TypeError"):
    """The range of a metric is not of the kind that is needed.

    Fails: `SecureSumFactory(OrderedDict(loss=[0.0, 1.0]))`.
    Mended: `SecureSumFactory(OrderedDict(loss=(0.0, 1.0)))`, a tuple.
    """


class MetricRangeValueError(MetricRangeError, ValueError, known_as="ValueError"):
    """The range of a metric is empty, or ranges do not fit the metrics.

    Fails: `SecureSumFactory(OrderedDict(loss=(1.0, 0.0)))`.
    Mended: `SecureSumFactory(OrderedDict(loss=(0.0, 1.0)))`, the lower bound first.
    """


@errors.boundary
def create_default_secure_sum_quantization_ranges(
    local_unfinalized_metrics_type: Type,
    lower_bound: Bound = _LOWER,
    upper_bound: Bound = _UPPER,
    use_auto_tuned_bounds_for_float_values: bool | None = True,
) -> Any:
    """Makes a range for each tensor of a type, as a secure sum of metrics takes them.

    Integers get the integers between the two bounds. Floating numbers get a range that is estimated
    from round to round: from -b to b, where b is twice an estimate of the 0.95 quantile of the
    largest absolute value of a client, 50 at first, that moves by a factor of at most ``e`` a round
    (`tff.aggregators.PrivateQuantileEstimationProcess`, without noise). Without auto-tuning they
    get the two bounds.

    Args:
      local_unfinalized_metrics_type: the type of one client's unfinalized metrics, of integer and
        floating tensors.
      lower_bound: the smallest number that is not clipped.
      upper_bound: the largest number that is not clipped.
      use_auto_tuned_bounds_for_float_values: whether ranges of floating numbers are estimated.

    Returns:
      A structure like the type, with a pair of bounds for each tensor: two integers, two floats, or
      None and a `tff.templates.EstimationProcess`.

    Raises:
      UnquantizableDTypeError: if a dtype is neither integer nor floating.
      MetricRangeError: if a bound is no number.
      MetricRangeValueError: if there is no number, or for integers no integer, between the bounds.

    Examples:
      >>> import collections, numpy as np
      >>> import tensorflow_federated as tff
      >>> unfinalized_type = tff.to_type(collections.OrderedDict(count=np.int32, loss=np.float32))
      >>> tff.learning.metrics.create_default_secure_sum_quantization_ranges(
      ...     unfinalized_type, 0.5, 10, use_auto_tuned_bounds_for_float_values=False
      ... )
      OrderedDict([('count', (1, 10)), ('loss', (0.5, 10.0))])
    """
    wrong = [
        f"{label}: expected a number, got {descriptions.described(bound)}"
        for label, bound in (("lower_bound", lower_bound), ("upper_bound", upper_bound))
        if not isinstance(bound, (int, float))  # pyright: ignore[reportUnnecessaryIsInstance]
    ]
    if wrong:
        raise MetricRangeError(
            f"`{_NAME}` needs two bounds.", problems=wrong, fix="give two integers or floats."
        )
    if lower_bound >= upper_bound:
        raise MetricRangeValueError(
            f"`{_NAME}` needs a lower bound below the upper one.",
            problems=[f"lower_bound, upper_bound: got {lower_bound} and {upper_bound}"],
            fix="exchange the bounds.",
        )
    whole_type = types.to_type(local_unfinalized_metrics_type)
    integers = math.ceil(lower_bound), math.floor(upper_bound)
    problems: list[str] = []
    for path, leaf in _leaves(whole_type, ()):
        if dtypes.is_integer(leaf.dtype) and integers[0] >= integers[1]:
            problems.append(f"{_shown(path)}: there are no two {leaf} in the range")
    if problems:
        raise MetricRangeValueError(
            f"`{_NAME}` needs a range of more than one integer.",
            problems=[*problems, f"range: from {lower_bound} to {upper_bound}"],
            fix="move the bounds apart.",
        )
    auto_tuned = _auto_tuned() if use_auto_tuned_bounds_for_float_values else None

    def of_leaf(leaf: TensorType) -> Range:
        if dtypes.is_integer(leaf.dtype):
            return integers
        return auto_tuned or (float(lower_bound), float(upper_bound))

    return type_trees.structure_from_tensor_type_tree(of_leaf, whole_type)


def _auto_tuned() -> Range:
    """Bounds that follow the clients' values; the numbers are TFF's."""
    estimation = aggregators.PrivateQuantileEstimationProcess.no_noise(
        initial_estimate=50.0,
        target_quantile=0.95,
        learning_rate=1.0,
        multiplier=2.0,
        secure_estimation=True,
    )
    return None, estimation


@dataclasses.dataclass(frozen=True)
class MetricRange:
    """The range of one tensor of the unfinalized metrics.

    Attributes:
      lower: the smallest number that is not clipped; None if it is estimated.
      upper: the largest number that is not clipped, or the process that estimates it.
      dtype: the dtype of the tensor, by name.
    """

    lower: Bound | None
    upper: Bound | templates.EstimationProcess
    dtype: str

    @property
    def is_estimated(self) -> bool:
        """Whether the range is estimated from round to round."""
        return isinstance(self.upper, templates.EstimationProcess)

    @property
    def key(self) -> str:
        """Names the tensors that are summed together: those of one range and one dtype."""
        upper = "default_estimation_process" if self.is_estimated else self.upper
        return f"{self.lower}/{upper}/{self.dtype}"


def filled_ranges(
    unfinalized_type: StructType, given: Any, *, are_auto_tuned: bool, user: str
) -> list[MetricRange]:
    """The range of every tensor, with the default where none is given.

    Args:
      unfinalized_type: the type of one client's unfinalized metrics.
      given: ranges in a structure like the type, which may lack parts or hold None for them.
      are_auto_tuned: whether the default of floating tensors is estimated from round to round.
      user: the function that takes the ranges, for messages.

    Returns:
      The ranges, in the order of the type's tensors.

    Raises:
      UnquantizableDTypeError: if a dtype is neither integer nor floating.
      MetricRangeError: if what is given is no structure of ranges.
      MetricRangeValueError: if a range is empty, or the ranges do not fit the type.
    """
    defaults = create_default_secure_sum_quantization_ranges(
        unfinalized_type, use_auto_tuned_bounds_for_float_values=are_auto_tuned
    )
    reading = _Reading(are_auto_tuned)
    ranges = list(reading.ranges(unfinalized_type, defaults, given, ()))
    problems, wrong_values = reading.wrong_kinds, reading.wrong_values
    if problems or wrong_values:
        raise (MetricRangeError if problems else MetricRangeValueError)(
            f"`{user}` cannot use these ranges.",
            problems=[*problems, *wrong_values],
            signature=unfinalized_type.compact_representation(),
            fix="give a tuple of a lower and an upper bound for each tensor, of two integers or "
            "two floats as its dtype is, or None for the default range.",
        )
    return ranges


class _Reading:
    """Reads ranges, and collects what is wrong with them."""

    def __init__(self, may_be_estimated: bool) -> None:
        self._may_be_estimated = may_be_estimated
        self.wrong_kinds: list[str] = []
        self.wrong_values: list[str] = []

    def ranges(
        self, value_type: Type, default: Any, given: Any, path: Path
    ) -> Iterator[MetricRange]:
        """Yields the range of each tensor."""
        if isinstance(value_type, StructType):
            names = [name for name, _ in value_type.items()]
            defaults = default.values() if isinstance(default, Mapping) else default
            elements = self._elements(names, given, path)
            parts = zip(names, value_type.children(), defaults, elements, strict=True)
            for index, (name, element_type, element_default, element) in enumerate(parts):
                inner = (*path, f"[{index}]" if name is None else f"[{name!r}]")
                yield from self.ranges(element_type, element_default, element, inner)
            return
        assert isinstance(value_type, TensorType)
        lower, upper = default
        if given is not None and self._is_range(given, value_type, path):
            lower, upper = given
        elif given is None and dtypes.is_integer(value_type.dtype):
            limits = np.iinfo(value_type.dtype)
            if not limits.min <= lower < upper <= limits.max:
                self.wrong_values.append(
                    f"{_shown(path)}: needs a range, for the default one, from {lower} to {upper}, "
                    f"is larger than that of {value_type}; or report it as int32"
                )
        yield MetricRange(lower, upper, value_type.dtype.name)

    def _elements(self, names: list[str | None], given: Any, path: Path) -> list[Any]:
        nothing = [None] * len(names)
        if given is None:
            return nothing
        are_named = bool(names) and None not in names
        if isinstance(given, Mapping) and (are_named or not names):
            unknown = [repr(name) for name in given if name not in names]
            if unknown:
                self.wrong_values.append(
                    f"{_shown(path)}: there is no metric {' or '.join(unknown)}"
                )
            return [given.get(name) for name in names]
        if isinstance(given, (list, tuple)) and not are_named:
            if len(given) != len(names):
                self.wrong_values.append(
                    f"{_shown(path)}: expected {len(names)} ranges, got {len(given)}"
                )
                return nothing
            return list(given)
        kind = "a dict" if are_named else "a list"
        self.wrong_kinds.append(
            f"{_shown(path)}: expected {kind} of ranges, got {descriptions.described(given)}"
        )
        return nothing

    def _is_range(self, given: Any, leaf: TensorType, path: Path) -> bool:
        wanted = int if dtypes.is_integer(leaf.dtype) else float
        where, got = _shown(path), descriptions.described(given)
        if not isinstance(given, tuple):
            self.wrong_kinds.append(f"{where}: expected a tuple of two bounds, got {got}")
        elif len(given) != 2:
            self.wrong_values.append(f"{where}: expected two bounds, got {got}")
        elif given[0] is None and isinstance(given[1], templates.EstimationProcess):
            if self._may_be_estimated and wanted is float:
                return True
            self.wrong_kinds.append(f"{where}: a range of {leaf} cannot be estimated here")
        elif not all(isinstance(bound, wanted) for bound in given):
            kind = "integers" if wanted is int else "floats"
            self.wrong_kinds.append(f"{where}: expected two {kind} for {leaf}, got {got}")
        elif given[0] >= given[1]:
            self.wrong_values.append(f"{where}: expected the lower bound first, got {got}")
        else:
            return True
        return False


def _leaves(value_type: Type, path: Path) -> Iterator[tuple[tuple[str, ...], TensorType]]:
    """The tensors of a type of numbers, with their paths."""
    if isinstance(value_type, StructType):
        for index, (name, element) in enumerate(value_type.items()):
            part = f"[{index}]" if name is None else f"[{name!r}]"
            yield from _leaves(element, (*path, part))
        return
    is_number = isinstance(value_type, TensorType) and (
        dtypes.is_integer(value_type.dtype) or dtypes.is_floating(value_type.dtype)
    )
    if not is_number:
        raise UnquantizableDTypeError(
            "metrics of this type cannot be summed securely.",
            problems=[f"{_shown(path)}: expected integers or floating numbers, got {value_type}"],
            fix="report metrics of integer or floating dtypes, or sum them with "
            "`tff.learning.metrics.sum_then_finalize`.",
        )
    assert isinstance(value_type, TensorType)
    yield path, value_type


def _shown(path: Path) -> str:
    return "metrics" + "".join(path)


def grouped(
    unfinalized_type: StructType, ranges: list[MetricRange], *, user: str
) -> dict[str, list[int]]:
    """The positions of the tensors that are summed together, by the key of their range.

    The groups come in the order in which TensorFlow visits the tensors: names are sorted.

    Raises:
      MetricRangeValueError: if the ranges of one group are estimated by different processes.
    """
    groups: collections.OrderedDict[str, list[int]] = collections.OrderedDict()
    for position in _visited(unfinalized_type, iter(range(len(ranges)))):
        groups.setdefault(ranges[position].key, []).append(position)
    counts = {
        key: len({id(ranges[each].upper) for each in positions if ranges[each].is_estimated})
        for key, positions in groups.items()
    }
    mixed = [f"{key}: {count} processes" for key, count in counts.items() if count > 1]
    if mixed:
        raise MetricRangeValueError(
            f"`{user}` cannot estimate the ranges of these metrics apart.",
            problems=mixed,
            signature=unfinalized_type.compact_representation(),
            fix="give all metrics of one dtype the same process, or bounds to all but one.",
        )
    return groups


def _visited(value_type: Type, positions: Iterator[int]) -> list[int]:
    if not isinstance(value_type, StructType):
        return [next(positions)]
    elements = [(name, _visited(element, positions)) for name, element in value_type.items()]
    container = value_type.python_container
    if container is not None and issubclass(container, Mapping):
        elements.sort(key=lambda element: str(element[0]))
    return [position for _, element in elements for position in element]
