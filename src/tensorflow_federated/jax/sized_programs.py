"""Functions traced at two sizes of a batch, as one program for any size.

JAX traces for shapes that are known, and a function may do anything with the size that it finds:
divide by it, draw as many numbers, or branch. What differs between two traces is taken to be
linear in the size, or a number times a power of it; a function whose traces differ otherwise is
none that is known here. Whether the program is the function at another size is not assumed: it is
compared with a trace at that size, see `is_at`.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from tensorflow_federated.jax import jaxprs

# Operations that give the elements of their operand, in order, where there are as many in the
# result. JAX takes one for another where a batch has a single row.
_NAMES = """
broadcast_in_dim convert_element_type copy copy_p reduce_and reduce_max reduce_min reduce_or
reduce_prod reduce_sum reshape squeeze
"""
_MAY_ONLY_RESHAPE = frozenset(_NAMES.split())

# How a number may depend on the size.
_WHOLE_POWERS = (1, 2)
_POWERS = (*_WHOLE_POWERS, -1, -2, 0.5, -0.5)

# Numbers that are computed from the size are the same to this many digits.
_DIGITS = ".5g"

_LARGEST_KEY_BYTES = 2**16

# Longer arrays than shapes are do not hold sizes.
_MOST_NUMBERS = 8


class DifferentProgramsError(Exception):
    """Two traces are not of one program."""


@dataclasses.dataclass(frozen=True)
class Linear:
    """A whole number that depends on the size of the batch: `slope * size + offset`."""

    slope: int
    offset: int

    def at(self, size: Any) -> Any:
        """The number for a size."""
        return self.slope * size + self.offset


SIZE = Linear(1, 0)
"""The size of the batch."""


@dataclasses.dataclass(frozen=True)
class Number:
    """A scalar that depends on the size of the batch: `scale * size ** power + offset`.

    Attributes:
      dtype: its dtype.
    """

    scale: float
    power: float
    offset: float
    dtype: Any

    def at(self, size: Any) -> Any:
        """The scalar for a size, which may be an array."""
        if not isinstance(size, int):
            size = jnp.asarray(size).astype(self.dtype)
        of_size = size ** abs(self.power)
        scaled = self.scale * of_size if self.power > 0 else self.scale / of_size
        return scaled + self.offset if self.offset else scaled

    @property
    def shape(self) -> tuple[int | Linear, ...]:
        """Its sizes: none."""
        return ()


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A short array some of whose elements depend on the size, as the shape of a batch does.

    Attributes:
      elements: its elements, in order: scalars.
      sizes: its shape.
      dtype: its dtype.
    """

    elements: tuple[Atom, ...]
    sizes: tuple[int, ...]
    dtype: Any

    def at(self, size: Any) -> Any:
        """The array for a size, which may be an array."""
        elements = [
            jnp.asarray(each.at(size) if isinstance(each, Number) else each).astype(self.dtype)
            for each in self.elements
        ]
        return jnp.stack(elements).reshape(self.sizes)

    @property
    def shape(self) -> tuple[int | Linear, ...]:
        """Its sizes."""
        return self.sizes


@dataclasses.dataclass(frozen=True)
class Filled:
    """An array of one number, of a shape that depends on the size of the batch."""

    value: Any
    shape: tuple[int | Linear, ...]

    @property
    def dtype(self) -> Any:
        """The dtype of the number."""
        return self.value.dtype


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """A value of a program.

    Attributes:
      shape: its sizes.
      dtype: its dtype.
    """

    shape: tuple[int | Linear, ...]
    dtype: Any


Atom = Variable | Number | Numbers | Filled | np.ndarray
"""What an operation takes: a value, or a constant."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a program.

    Attributes:
      primitive: the primitive of JAX.
      params: its parameters; functions are programs.
      equation: the operation in one of the traces.
      inputs: what it takes.
      outputs: what it gives.
      is_fixed: whether its parameters are the same for all sizes.
    """

    primitive: Any
    params: Mapping[str, Any]
    equation: core.JaxprEqn
    inputs: tuple[Atom, ...]
    outputs: tuple[Variable, ...]
    is_fixed: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A function for any size of a batch, its calls of other functions inlined.

    Attributes:
      parameters: its parameters.
      operations: what it does, in order.
      results: its results.
    """

    parameters: tuple[Variable, ...]
    operations: tuple[Operation, ...]
    results: tuple[Atom, ...]

    def is_at(self, size: int, trace: core.ClosedJaxpr) -> bool:
        """Whether a trace at a size does what the program does at that size."""
        keys = _Keys()
        same = _generalized(trace, trace, (size, size))
        return keys.of(self, size, ()) == keys.of(same, size, ())


def program_of(
    traces: tuple[core.ClosedJaxpr, core.ClosedJaxpr], sizes: tuple[int, int]
) -> Program:
    """The program that two traces are of.

    Args:
      traces: the traces of one function.
      sizes: the sizes of the batches that it was traced at.

    Returns:
      The program.

    Raises:
      DifferentProgramsError: if there is none.

    Examples:
      >>> import jax
      >>> def mean(x):
      ...     return x.sum() / len(x)
      >>> at_4, at_6, at_9 = (jax.make_jaxpr(mean)(np.zeros(n, np.float32)) for n in (4, 6, 9))
      >>> program = program_of((at_4, at_6), (4, 6))
      >>> program.is_at(9, at_9), program.is_at(8, at_9)
      (True, False)
    """
    return _generalized(*traces, sizes)


def params_at(params: Any, size: Any) -> Any:
    """Parameters of an operation for a size."""
    if isinstance(params, Linear):
        return params.at(size)
    if isinstance(params, dict):
        return {name: params_at(value, size) for name, value in params.items()}
    if type(params) in (tuple, list):
        return type(params)(params_at(each, size) for each in params)
    return params


def _generalized(a: core.ClosedJaxpr, b: core.ClosedJaxpr, sizes: tuple[int, int]) -> Program:
    _require(not a.effects and not b.effects)
    builder = _Builder(sizes)
    parameters = builder.bound(a.jaxpr.invars, b.jaxpr.invars)
    results = builder.visit(a, b, parameters)
    return Program(parameters, tuple(builder.operations), results)


class _Builder:
    """Goes through two traces side by side."""

    def __init__(self, sizes: tuple[int, int]) -> None:
        self._sizes = sizes
        self.operations: list[Operation] = []

    def visit(
        self, a: core.ClosedJaxpr, b: core.ClosedJaxpr, arguments: Sequence[Atom]
    ) -> tuple[Atom, ...]:
        """Takes in a function; the results, given its arguments."""
        _require(len(a.eqns) == len(b.eqns) and len(a.consts) == len(b.consts))
        left: dict[core.Var, Atom] = dict(zip(a.jaxpr.invars, arguments, strict=True))
        right: dict[core.Var, Atom] = dict(zip(b.jaxpr.invars, arguments, strict=True))
        for u, v, *values in zip(
            a.jaxpr.constvars, b.jaxpr.constvars, a.consts, b.consts, strict=True
        ):
            left[u] = right[v] = self._constant(*values)

        def read(u: Any, v: Any) -> Atom:
            is_literal = isinstance(u, core.Literal)
            _require(is_literal == isinstance(v, core.Literal))
            if is_literal:
                return self._constant(_value_of(u), _value_of(v))
            _require(left[u] is right[v])
            return left[u]

        for p, q in zip(a.eqns, b.eqns, strict=True):
            _require(p.primitive is q.primitive and not p.effects)
            _require(len(p.invars) == len(q.invars))
            inputs = tuple(read(u, v) for u, v in zip(p.invars, q.invars, strict=True))
            outputs: Sequence[Atom]
            first, second = jaxprs.called(p), jaxprs.called(q)
            if first is not None and second is not None:
                outputs = self.visit(first, second, inputs)
            else:
                outputs = self._operation(p, q, inputs)
            left.update(zip(p.outvars, outputs, strict=True))
            right.update(zip(q.outvars, outputs, strict=True))
        return tuple(read(u, v) for u, v in zip(a.jaxpr.outvars, b.jaxpr.outvars, strict=True))

    def bound(self, a: Sequence[Any], b: Sequence[Any]) -> tuple[Variable, ...]:
        """Variables of two traces as those of the program."""
        _require(len(a) == len(b))
        variables: list[Variable] = []
        for u, v in zip(a, b, strict=True):
            _require(u.aval.dtype == v.aval.dtype)
            variables.append(Variable(self._param(u.aval.shape, v.aval.shape), u.aval.dtype))
        return tuple(variables)

    def _operation(
        self, p: core.JaxprEqn, q: core.JaxprEqn, inputs: tuple[Atom, ...]
    ) -> tuple[Variable, ...]:
        params = self._param(dict(p.params), dict(q.params))
        outputs = self.bound(p.outvars, q.outvars)
        self.operations.append(
            Operation(p.primitive, params, p, inputs, outputs, is_fixed=not has_sizes(params))
        )
        return outputs

    def _param(self, u: Any, v: Any) -> Any:
        _require(type(u) is type(v))
        if isinstance(u, core.ClosedJaxpr):
            return _generalized(u, v, self._sizes)
        if isinstance(u, core.Jaxpr):
            return _generalized(core.ClosedJaxpr(u, ()), core.ClosedJaxpr(v, ()), self._sizes)
        if isinstance(u, dict):
            _require(u.keys() == v.keys())
            return {name: self._param(value, v[name]) for name, value in u.items()}
        if type(u) in (tuple, list):
            _require(len(u) == len(v))
            return type(u)(self._param(*pair) for pair in zip(u, v, strict=True))
        if type(u) is int and u != v:
            slope, rest = divmod(v - u, self._sizes[1] - self._sizes[0])
            _require(not rest)
            return Linear(slope, u - slope * self._sizes[0])
        if isinstance(u, np.ndarray):
            _require(np.array_equal(u, v))
        elif u is not v:
            _require(bool(u == v) or bool(u != u and v != v))
        return u

    def _constant(self, u: Any, v: Any) -> Atom:
        if u is v:
            return u
        _require(u.dtype == v.dtype and u.ndim == v.ndim)
        _require(not _is_extended(u.dtype))
        u, v = np.asarray(u), np.asarray(v)
        if u.shape == v.shape and u.tobytes() == v.tobytes():
            return u
        if not u.ndim:
            return self._number(u, v)
        _require(u.size > 0)
        if u.shape == v.shape:
            _require(u.size <= _MOST_NUMBERS)
            elements = tuple(self._constant(*pair) for pair in zip(u.flat, v.flat, strict=True))
            return Numbers(elements, u.shape, u.dtype)
        _require(bool((u == u.flat[0]).all() and (v == u.flat[0]).all()))
        return Filled(u.flat[0], self._param(u.shape, v.shape))

    def _number(self, u: np.ndarray, v: np.ndarray) -> Number:
        first, second = self._sizes
        low, high = float(u), float(v)
        for power in _POWERS if u.dtype.kind not in "biu" else _WHOLE_POWERS:
            scale = _rounded(low / first**power)
            if np.isclose(scale * second**power, high, 1e-6, 0):
                return Number(scale, power, 0.0, u.dtype)
        scale = _rounded((high - low) / (second - first))
        return Number(scale, 1, _rounded(low - scale * first), u.dtype)


class _Keys:
    """Tells operations from others: those that compute the same from the same have one key."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def of(self, program: Program, size: int, place: tuple[Any, ...]) -> tuple[Any, ...]:
        """The keys of the results of a program."""
        known: dict[Variable, Any] = {
            variable: (self._number(("parameter", *place, i, variable.dtype)), shape)
            for i, variable in enumerate(program.parameters)
            for shape in [params_at(variable.shape, size)]
        }

        def key(atom: Atom) -> Any:
            if isinstance(atom, Variable):
                return known[atom]
            shape = params_at(atom.shape, size)
            return self._number(_constant_key(atom, size)), shape

        for operation in program.operations:
            inputs = [key(each) for each in operation.inputs]
            shapes = [params_at(each.shape, size) for each in operation.outputs]
            if _only_reshapes(operation, [shape for _, shape in inputs], shapes):
                known[operation.outputs[0]] = inputs[0][0], shapes[0]
                continue
            params = self._params(operation.params, size, place)
            number = self._number((operation.primitive, params, *inputs))
            for i, (variable, shape) in enumerate(zip(operation.outputs, shapes, strict=True)):
                known[variable] = self._number((number, i, variable.dtype)), shape
        return tuple(key(each) for each in program.results)

    def _params(self, params: Any, size: int, place: tuple[Any, ...]) -> Any:
        if isinstance(params, Program):
            return self.of(params, size, (*place, "inner"))
        if isinstance(params, dict):
            return tuple((name, self._params(params[name], size, place)) for name in sorted(params))
        if type(params) in (tuple, list):
            return tuple(self._params(each, size, place) for each in params)
        if isinstance(params, np.ndarray):
            return _constant_key(params, size)
        if isinstance(params, float):
            return repr(params)  # of which there is one for NaN
        return params_at(params, size)

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _only_reshapes(
    operation: Operation, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]
) -> bool:
    """Whether the result has the elements of the operand, in order."""
    name = operation.primitive.name
    if name not in _MAY_ONLY_RESHAPE or len(before) != 1:
        return False
    if name == "broadcast_in_dim" and list(operation.params["broadcast_dimensions"]) != sorted(
        operation.params["broadcast_dimensions"]
    ):
        return False
    if name == "reshape" and operation.params.get("dimensions") is not None:
        return False
    (source,), (result,) = operation.inputs, operation.outputs
    return source.dtype == result.dtype and math.prod(before[0]) == math.prod(after[0])


def _value_of(literal: Any) -> np.ndarray:
    return np.asarray(literal.val, literal.aval.dtype)


def _constant_key(constant: Any, size: int) -> Any:
    if isinstance(constant, Filled):
        return "number", constant.value.dtype, _text_of(constant.value)
    if isinstance(constant, Number):
        return "number", np.dtype(constant.dtype), _text_of(constant.at(size))
    if _is_extended(constant.dtype):
        return "object", id(constant)
    array = np.asarray(constant.at(size) if isinstance(constant, Numbers) else constant)
    if array.size and (array == array.flat[0]).all():
        return "number", array.dtype, _text_of(array.flat[0])
    if array.nbytes > _LARGEST_KEY_BYTES:
        return "array", id(constant)
    return "array", array.dtype, array.tobytes()


def _text_of(number: Any) -> str:
    return format(complex(number), _DIGITS)


def _is_extended(dtype: Any) -> bool:
    """Whether this is a dtype of random keys, or another that NumPy does not have."""
    return jnp.issubdtype(dtype, jax.dtypes.extended)


def has_sizes(params: Any) -> bool:
    """Whether parameters of an operation hold a number that depends on the size of the batch."""
    return any(isinstance(each, Linear) for each in _parts(params))


def _parts(params: Any) -> Iterator[Any]:
    """All sizes that parameters hold, those of the programs in them too."""
    if isinstance(params, Program):
        for operation in params.operations:
            yield from _parts(operation.params)
            yield from (SIZE for each in operation.inputs if isinstance(each, (Number, Numbers)))
            yield from itertools.chain.from_iterable(each.shape for each in operation.inputs)
            yield from itertools.chain.from_iterable(each.shape for each in operation.outputs)
        yield from itertools.chain.from_iterable(each.shape for each in params.results)
        yield from (SIZE for each in params.results if isinstance(each, (Number, Numbers)))
        yield from itertools.chain.from_iterable(each.shape for each in params.parameters)
    elif isinstance(params, dict):
        yield from _parts(tuple(params.values()))
    elif type(params) in (tuple, list):
        for each in params:
            yield from _parts(each)
    else:
        yield params


def _rounded(number: float) -> float:
    nearest = round(number) if np.isfinite(number) else number
    return float(nearest) if abs(number - nearest) <= 1e-6 * abs(number) else number


def _require(condition: bool) -> None:
    if not condition:
        raise DifferentProgramsError
