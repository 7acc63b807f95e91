"""Tracing: how a Python function becomes a program, through values that stand for its parts.

Examples:
  >>> import numpy as np
  >>> import tensorflow_federated as tff
  >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
  ... def mean_and_sum(values):
  ...     return tff.federated_mean(values), tff.federated_sum(values)
  >>> print(mean_and_sum.type_signature)
  ({float32}@CLIENTS -> <float32@SERVER,float32@SERVER>)
  >>> mean_and_sum([1.0, 2.0, 6.0])
  (np.float32(3.0), np.float32(9.0))
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NoReturn, cast

import numpy as np

from tensorflow_federated.core import (
    callsites,
    computations,
    containers,
    contexts,
    errors,
    foreign_arrays,
    intrinsic_defs,
    ir,
    placements,
    structure,
    type_inference,
    types,
)
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    TensorType,
    Type,
)

_IN_A_LOCAL_COMPUTATION = (
    "do it in a `@tff.tensorflow.computation` or `@tff.jax.computation`, and apply that with "
    "`tff.federated_map`."
)


class TracingContext:
    """Collects the calls that a Python function makes, as the local names of a block."""

    def __init__(self, name: str, parameter_type: Type | None) -> None:
        """Starts to trace.

        Args:
          name: the name of the function, for messages.
          parameter_type: the type of its parameter, for messages; None if it takes none.
        """
        outer = _outer_tracing_context()
        self.name = name
        self._parameter_type = parameter_type
        self.bindings: list[tuple[str, ir.Node]] = []
        self._counter: itertools.count[int] = (
            outer._counter if outer is not None else itertools.count()
        )

    @property
    def signature(self) -> str:
        """The type of the function, whose result is not known yet."""
        return errors.signature_without_result(self._parameter_type)

    def fresh_name(self, stem: str = "v") -> str:
        """A name that is used nowhere else in the program that is being traced."""
        return f"{stem}{next(self._counter)}"

    def bind(self, node: ir.Node) -> Value:
        """Gives a node a local name, so that it is computed once however often it is used."""
        name = self.fresh_name()
        self.bindings.append((name, node))
        return Value(ir.Reference(name, node.type_signature), self)

    def invoke(self, comp: computations.ConcreteComputation, arg: Any) -> Value:
        """Records the call of a computation."""
        parameter_type = comp.type_signature.parameter
        if parameter_type is None:
            return self.bind(ir.Call(comp.node))
        value = as_value(arg, parameter_type)
        actual = value.type_signature
        differences = parameter_type.differences(actual, path="argument")
        if differences:
            raise errors.TypeMismatchError(
                f"`{comp.__name__}` cannot be called with this argument.",
                problems=differences,
                signature=comp.type_signature.compact_representation(),
                fix=_fix_for_call(parameter_type, actual, comp.__name__),
            )
        return self.bind(ir.Call(comp.node, value.node))


def _fix_for_call(expected: Type, actual: Type, name: str) -> str | None:
    if isinstance(actual, FederatedType) and expected.is_assignable_from(actual.member):
        return f"apply it where the values are: `tff.federated_map({name}, value)`."
    return (
        f"give the type that `{name}` takes, or declare its parameter with the type of the value."
    )


def _outer_tracing_context() -> TracingContext | None:
    context = contexts.current_or_none()
    return context if isinstance(context, TracingContext) else None


def current_tracing_context(used: str) -> TracingContext:
    """The context of the computation that is being traced.

    Args:
      used: what needs it, for the message.

    Raises:
      PlacementError: if no federated computation is being traced.
    """
    context = _outer_tracing_context()
    if context is None:
        raise errors.PlacementError(
            f"`{used}` can only be used while a federated computation is traced.",
            fix="call it inside a function decorated with `@tff.federated_computation`.",
        )
    return context


class Value(computations.TypedObject):
    """A value in a federated computation that is being traced: a typed part of the program.

    Selections (`value.name`, `value[0]`, `value['name']`) and calls (`value(argument)`) give
    values again; a structure can be iterated over. A value holds no data, so it has no truth
    value and takes no arithmetic: that is done in local computations, through
    `tff.federated_map`.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType([("x", np.int32)], tff.CLIENTS))
      ... def total(value):
      ...     print(value.x.type_signature)
      ...     return tff.federated_sum(value.x)
      {int32}@CLIENTS
      >>> total([{"x": 1}, {"x": 2}])
      np.int32(3)
    """

    def __init__(self, node: ir.Node, context: TracingContext) -> None:
        """Wraps a node.

        Args:
          node: the part of the program.
          context: the computation that is being traced.
        """
        self._node = node
        self._context = context

    @property
    def node(self) -> ir.Node:
        """The part of the program that this value stands for."""
        return self._node

    @property
    def comp(self) -> ir.Node:
        """The same as `node`, under the name of TFF 0.87."""
        return self._node

    @property
    def context(self) -> TracingContext:
        """The computation that this value belongs to."""
        return self._context

    @property
    def type_signature(self) -> Type:
        return self._node.type_signature

    def __repr__(self) -> str:
        return f"Value({self._node}: {self.type_signature})"

    def __str__(self) -> str:
        return str(self._node)

    def __getattr__(self, name: str) -> Value:
        if name.startswith("__"):
            raise AttributeError(name)
        struct_type = ir.unplaced(self.type_signature)
        if isinstance(struct_type, StructType):
            names = ir.element_names(struct_type)
            if name in names:
                return self._select(names.index(name))
            nearest = errors.suggest_name(name, [known for known in names if known is not None])
            raise errors.ElementNameError(
                f"this value has no element `{name}`.",
                problems=[f"value: got {self.type_signature}"],
                fix=None if nearest is None else f"did you mean `.{nearest}`?",
            )
        raise errors.ElementNameError(
            f"a value of a federated computation has no `{name}`: only a structure has elements.",
            problems=[f"value: got {self.type_signature}"],
            fix=_IN_A_LOCAL_COMPUTATION,
        )

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            self._refuse("setting an element of")
        super().__setattr__(name, value)

    def __getitem__(self, key: int | str | slice) -> Value:
        if isinstance(key, str):
            return getattr(self, key)
        length = len(self)
        if isinstance(key, slice):
            return self._select_several(range(*key.indices(length)))
        index = key + length if key < 0 else key
        if not 0 <= index < length:
            raise errors.ElementIndexError(
                f"this value has no element {key}.",
                problems=[f"value: got {self.type_signature}"],
                fix=f"count from 0 to {length - 1}." if length else None,
            )
        return self._select(index)

    def __len__(self) -> int:
        struct_type = ir.unplaced(self.type_signature)
        if not isinstance(struct_type, StructType):
            raise errors.TypeMismatchError(
                "only a structure has a length and elements.",
                problems=[f"value: got {self.type_signature}"],
                fix=_IN_A_LOCAL_COMPUTATION,
            )
        return len(struct_type)

    def __iter__(self) -> Iterator[Value]:
        return iter([self._select(index) for index in range(len(self))])

    def __call__(self, *args: Any, **kwargs: Any) -> Value:
        function_type = self.type_signature
        if not isinstance(function_type, FunctionType):
            raise errors.TypeMismatchError(
                "only a function can be called.", problems=[f"called: got {function_type}"]
            )
        argument = computations.pack_arguments(function_type, args, kwargs, str(self._node))
        node = None
        if function_type.parameter is not None:
            node = as_value(argument, function_type.parameter).node
        return self._context.bind(ir.Call(self._node, node))

    def _select(self, index: int) -> Value:
        if isinstance(self.type_signature, FederatedType):
            return self._select_where_it_is(lambda member: ir.Selection(member, index=index))
        return Value(ir.select(self._node, index), self._context)

    def _select_several(self, indices: Sequence[int]) -> Value:
        struct_type = ir.unplaced(self.type_signature)
        assert isinstance(struct_type, StructType)
        if not isinstance(self.type_signature, FederatedType):
            return as_value(structure.Struct([(None, self._select(index)) for index in indices]))
        names = ir.element_names(struct_type)
        return self._select_where_it_is(
            lambda member: ir.Struct(
                [(names[index], ir.Selection(member, index=index)) for index in indices]
            )
        )

    def _select_where_it_is(self, select: Callable[[ir.Node], ir.Node]) -> Value:
        federated_type = self.type_signature
        assert isinstance(federated_type, FederatedType)
        name = self._context.fresh_name("x")
        member = ir.Reference(name, federated_type.member)
        selector = ir.Lambda(name, federated_type.member, select(member))
        return apply_at_placement(
            self._context, selector, self._node, all_equal=federated_type.all_equal
        )

    def _refuse(
        self,
        operation: str,
        cls: type[errors.FederatedError] = errors.TypeMismatchError,
    ) -> NoReturn:
        raise cls(
            f"{operation} a value of a federated computation is not possible: it holds no data "
            "while the computation is traced.",
            problems=[f"value: got {self.type_signature}"],
            signature=self._context.signature,
            fix=_IN_A_LOCAL_COMPUTATION,
        )

    def __bool__(self) -> bool:
        self._refuse("testing the truth of")

    def _arithmetic(self, other: object) -> NoReturn:
        self._refuse("arithmetic with")

    def _comparison(self, other: object) -> NoReturn:
        self._refuse("comparing")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _arithmetic
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _arithmetic
    __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _arithmetic
    __lt__ = __le__ = __gt__ = __ge__ = _comparison

    def __neg__(self) -> NoReturn:
        self._refuse("arithmetic with")

    __abs__ = __neg__

    # Without these, `if value == 0` would be false, silently, and `numpy.sum(value)` the value.
    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        self._refuse("comparing")

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = object.__hash__

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("making an array of")

    def __array_ufunc__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("arithmetic with")

    def __tf_tensor__(self, *args: object, **kwargs: object) -> NoReturn:
        # TensorFlow itself raises a `ValueError` for what it cannot make a tensor of.
        self._refuse("making a tensor of", errors.TracingError)

    def __float__(self) -> NoReturn:
        self._refuse("making a number of")

    __int__ = __complex__ = __float__


def apply_at_placement(
    context: TracingContext, fn: ir.Node, argument: ir.Node, all_equal: bool = False
) -> Value:
    """Applies a function to a federated value where the value is.

    Args:
      context: the computation that is being traced.
      fn: the function.
      argument: the federated value.
      all_equal: whether to keep that all clients have the same value.

    Returns:
      The federated result.
    """
    argument_type, fn_type = argument.type_signature, fn.type_signature
    assert isinstance(argument_type, FederatedType)
    assert isinstance(fn_type, FunctionType)
    uri = "federated_map_all_equal" if all_equal else "federated_map"
    if argument_type.placement is placements.SERVER:
        uri, all_equal = "federated_apply", True
    result = FederatedType(fn_type.result, argument_type.placement, all_equal)
    pair = ir.Struct(((None, fn), (None, argument)))
    return context.bind(ir.call_intrinsic(uri, pair, result))


def as_value(arg: Any, type_spec: Any = None, *, used: str = "tff.to_value") -> Value:
    """Turns a Python object into a value of the computation that is being traced.

    Args:
      arg: see `to_value`.
      type_spec: the type that is expected, or what `tff.to_type` makes it of; functions are traced
        for it. None if it is not known.
      used: what needs the value, for the message where nothing is being traced.

    Returns:
      The value. Whether it is of the type that was expected is for the caller to check.
    """
    context = current_tracing_context(used)
    hint = None if type_spec is None else types.to_type(type_spec)
    return Value(_to_node(arg, hint, context), context)


@errors.boundary
def to_value(
    arg: Any,
    type_spec: Any = None,
    *,
    parameter_type_hint: Any = None,
    zip_if_needed: bool = False,
) -> Value:
    """Turns a Python object into a value of the computation that is being traced.

    Args:
      arg: a value, computation, Python function (with a functional `type_spec` or a
        `parameter_type_hint`), placement, number, string, array, or a structure of these.
      type_spec: the type that the value has to have, or what `tff.to_type` makes it of; None for
        any.
      parameter_type_hint: the type of the parameter, for a function without types.
      zip_if_needed: whether a structure of federated values becomes one federated value, where
        `type_spec` asks for one.

    Returns:
      The value.

    Raises:
      TypeMismatchError: if the object cannot be a value, or is not of the type.
      LiteralError: if it is a constant that is not of the type.
      TracingError: if a value belongs to another computation.

    Examples:
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def pair():
      ...     return tff.to_value({"a": 1, "b": 2.0})
      >>> print(pair.type_signature)
      ( -> <a=int32,b=float32>)
    """
    expected = None if type_spec is None else types.to_type(type_spec)
    if parameter_type_hint is not None and _is_function_without_types(arg):
        current_tracing_context("tff.to_value")
        typed = FunctionType(parameter_type_hint, types.AbstractType("R"))
        value = as_value(arg, typed)
    else:
        value = as_value(arg, expected)
    if expected is None:
        return value
    if zip_if_needed and isinstance(expected, FederatedType):
        federated = to_federated(value)
        value = value if federated is None else federated
    differences = expected.differences(value.type_signature, path="value")
    if differences:
        error_class = errors.TypeMismatchError
        if isinstance(value.node, ir.Literal):
            error_class = errors.LiteralError
        elif isinstance(arg, Value) or isinstance(expected, StructType):
            error_class = errors.TypeNotAssignableError
        raise error_class(
            "the value is not of the type that is expected.",
            problems=differences,
            signature=expected,
            fix="give a value of this type, or leave `type_spec` out.",
        )
    return value


def _is_function_without_types(arg: Any) -> bool:
    """Whether this is a function that no type is known of."""
    return callable(arg) and not isinstance(arg, (Value, computations.ConcreteComputation))


def _to_node(arg: Any, hint: Type | None, context: TracingContext) -> ir.Node:
    if isinstance(arg, Value):
        if arg.context is not context:
            raise errors.TracingError(
                f"`{context.name}` uses a value of another computation, `{arg.context.name}`.",
                problems=[f"value: got `{arg}`, of the type {arg.type_signature}"],
                signature=context.signature,
                fix=f"give `{context.name}` a parameter, and pass the value as its argument.",
            )
        return arg.node
    if isinstance(arg, ir.Node):
        return arg
    if isinstance(arg, computations.ConcreteComputation):
        return arg.node
    if isinstance(arg, computations.PolymorphicComputation):
        if not isinstance(hint, FunctionType):
            raise errors.TypeMismatchError(
                "the types of a polymorphic computation are not known here.",
                problems=[f"value: got {arg!r}"],
                fix="give the types of its parameters in the decorator.",
            )
        return arg.fn_for_argument_type(hint.parameter).node
    if isinstance(arg, placements.PlacementLiteral):
        return ir.Placement(arg)
    if callable(arg) and isinstance(hint, FunctionType):
        specs = [] if hint.parameter is None else [hint.parameter]
        return cast("computations.ConcreteComputation", federated_computation(arg, *specs)).node
    elements = containers.unpack(arg)
    if elements is not None:
        hints: list[Type | None] = [None] * len(elements)
        if isinstance(hint, StructType) and len(hint) == len(elements):
            hints = [hint[i] for i in range(len(elements))]
        return ir.Struct(
            tuple(
                (name, _to_node(element, element_hint, context))
                for (name, element), element_hint in zip(elements, hints, strict=True)
            ),
            containers.container_of(arg),
        )
    return _to_literal(arg, hint, context)


def _to_literal(arg: Any, hint: Type | None, context: TracingContext) -> ir.Literal:
    if isinstance(arg, (int, float, complex)) and isinstance(hint, TensorType):
        constant = _constant_of_kind(arg, hint)
        if constant is not None:
            return constant
    try:
        type_signature = type_inference.infer_type(arg)
    except errors.TypeMismatchError as error:
        error.signature = context.signature
        raise
    if not isinstance(type_signature, TensorType):
        raise errors.TypeMismatchError(
            "only tensors can be constants of a federated computation.",
            problems=[f"value: got {type_signature}"],
            signature=context.signature,
            fix=f"give `{context.name}` a parameter, and pass the value as its argument.",
        )
    if isinstance(arg, str):
        return ir.Literal(arg.encode(), type_signature)
    if isinstance(arg, bytes):
        return ir.Literal(arg, type_signature)
    array = np.array(foreign_arrays.to_plain(arg))
    if array.dtype.kind not in "OSU":
        array = array.astype(type_signature.dtype)
    return ir.Literal(array[()] if array.ndim == 0 else array, type_signature)


def _constant_of_kind(number: complex, tensor_type: TensorType) -> ir.Literal | None:
    """The constant of a Python number, in another size of the dtype that it is inferred to have."""
    own_dtype = np.dtype(type(number))
    if tensor_type.shape != () or tensor_type.dtype.kind not in {"i": "iu"}.get(
        own_dtype.kind, own_dtype.kind
    ):
        return None
    try:
        return ir.Literal(tensor_type.dtype.type(number), tensor_type)
    except OverflowError:
        return None


def _trace_federated(
    fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str
) -> ir.Lambda:
    context = TracingContext(name, parameter_type)
    with contexts.install(context), _told_what_no_framework_can(context):
        if parameter_type is None:
            parameter_name = None
            result = fn()
        else:
            parameter_name = context.fresh_name("arg")
            argument = Value(ir.Reference(parameter_name, parameter_type), context)
            if unpack:
                assert isinstance(parameter_type, StructType)
                names = ir.element_names(parameter_type)
                result = computations.call_unpacked(
                    fn, [(element, argument[index]) for index, element in enumerate(names)]
                )
            else:
                result = fn(argument)
        if result is None:
            raise errors.returned_nothing(name, parameter_type, callsites.line_of(fn))
        try:
            node = as_value(result).node
        except errors.UntypedObjectError as error:
            raise errors.UntypedResultError(
                f"`{name}` returns what has no type in this language.",
                problems=[each.replace("value:", "result:", 1) for each in error.problems],
                signature=context.signature,
                where=callsites.line_of(fn),
                fix=error.fix,
            ) from None
    if context.bindings:
        node = ir.Block(tuple(context.bindings), node)
    return ir.Lambda(parameter_name, parameter_type, node)


@contextlib.contextmanager
def _told_what_no_framework_can(context: TracingContext) -> Generator[None]:
    """Tells anew what a framework says that finds a value where it needs an array.

    JAX has no method that a value could have to tell it itself.
    """
    try:
        yield
    except Exception as error:
        is_ours = isinstance(error, errors.FederatedError)
        if is_ours or f"{Value.__module__}.{Value.__qualname__}" not in str(error):
            raise
        raise errors.TypeMismatchError(
            "a value of a federated computation is no array: it holds no data while the "
            "computation is traced.",
            problems=["value: given to a function on arrays"],
            signature=context.signature,
            where=callsites.innermost_user_line(error.__traceback__),
            fix=_IN_A_LOCAL_COMPUTATION,
        ) from None


federated_computation = computations.Decorator(
    _trace_federated,
    "tff.federated_computation",
    """Makes a federated computation of a Python function that composes intrinsics and computations.

`@tff.federated_computation(type, ...)` gives the types of the parameters. Without types, a function
without parameters is traced at once, and one with parameters becomes polymorphic: it is traced for
the types of each call. The function runs once for each type, on values (`tff.Value`) that stand for
its arguments; it can return a value or any structure of values.

Raises:
  TracingError: if the function returns nothing, or uses a value of another computation.
  TypeMismatchError: if a computation or an intrinsic cannot be applied to what it is given.
""",
)


def to_federated(value: Value) -> Value | None:
    """One federated value from a structure of them, by zipping; None if that cannot be."""
    if isinstance(value.type_signature, FederatedType):
        return value
    placement = _common_placement(value.type_signature)
    if placement is None:
        return None
    return zip_value(value, placement)


def zip_value(value: Value, placement: placements.PlacementLiteral) -> Value:
    """Zips a structure of federated values at one placement."""
    at_server = placement is placements.SERVER
    uri = "federated_zip_at_server" if at_server else "federated_zip_at_clients"
    result = intrinsic_defs.get(uri).signature.match([value.type_signature]).result
    assert result is not None
    return value.context.bind(ir.call_intrinsic(uri, value.node, result))


def _common_placement(type_signature: Type) -> placements.PlacementLiteral | None:
    """The placement that all leaves have; None if they differ or one has none."""
    if isinstance(type_signature, FederatedType):
        return type_signature.placement
    if not isinstance(type_signature, StructType) or not len(type_signature):
        return None
    found = [_common_placement(element) for _, element in type_signature.items()]
    return found[0] if all(placement is found[0] for placement in found) else None
