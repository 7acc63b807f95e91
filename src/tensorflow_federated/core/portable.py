"""Arrays without a framework: the operations that portable functions are written in.

A portable function is plain Python on arrays. It uses operators (`+ - * / **`, comparisons) and
the operations of the namespace that its arguments belong to::

    def clip_norm(value, norm):
        xp = portable.namespace_of(value, norm)
        squares = [xp.sum(xp.square(leaf)) for leaf in trees.leaves(value)]
        scale = xp.minimum(xp.ones_like(norm), norm / xp.sqrt(sum(squares)))
        return trees.map_structure(lambda leaf: leaf * scale, value)

The same function runs on numpy arrays, inside a TensorFlow graph and inside a JAX trace, and gives
the same dtypes and shapes in each. What keeps it so:

- both operands of an operator have the same dtype, or one is a Python number that the dtype of the
  other can hold (no `0.5` next to integers): cast with `xp.cast` where dtypes differ;
- `/`, `sqrt`, `exp`, `log` and `cos` take floating or complex arrays: cast integers first;
- control flow depends on shapes and dtypes only, never on the elements: use `xp.where`;
- nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

import numpy as np

from tensorflow_federated.core import dtypes, errors, trees

Array = Any
"""An array of whichever framework the arguments came from."""

DType = Any
"""A numpy dtype, or what `np.dtype` reads."""

Axis = int | tuple[int, ...] | None
"""The axes of a reduction; None for all of them."""


class ArrayNamespace(Protocol):
    """The operations on the arrays of one framework.

    Reductions, and operations of one argument, keep the dtype of their argument; those of two want
    equal dtypes, or a Python number as one of the two.
    """

    name: str

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        """Turns a number, a list or an array into an array.

        Without a dtype an array keeps its own, and Python numbers become what they are in the
        language: int32 (int64 where that is too small), float32, complex128, bool.
        """
        ...

    def zeros(self, shape: Sequence[int], dtype: DType) -> Array:
        """An array of zeros."""
        ...

    def ones(self, shape: Sequence[int], dtype: DType) -> Array:
        """An array of ones."""
        ...

    def full(self, shape: Sequence[int], value: Any, dtype: DType) -> Array:
        """An array whose elements are all `value`."""
        ...

    def zeros_like(self, x: Array) -> Array:
        """Zeros of the shape and dtype of `x`."""
        ...

    def ones_like(self, x: Array) -> Array:
        """Ones of the shape and dtype of `x`."""
        ...

    def cast(self, x: Array, dtype: DType) -> Array:
        """Changes the dtype; towards integers it cuts off the fraction."""
        ...

    def sum(self, x: Array, axis: Axis = None) -> Array:
        """The sum, in the dtype of `x`; booleans are counted in int32."""
        ...

    def max(self, x: Array, axis: Axis = None) -> Array:
        """The largest element."""
        ...

    def min(self, x: Array, axis: Axis = None) -> Array:
        """The smallest element."""
        ...

    def all(self, x: Array, axis: Axis = None) -> Array:
        """Whether all elements of a boolean array are true."""
        ...

    def any(self, x: Array, axis: Axis = None) -> Array:
        """Whether an element of a boolean array is true."""
        ...

    def abs(self, x: Array) -> Array:
        """The absolute value."""
        ...

    def sign(self, x: Array) -> Array:
        """-1, 0 or 1."""
        ...

    def sqrt(self, x: Array) -> Array:
        """The square root."""
        ...

    def square(self, x: Array) -> Array:
        """The square."""
        ...

    def exp(self, x: Array) -> Array:
        """The exponential function."""
        ...

    def log(self, x: Array) -> Array:
        """The natural logarithm."""
        ...

    def cos(self, x: Array) -> Array:
        """The cosine."""
        ...

    def real(self, x: Array) -> Array:
        """The real part of a complex array: floating numbers of half its size."""
        ...

    def imag(self, x: Array) -> Array:
        """The imaginary part of a complex array: floating numbers of half its size."""
        ...

    def fft(self, x: Array) -> Array:
        """The discrete Fourier transform of a complex array along its last axis."""
        ...

    def ifft(self, x: Array) -> Array:
        """The inverse of `fft`, with the factor of one over the length."""
        ...

    def pow(self, x: Array, y: Array) -> Array:
        """`x` to the power of `y`."""
        ...

    def maximum(self, x: Array, y: Array) -> Array:
        """The larger of two, element by element."""
        ...

    def minimum(self, x: Array, y: Array) -> Array:
        """The smaller of two, element by element."""
        ...

    def clip(self, x: Array, low: Array, high: Array) -> Array:
        """`x` where it is between two bounds, the nearer bound elsewhere."""
        ...

    def round(self, x: Array) -> Array:
        """The nearest whole number, to the even one of two."""
        ...

    def floor(self, x: Array) -> Array:
        """The largest whole number that is not larger."""
        ...

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        """`x` where the condition holds, `y` elsewhere."""
        ...

    def isfinite(self, x: Array) -> Array:
        """Whether an element is neither infinite nor NaN; true for integers."""
        ...

    def logical_and(self, x: Array, y: Array) -> Array:
        """Whether both hold."""
        ...

    def logical_or(self, x: Array, y: Array) -> Array:
        """Whether one holds."""
        ...

    def logical_not(self, x: Array) -> Array:
        """Whether it does not hold."""
        ...

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        """The same elements in another shape; one dimension may be -1."""
        ...

    def concat(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        """Arrays end to end along an axis."""
        ...

    def slice(self, x: Array, start: int, stop: int) -> Array:
        """The part of an array between two positions, from 0, on its first axis."""
        ...

    def stack(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        """Arrays of one shape along a new axis."""
        ...

    def matmul(self, x: Array, y: Array) -> Array:
        """The matrix product."""
        ...

    def dtype_of(self, x: Array) -> np.dtype[Any]:
        """The dtype, as numpy names it."""
        ...

    def shape_of(self, x: Array) -> tuple[int | None, ...]:
        """The shape as far as it is known while tracing; None for an unknown dimension."""
        ...


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that a sum is computed in: the dtype of the summands, int32 for booleans."""
    return np.dtype(np.int32) if dtype == np.dtype(np.bool_) else dtype


def default_dtype(x: Any) -> np.dtype[Any] | None:
    """The dtype that Python numbers, and lists of them, become; None if `x` has a dtype itself.

    Examples:
      >>> default_dtype([1, 2.0])
      dtype('float32')
      >>> default_dtype(np.float64(1)) is None
      True
    """
    if hasattr(x, "dtype"):
        return None
    inner = trees.leaves(x)
    if not inner or any(hasattr(leaf, "dtype") for leaf in inner):
        return None
    found = [dtypes.infer_dtype(leaf) for leaf in inner]
    return max(found, key=lambda dtype: ("biufc".index(dtype.kind), dtype.itemsize))


class NumpyNamespace:
    """The operations on numpy arrays and scalars."""

    name = "numpy"

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        return np.asarray(x, default_dtype(x) if dtype is None else dtype)

    def zeros(self, shape: Sequence[int], dtype: DType) -> Array:
        return np.zeros(shape, dtype)

    def ones(self, shape: Sequence[int], dtype: DType) -> Array:
        return np.ones(shape, dtype)

    def full(self, shape: Sequence[int], value: Any, dtype: DType) -> Array:
        return np.full(shape, value, dtype)

    def zeros_like(self, x: Array) -> Array:
        return np.zeros_like(x)

    def ones_like(self, x: Array) -> Array:
        return np.ones_like(x)

    def cast(self, x: Array, dtype: DType) -> Array:
        return np.asarray(x).astype(dtype)

    def sum(self, x: Array, axis: Axis = None) -> Array:
        return np.sum(x, axis=axis, dtype=sum_dtype(self.dtype_of(x)))

    def max(self, x: Array, axis: Axis = None) -> Array:
        return np.max(x, axis=axis)

    def min(self, x: Array, axis: Axis = None) -> Array:
        return np.min(x, axis=axis)

    def all(self, x: Array, axis: Axis = None) -> Array:
        return np.all(x, axis=axis)

    def any(self, x: Array, axis: Axis = None) -> Array:
        return np.any(x, axis=axis)

    def abs(self, x: Array) -> Array:
        return np.abs(x)

    def sign(self, x: Array) -> Array:
        return np.sign(x)

    def sqrt(self, x: Array) -> Array:
        return np.sqrt(x)

    def square(self, x: Array) -> Array:
        return np.square(x)

    def exp(self, x: Array) -> Array:
        return np.exp(x)

    def log(self, x: Array) -> Array:
        return np.log(x)

    def cos(self, x: Array) -> Array:
        return np.cos(x)

    def real(self, x: Array) -> Array:
        return np.real(x)

    def imag(self, x: Array) -> Array:
        return np.imag(x)

    def fft(self, x: Array) -> Array:
        return np.fft.fft(x)

    def ifft(self, x: Array) -> Array:
        return np.fft.ifft(x)

    def pow(self, x: Array, y: Array) -> Array:
        return np.power(x, y)

    def maximum(self, x: Array, y: Array) -> Array:
        return np.maximum(x, y)

    def minimum(self, x: Array, y: Array) -> Array:
        return np.minimum(x, y)

    def clip(self, x: Array, low: Array, high: Array) -> Array:
        return np.clip(x, low, high)

    def round(self, x: Array) -> Array:
        return cast("Any", np).round(x)

    def floor(self, x: Array) -> Array:
        # A whole number is its own floor; older versions of NumPy make a float64 of it.
        return x if self.dtype_of(x).kind in "iu" else np.floor(x)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return cast("Any", np).where(condition, x, y)

    def isfinite(self, x: Array) -> Array:
        return np.isfinite(x)

    def logical_and(self, x: Array, y: Array) -> Array:
        return np.logical_and(x, y)

    def logical_or(self, x: Array, y: Array) -> Array:
        return np.logical_or(x, y)

    def logical_not(self, x: Array) -> Array:
        return np.logical_not(x)

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return np.reshape(x, tuple(shape))

    def concat(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        return np.concatenate(list(arrays), axis=axis)

    def slice(self, x: Array, start: int, stop: int) -> Array:
        return x[start:stop]

    def stack(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        return np.stack(list(arrays), axis=axis)

    def matmul(self, x: Array, y: Array) -> Array:
        return np.matmul(x, y)

    def dtype_of(self, x: Array) -> np.dtype[Any]:
        dtype: DType = x.dtype if hasattr(x, "dtype") else default_dtype(x)
        return np.dtype(dtype)

    def shape_of(self, x: Array) -> tuple[int | None, ...]:
        return tuple(np.shape(x))


NUMPY: ArrayNamespace = NumpyNamespace()
"""The namespace of numpy arrays, numpy scalars and Python numbers."""

_modules: dict[str, tuple[str, ...]] = {}
_loaders: dict[str, Callable[[], ArrayNamespace]] = {}
_loaded: dict[str, ArrayNamespace] = {}
_names_by_type: dict[type[Any], str] = {}


def register_namespace(
    name: str, module_prefixes: Iterable[str], loader: Callable[[], ArrayNamespace]
) -> None:
    """Adds the namespace of a framework.

    Args:
      name: the name of the framework.
      module_prefixes: the modules, or packages, whose classes are arrays of this framework.
      loader: makes the namespace when its first array is met.
    """
    _modules[name] = tuple(module_prefixes)
    _loaders[name] = loader
    _loaded.pop(name, None)
    _names_by_type.clear()


def namespace_of(*arguments: Any) -> ArrayNamespace:
    """Finds the operations for the arrays in some structures.

    Args:
      *arguments: arrays, or structures of arrays.

    Returns:
      The namespace of the framework that an array in them belongs to; that of numpy if all are
      numpy arrays or Python numbers.

    Raises:
      TypeMismatchError: if arrays of two frameworks are there.

    Examples:
      >>> xp = namespace_of({"x": np.float32([3, 4])})
      >>> xp.name
      'numpy'
      >>> float(xp.sqrt(xp.sum(xp.square(np.float32([3, 4])))))
      5.0
    """
    leaves = [leaf for argument in arguments for leaf in trees.leaves(argument)]
    found = {_namespace_name(cast("type[Any]", type(leaf))) for leaf in leaves}
    found.discard(NUMPY.name)
    if not found:
        return NUMPY
    if len(found) > 1:
        raise errors.TypeMismatchError(
            "arrays of two frameworks cannot be computed with.",
            problems=[f"found: {', '.join(sorted(found))}"],
            fix="turn all of them into arrays of one framework, or into numpy arrays.",
        )
    (name,) = found
    if name not in _loaded:
        _loaded[name] = _loaders[name]()
    return _loaded[name]


def _namespace_name(cls: type[Any]) -> str:
    name = _names_by_type.get(cls)
    if name is None:
        modules = [parent.__module__ for parent in cls.__mro__]
        name = next(
            (
                candidate
                for candidate, prefixes in _modules.items()
                if any(
                    module == prefix or module.startswith(prefix + ".")
                    for module in modules
                    for prefix in prefixes
                )
            ),
            NUMPY.name,
        )
        _names_by_type[cls] = name
    return name
