"""Records what a portable function does: it is called once, with symbols in the place of arrays."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NoReturn, cast

import numpy as np

from tensorflow_federated.core import (
    containers,
    dtypes,
    errors,
    portable,
    portable_programs,
    trees,
    type_trees,
)
from tensorflow_federated.core.portable_programs import Operation, PortableProgram, Position
from tensorflow_federated.core.types import FunctionType, StructType, TensorType, Type

_MOST = 1 << 63


def record(
    function: Callable[..., Any], type_signature: FunctionType, name: str
) -> PortableProgram:
    """Finds out what a portable function does.

    Args:
      function: a portable function, see `core.portable`.
      type_signature: its type.
      name: its name, for messages.

    Returns:
      The program.

    Raises:
      WireError: if the function asks for the elements of an array, or for what no portable function
        may do.

    Examples:
      >>> import tensorflow_federated as tff
      >>> double = record(lambda x: 2 * x, FunctionType(np.int32, np.int32), "double")
      >>> double.operations
      (Operation(name='*', arguments=(2, Position(index=0))),)
      >>> double(np.int32(21))
      np.int32(42)
    """
    if isinstance(function, PortableProgram):
        return function
    recorder = _Recorder(name)
    arguments: list[Any] = []
    if type_signature.parameter is not None:
        arguments.append(type_trees.build(type_signature.parameter, recorder.new_symbol))
    try:
        # What is computed of constants alone is computed now, as in `execution.numpy_domain`.
        with np.errstate(all="ignore"):
            result = function(*arguments)
    except errors.WireError:
        raise
    except Exception as error:
        raise recorder.error(f"it fails when it is recorded: {error!s:.300}") from error
    leaves = list(_result_leaves(result, type_signature.result, recorder))
    return PortableProgram(type_signature, tuple(recorder.operations), tuple(leaves))


def _result_leaves(value: Any, type_signature: Type, recorder: _Recorder) -> Iterator[Any]:
    if isinstance(type_signature, StructType):
        names = [name for name, _ in type_signature.items()]
        ordered = containers.in_order(containers.unpack(value) or [], names)
        if ordered is None:
            raise recorder.error(f"its result is not of the type {type_signature}")
        for element, each in zip(ordered, type_signature.children(), strict=True):
            yield from _result_leaves(element, each, recorder)
        return
    assert isinstance(type_signature, TensorType)
    if isinstance(value, Symbol):
        yield recorder.operand(value)
    else:
        yield np.asarray(value, type_signature.dtype)[()]


class _Recorder:
    """The operations of one function, as they are recorded."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._num_values = 0
        self.operations: list[Operation] = []

    def error(self, problem: str) -> errors.WireError:
        return errors.WireError(
            f"the portable computation `{self._name}` cannot be turned into bytes.",
            problems=[problem],
            fix="write it with the operators and the operations of `core.portable` only.",
        )

    def new_symbol(self, tensor_type: Type) -> Symbol:
        assert isinstance(tensor_type, TensorType)
        index, self._num_values = self._num_values, self._num_values + 1
        return Symbol(self, index, tensor_type)

    def operand(self, given: Any) -> Any:
        """What stands for an array or a number in an operation."""
        if isinstance(given, Symbol):
            if given.recorder is not self:
                raise self.error("it uses an array of another computation")
            return Position(given.index)
        if isinstance(given, (bool, int, float, complex)) and not isinstance(given, np.generic):
            if isinstance(given, int) and not -_MOST <= given < _MOST:
                raise self.error(f"it uses the number {given!s:.40}, which has more than 64 bits")
            return given
        if isinstance(given, (str, bytes)):
            raise self.error(f"it uses {given!r:.100}, which is no array of numbers")
        default = portable.default_dtype(given)
        array = np.asarray(given, default)
        if dtypes.find_dtype(array.dtype) is None or array.dtype.kind in "USO":
            raise self.error(f"it uses {given!r:.100}, which is no array of numbers")
        return array[()]

    def add(self, name: str, arguments: Sequence[Any]) -> Symbol:
        """Records an operation; its result, which nobody has computed, is another symbol."""
        recorded: list[Any] = []
        for kind, given in zip(portable_programs.ARGUMENT_KINDS[name], arguments, strict=True):
            recorded.append(self._argument(kind, given))
        tensor_type = _infer(name, arguments)
        self.operations.append(Operation(name, tuple(recorded)))
        return self.new_symbol(tensor_type)

    def _argument(self, kind: str, given: Any) -> Any:
        match kind:
            case "a":
                return self.operand(given)
            case "A":
                return tuple(self.operand(each) for each in given)
            case "d":
                return np.dtype(given)
            case "D":
                return None if given is None else np.dtype(given)
            case "s":
                return tuple(int(size) for size in given)
            case "p":
                return int(given)
            case _:
                if given is None:
                    return None
                several = isinstance(given, (tuple, list))
                return tuple(map(int, cast("Any", given))) if several else int(given)


def _type_of(given: Any) -> TensorType:
    if isinstance(given, Symbol):
        return given.tensor_type
    array = np.asarray(given, portable.default_dtype(given))
    return TensorType(array.dtype, array.shape)


def _stand_in(given: Any) -> Any:
    """An array of one element with the rank and the dtype of an operand; a number as it is."""
    if not isinstance(given, Symbol):
        return given if not np.ndim(given) else np.ones([1] * np.ndim(given), np.result_type(given))
    return np.ones([1] * len(given.tensor_type.shape or ()), given.dtype)[()]


def _infer(name: str, arguments: Sequence[Any]) -> TensorType:
    """The type of a result: numpy tells the dtype, for arrays of one element."""
    kinds = portable_programs.ARGUMENT_KINDS[name]
    arrays = [a for kind, a in zip(kinds, arguments, strict=True) if kind == "a"]
    if name in ("zeros", "ones", "full"):
        return TensorType(arguments[-1], arguments[0])
    if name == "reshape":
        return TensorType(arrays[0].dtype, _reshaped(_type_of(arrays[0]).shape, arguments[1]))
    if name == "slice":
        return TensorType(arrays[0].dtype, _sliced(_type_of(arrays[0]).shape, *arguments[1:]))
    if name in ("concat", "stack"):
        return _joined(name, [_type_of(each) for each in arguments[0]], arguments[1])
    operation = Operation(name, tuple(arguments))
    stood_in = portable_programs.apply(operation, portable.NUMPY, _stand_in)
    shapes = [_type_of(each).shape for each in arrays]
    if "x" in kinds:
        shape = _reduced(shapes[0], arguments[-1])
    elif name in ("matmul", "@"):
        shape = _matrix_product(*shapes)
    else:
        shape = _broadcast(shapes)
    return TensorType(stood_in.dtype, shape)


Shape = tuple[int | None, ...] | None


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    ranks = [len(shape) for shape in shapes if shape is not None]
    if len(ranks) < len(shapes):
        return None
    rank = max(ranks)
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes if shape is not None]
    return tuple(_broadcast_sizes(sizes) for sizes in zip(*aligned, strict=True))


def _broadcast_sizes(sizes: tuple[int | None, ...]) -> int | None:
    known = {size for size in sizes if size is not None} - {1}
    if len(known) > 1:
        raise ValueError(f"dimensions of {' and '.join(map(str, sorted(known)))} do not fit")
    if known:
        return known.pop()
    return None if None in sizes else 1


def _reduced(shape: Shape, axis: portable.Axis) -> Shape:
    if axis is None:
        return ()
    if shape is None:
        return None
    axes = axis if isinstance(axis, tuple) else (axis,)
    dropped = {each % len(shape) for each in axes}
    return tuple(size for index, size in enumerate(shape) if index not in dropped)


def _reshaped(shape: Shape, wanted: Sequence[int]) -> Shape:
    sizes = [int(size) for size in wanted]
    if -1 not in sizes:
        return tuple(sizes)
    free = None
    if shape is not None and None not in shape:
        others = math.prod(size for size in sizes if size != -1)
        free = math.prod(cast("tuple[int, ...]", shape)) // others if others else 0
    return tuple(free if size == -1 else size for size in sizes)


def _sliced(shape: Shape, start: int, stop: int) -> Shape:
    if shape is None:
        return None
    first = None if shape[0] is None else len(range(shape[0])[start:stop])
    return (first, *shape[1:])


def _joined(name: str, parts: Sequence[TensorType], axis: int) -> TensorType:
    shapes = [part.shape for part in parts]
    first = shapes[0]
    if first is None or any(shape is None for shape in shapes):
        return TensorType(parts[0].dtype, None)
    merged = list(first)
    if name == "stack":
        merged.insert(axis % (len(first) + 1), len(parts))
    else:
        axis %= len(first)
        sizes = [shape[axis] for shape in shapes if shape is not None]
        known = [size for size in sizes if size is not None]
        merged[axis] = sum(known) if len(known) == len(sizes) else None
    return TensorType(parts[0].dtype, merged)


def _matrix_product(left: Shape, right: Shape) -> Shape:
    if left is None or right is None:
        return None
    batch = _broadcast([left[:-2], right[:-2]]) or ()
    return (*batch, *left[-2:-1], *(right[-1:] if len(right) > 1 else ()))


class Symbol:
    """Stands for an array in a portable function that is being recorded."""

    # Numpy leaves operators between its arrays and symbols to the symbols.
    __array_ufunc__ = None
    __hash__: ClassVar[None] = None  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, recorder: _Recorder, index: int, tensor_type: TensorType) -> None:
        """Made by the recorder."""
        self.recorder = recorder
        self.index = index
        self.tensor_type = tensor_type

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, as of every array."""
        return self.tensor_type.dtype

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape, None for a dimension that is not known."""
        if self.tensor_type.shape is None:
            raise self.recorder.error("it asks for the shape of an array of unknown rank")
        return self.tensor_type.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def _refuse(self, *_: object) -> NoReturn:
        raise self.recorder.error("it asks for the elements of an array")

    __bool__ = __int__ = __float__ = __complex__ = __index__ = _refuse
    __len__ = __iter__ = __getitem__ = __array__ = _refuse


def _define_operators() -> None:
    def one_operand(name: str) -> Callable[[Symbol], Symbol]:
        return lambda self: self.recorder.add(name, [self])

    def two_operands(name: str) -> Callable[[Symbol, Any], Symbol]:
        return lambda self, other: self.recorder.add(name, [self, other])

    def reflected(name: str) -> Callable[[Symbol, Any], Symbol]:
        return lambda self, other: self.recorder.add(name, [other, self])

    for name, function in portable_programs.OPERATORS.items():
        python_name = function.__name__.strip("_")
        if name in portable_programs.ONE_OPERAND:
            setattr(Symbol, f"__{python_name}__", one_operand(name))
            continue
        setattr(Symbol, f"__{python_name}__", two_operands(name))
        if name not in ("<", "<=", ">", ">=", "==", "!="):
            setattr(Symbol, f"__r{python_name}__", reflected(name))


_define_operators()


class RecordingNamespace:
    """The operations on symbols; see `core.portable.ArrayNamespace`."""

    name = "recording"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """An operation that is recorded; what has no symbol among its arguments is computed."""
        if name not in portable_programs.NAMESPACE_OPERATIONS:
            raise AttributeError(f"Portable functions have no operation `{name}`.")
        on_numpy = getattr(portable.NUMPY, name)
        signature = inspect.signature(on_numpy)

        def operation(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            arguments = list(bound.arguments.values())
            symbols = [leaf for leaf in trees.leaves(arguments) if isinstance(leaf, Symbol)]
            if not symbols:
                return on_numpy(*arguments)
            return symbols[0].recorder.add(name, arguments)

        return operation

    def dtype_of(self, x: portable.Array) -> np.dtype[Any]:
        """The dtype, as numpy names it."""
        return x.dtype if isinstance(x, Symbol) else portable.NUMPY.dtype_of(x)

    def shape_of(self, x: portable.Array) -> tuple[int | None, ...]:
        """The shape; None for an unknown dimension."""
        return x.shape if isinstance(x, Symbol) else portable.NUMPY.shape_of(x)


portable.register_namespace(
    RecordingNamespace.name,
    (__name__,),
    lambda: cast("portable.ArrayNamespace", RecordingNamespace()),
)
