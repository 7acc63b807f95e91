"""Computations: typed functions as values, and the decorators that make them."""

from __future__ import annotations

import abc
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

import numpy as np

from tensorflow_federated.core import (
    callsites,
    containers,
    contexts,
    errors,
    html,
    ir,
    ir_nodes,
    structure,
    traversal,
    type_inference,
    type_relations,
    types,
)
from tensorflow_federated.core.types import FunctionType, StructType, Type

Tracer = Callable[[Callable[..., Any], Type | None, bool, str], ir.Node]
"""Turns a Python function into a node: `(fn, parameter_type, unpack, name)`.

With `unpack`, the parameter is a structure whose elements are the function's arguments.
"""


class TypedObject(abc.ABC):
    """An object with a type in the language.

    Examples:
      >>> import tensorflow_federated as tff
      >>> isinstance(tff.jax.computation(lambda: 1), TypedObject)
      True
    """

    @property
    @abc.abstractmethod
    def type_signature(self) -> Type:
        """The type of this object."""


# Not a base class: with the metaclass of an abstract class, matching on nodes would be slower.
TypedObject.register(ir.Node)


class Computation(TypedObject):
    """A typed function: what every decorator makes, and what every context can call.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.float32)
      ... def half(x):
      ...     return x / 2
      >>> print(half.type_signature)
      (float32 -> float32)
      >>> half(3.0)
      np.float32(1.5)
    """

    @property
    @abc.abstractmethod
    def type_signature(self) -> FunctionType:
        """The functional type."""

    @abc.abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the computation in the current context."""


class ConcreteComputation(Computation):
    """A computation of one type: a lambda of the language, or a local computation."""

    def __init__(
        self,
        node: ir.Lambda | ir.Local,
        name: str | None = None,
        type_signature: FunctionType | None = None,
    ) -> None:
        """Wraps a program.

        Args:
          node: the program, a function.
          name: the name of the Python function that it was made from.
          type_signature: the type to give it, assignable to the one of the program; that one if
            None.
        """
        self._node = node
        self._type = type_signature or node.type_signature
        self.__name__ = name or "computation"

    @classmethod
    @errors.boundary
    def from_building_block(cls, building_block: ir.Node) -> ConcreteComputation:
        """Makes a computation of a program.

        Args:
          building_block: a node that is a function.

        Returns:
          The computation.

        Raises:
          ArgumentError: if it is no node.
          TypeMismatchError: if it is no function.

        Examples:
          >>> import numpy as np
          >>> identity = ir.Lambda("x", np.int32, ir.Reference("x", np.int32))
          >>> ConcreteComputation.from_building_block(identity)(3)
          np.int32(3)
        """
        ir_nodes.check_node("building_block", building_block)
        if isinstance(building_block, (ir.Lambda, ir.Local)):
            return cls(building_block)
        function_type = building_block.type_signature
        if not isinstance(function_type, FunctionType):
            raise errors.TypeMismatchError(
                "only a function can become a computation.",
                problems=[f"building_block: got {function_type}"],
                fix="wrap it: `tff.framework.Lambda(None, None, building_block)`.",
            )
        return cls(traversal.as_lambda(building_block))

    @classmethod
    @errors.boundary
    def with_type(cls, value: ConcreteComputation, type_spec: FunctionType) -> ConcreteComputation:
        """Gives a computation another type, for example other Python containers for its result.

        Args:
          value: the computation.
          type_spec: the type.

        Returns:
          The computation of this type.

        Raises:
          TypeNotAssignableError: if the type is not assignable to the one of the computation.

        Examples:
          >>> import numpy as np
          >>> import tensorflow_federated as tff
          >>> pair = tff.jax.computation(lambda x: (x, x), np.int32)
          >>> as_list = tff.FunctionType(np.int32, [np.int32, np.int32])
          >>> ConcreteComputation.with_type(pair, as_list)(1)
          [np.int32(1), np.int32(1)]
        """
        value.type_signature.check_assignable_from(type_spec)
        return cls(value.node, value.__name__, type_spec)

    @classmethod
    def get_proto(cls, value: ConcreteComputation) -> NoReturn:
        """Is no more: raises the error that names what to write instead."""
        raise errors.RemovedNameError(
            "computations are not kept as protocol buffers.",
            problems=[f"value: got {value!r}"],
            fix="write `tff.framework.serialize_computation(computation)`.",
        )

    @property
    def node(self) -> ir.Lambda | ir.Local:
        """The program."""
        return self._node

    @property
    def type_signature(self) -> FunctionType:
        return self._type

    def to_building_block(self) -> ir.Lambda | ir.Local:
        """The program, as a node of the intermediate representation."""
        return self._node

    @errors.boundary
    def to_compiled_building_block(self) -> ir.Local:
        """The program, as a local computation.

        Raises:
          UnexpectedBlockError: if it is made of more than one local computation.
        """
        if not isinstance(self._node, ir.Local):
            kind = type(self._node).__name__
            raise errors.UnexpectedBlockError(
                "this computation is no local one.",
                problems=[f"program: expected `Local`, got `{kind}`: {self._node}"],
            )
        return self._node

    # Nothing in it can be changed, and the functions of a framework cannot be copied.
    def __copy__(self) -> ConcreteComputation:
        return self

    def __deepcopy__(self, memo: object) -> ConcreteComputation:
        return self

    @errors.boundary
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        argument = pack_arguments(self.type_signature, args, kwargs, self.__name__)
        return contexts.current().invoke(self, argument)

    def __repr__(self) -> str:
        return f"<computation {self.__name__}: {self.type_signature.compact_representation()}>"

    def _repr_html_(self) -> str:
        return html.of_function(
            f"computation {self.__name__}",
            type_relations.layout_of(self.type_signature),
            "tff.explain(computation) shows what the server and the clients do.",
        )


class PolymorphicComputation:
    """A computation whose types are known when it is called: one concrete form for each."""

    def __init__(self, fn: Callable[..., Any], tracer: Tracer, name: str) -> None:
        """Wraps a Python function.

        Args:
          fn: the function, of one or more parameters.
          tracer: makes a node of it, once the types are known.
          name: its name.
        """
        self._fn = fn
        self._tracer = tracer
        self._concrete: dict[Type, ConcreteComputation] = {}
        self.__name__ = name
        self.__doc__ = fn.__doc__

    def fn_for_argument_type(self, argument_type: Any) -> ConcreteComputation:
        """The concrete computation for one type of argument.

        Args:
          argument_type: the type of the whole argument; a structure if there are several.

        Returns:
          The computation, traced once for each type.
        """
        parameter_type = types.to_type(argument_type)
        if parameter_type not in self._concrete:
            self._concrete[parameter_type] = _trace(
                self._fn, [parameter_type], self._tracer, self.__name__
            )
        return self._concrete[parameter_type]

    @errors.boundary
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs:
            argument_type = type_inference.infer_type(args[0])
        else:
            self._check_names(kwargs)
            pairs = [(None, type_inference.infer_type(arg)) for arg in args]
            named = [(name, type_inference.infer_type(arg)) for name, arg in kwargs.items()]
            argument_type = StructType([*pairs, *named])
        return self.fn_for_argument_type(argument_type)(*args, **kwargs)

    def _check_names(self, kwargs: Mapping[str, Any]) -> None:
        parameters = _signature(self._fn).parameters
        kinds = {parameter.kind for parameter in parameters.values()}
        unknown = [name for name in kwargs if name not in parameters]
        if unknown and len(parameters) > 1 and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise errors.ArgumentError(
                f"`{self.__name__}` cannot be called with these arguments.",
                problems=[f"argument {name!r}: no parameter has this name" for name in unknown],
                fix="give " + ", ".join(f"`{name}`" for name in parameters) + ".",
            )

    def __repr__(self) -> str:
        return f"<polymorphic computation {self.__name__}>"

    def _repr_html_(self) -> str:
        return html.of_function(
            f"polymorphic computation {self.__name__}",
            None,
            "Its types are those of the arguments of each call; "
            "fn_for_argument_type(type) gives the computation for one.",
        )


class Decorator:
    """Makes computations of Python functions with one tracer, in every form of call.

    `d(fn)`, `@d`, `@d()`, `@d(type, ...)`, `d(fn, type, ...)`. Several types are the types of
    several parameters; one type is that of the only parameter, or, for a function of several
    parameters, a structure of theirs. Without types, a function that takes arguments becomes
    polymorphic.
    """

    def __init__(self, tracer: Tracer, name: str, doc: str) -> None:
        """Makes a decorator.

        Args:
          tracer: turns a Python function into a node.
          name: the public name of the decorator, for messages.
          doc: what `help` shows.
        """
        self._tracer = tracer
        self.__name__ = name
        self.__doc__ = doc

    @errors.boundary
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise errors.ArgumentError(
                f"`{self.__name__}` takes types by position, in the order of the parameters.",
                problems=[f"argument {name!r}: got {given!r}" for name, given in kwargs.items()],
                signature=f"{self.__name__}(type, ...)",
                fix=f"write `@{self.__name__}(type, ...)`; the parameters keep their names.",
            )
        if args and _is_function(args[0]):
            return self._make(args[0], args[1:])
        for index, spec in enumerate(args):
            if index > 0 and _is_function(spec):
                raise errors.ArgumentError(
                    f"`{self.__name__}` takes the function first, then the types.",
                    problems=[f"argument[{index}]: got the function `{_name_of(spec)}`"],
                    signature=f"{self.__name__}(function, type, ...)",
                    fix=f"write `{self.__name__}({_name_of(spec)}, type, ...)`.",
                )
        checked = [None] if args == (None,) else [types.to_type(spec) for spec in args]

        @errors.boundary
        def decorate(fn: Any) -> Any:
            return self._make(fn, checked)

        return decorate

    def __repr__(self) -> str:
        return f"<decorator {self.__name__}>"

    def _make(self, fn: Any, specs: Sequence[Any]) -> Any:
        if not _is_function(fn):
            raise errors.ArgumentError(
                f"`{self.__name__}` makes computations of Python functions.",
                problems=[f"argument[0]: got {errors.describe_object(fn)}"],
                signature=f"{self.__name__}(function, type, ...)",
                fix="decorate a function, or give one.",
            )
        name = _name_of(fn)
        _check_returns_when_called(fn, name)
        if isinstance(fn, (ConcreteComputation, PolymorphicComputation)) and not specs:
            return fn
        if list(specs) == [None]:
            # `None` alone says that there is no parameter.
            if not _binds(_signature(fn), 0):
                raise _arity_error(_signature(fn), None, name)
            parameter_types = []
        else:
            parameter_types = [types.to_type(spec) for spec in specs]
            if not specs and _signature(fn).parameters:
                return PolymorphicComputation(fn, self._tracer, name)
        computation = _trace(fn, parameter_types, self._tracer, name)
        computation.__doc__ = fn.__doc__
        return computation


def call_unpacked(fn: Callable[..., Any], elements: Sequence[tuple[str | None, Any]]) -> Any:
    """Calls a function with the elements of its argument: by name where it has that name.

    Examples:
      >>> call_unpacked(lambda x, y: x - y, [("y", 1), ("x", 3)])
      2
    """
    return taking_elements(fn)(elements)


def taking_elements(
    fn: Callable[..., Any],
) -> Callable[[Sequence[tuple[str | None, Any]]], Any]:
    """What calls a function as `call_unpacked` does, and looks at its parameters once."""
    positional = inspect.Parameter.POSITIONAL_ONLY
    accepted = {each.name for each in _signature(fn).parameters.values() if each.kind != positional}

    def call(elements: Sequence[tuple[str | None, Any]]) -> Any:
        keywords = {name: value for name, value in elements if name in accepted}
        if len(keywords) == len(elements):
            return fn(**keywords)
        return fn(*[value for _, value in elements])

    return call


def pack_arguments(
    function_type: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any], name: str
) -> Any:
    """Puts the arguments of a call into the structure of the parameter.

    Args:
      function_type: the type of the function that is called.
      args: the positional arguments.
      kwargs: the named arguments.
      name: the function's name, for messages.

    Returns:
      None without parameter; the argument itself if there is one; otherwise a `Struct`.

    Raises:
      ArgumentError: if the number or the names of the arguments do not fit.
    """
    parameter_type = function_type.parameter

    def fail(problems: Sequence[str], fix: str | None = None) -> errors.ArgumentError:
        return errors.ArgumentError(
            f"`{name}` cannot be called with these arguments.",
            problems=problems,
            signature=function_type.compact_representation(),
            fix=fix,
        )

    if parameter_type is None:
        if args or kwargs:
            raise fail(
                [f"arguments: expected none, got {len(args) + len(kwargs)}"],
                fix=f"call `{name}()`.",
            )
        return None
    if len(args) == 1 and not kwargs and _may_be_whole(args[0], parameter_type):
        return args[0]
    if not isinstance(parameter_type, StructType):
        count = len(args) + len(kwargs)
        got = f"{count or 'none'}{' by name' if count == 1 else ''}"
        raise fail([f"arguments: expected one, got {got}"], fix=f"call `{name}(argument)`.")
    names = ir.element_names(parameter_type)
    problems: list[str] = []
    if len(args) > len(names):
        problems.append(f"arguments: expected {len(names)}, got {len(args)}")
    values: dict[int, Any] = dict(enumerate(args[: len(names)]))
    for key, value in kwargs.items():
        if key not in names:
            nearest = errors.suggest_name(key, [each for each in names if each is not None])
            meant = "" if nearest is None else f"; did you mean `{nearest}`?"
            problems.append(f"argument {key!r}: no parameter has this name{meant}")
        elif (index := names.index(key)) in values:
            problems.append(f"argument {key!r}: given twice")
        else:
            values[index] = value
    missing = [str(names[i] or i) for i in range(len(names)) if i not in values]
    if missing:
        problems.append(f"missing: {', '.join(missing)}")
    if problems:
        given = ", ".join(f"`{each}`" if each else "one more" for each in names)
        raise fail(problems, fix=f"give {given}.")
    return structure.Struct([(names[i], values[i]) for i in range(len(names))])


def _may_be_whole(argument: Any, parameter_type: Type) -> bool:
    """Whether the only argument of a call can be the whole parameter, not one element of it."""
    if not isinstance(parameter_type, StructType) or isinstance(argument, TypedObject):
        return True
    if containers.is_composite(parameter_type):
        return True
    elements = containers.unpack(argument)
    if elements is None:
        return len(parameter_type) < 2
    return len(elements) == len(parameter_type)


def _trace(
    fn: Callable[..., Any], specs: Sequence[Type], tracer: Tracer, name: str
) -> ConcreteComputation:
    parameter_type, unpack = _parameter_of(fn, specs, name)
    node = tracer(fn, parameter_type, unpack, name)
    assert isinstance(node, (ir.Lambda, ir.Local))
    return ConcreteComputation(node, name)


def _parameter_of(
    fn: Callable[..., Any], specs: Sequence[Type], name: str
) -> tuple[Type | None, bool]:
    """The parameter's type, and whether its elements are the arguments of the function."""
    if not specs:
        return None, False
    signature = _signature(fn)
    if len(specs) == 1:
        (spec,) = specs
        if _binds(signature, 1):
            return spec, False
        if not isinstance(spec, StructType) or not _binds(signature, len(spec)):
            raise _arity_error(signature, spec, name)
        given = list(spec.items())
    elif not _binds(signature, len(specs)):
        packed = StructType(list(specs))
        if not _binds(signature, 1):
            raise _arity_error(signature, packed, name)
        return packed, False
    else:
        given = [(None, spec) for spec in specs]
    positional = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind
        in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    named: list[tuple[str | None, Type]] = []
    for index, (element_name, element_type) in enumerate(given):
        own = positional[index] if index < len(positional) else None
        named.append((element_name or own, element_type))
    if len(specs) == 1 and named == given:
        # The names are those of the function already: the type is kept, container and all.
        return specs[0], True
    return StructType(named), True


def _arity_error(
    signature: inspect.Signature, spec: Type | None, name: str
) -> errors.ArgumentError:
    fix = "give one type for each parameter."
    if next(iter(signature.parameters), None) == "self":
        fix = (
            "`self` is a parameter too: make the method a `@staticmethod` under this decorator, or "
            "decorate the bound method, where the object is there."
        )
    return errors.ArgumentError(
        f"the parameters of `{name}` do not fit the types that were given.",
        problems=[f"function: takes {signature}", f"types: {spec}"],
        signature=errors.signature_without_result(spec),
        fix=fix,
    )


def _check_returns_when_called(fn: Any, name: str) -> None:
    """Raises an error for a function whose call gives no result, but something that runs later."""
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        kind, fix = "`async`", f"write `def {name}`; what calls the computation may be `async`."
    elif inspect.isgeneratorfunction(fn):
        kind, fix = "a generator", f"end `{name}` with `return` and all values."
    else:
        return
    raise errors.TracingError(
        f"`{name}` is {kind}, and a computation returns its result when it is called.",
        problems=[f"function: got {errors.describe_object(fn)}"],
        signature=f"{name}{inspect.signature(fn)}",
        where=callsites.line_of(fn),
        fix=fix,
    )


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _signature(fn: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(getattr(fn, "python_function", fn))


def _name_of(fn: Any) -> str:
    if isinstance(fn, functools.partial):
        return _name_of(cast("Any", fn).func)
    return str(getattr(fn, "__name__", type(fn).__name__))


def _is_function(candidate: Any) -> bool:
    if isinstance(candidate, (type, Type, np.dtype)) or hasattr(candidate, "as_numpy_dtype"):
        return False
    return callable(candidate)
