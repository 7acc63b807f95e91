"""Brings a program into call-dominant form, by evaluating it on symbols.

In call-dominant form a program is one lambda over one block, or over a result alone::

    (arg -> (let v1=f1(a1), v2=f2(a2), ... in r))

in which every `f` is an intrinsic or a local computation, every call is bound to a name of its
own, and arguments and result are built from references, selections, structures and constants.
Lambdas and blocks of the user are gone: only the functional arguments of intrinsics remain, and
those are local computations or lambdas in this form themselves. Every name is bound once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.types import FunctionType, Type

Bindings: TypeAlias = list[tuple[str, ir.Node]]


@dataclasses.dataclass(frozen=True, eq=False)
class _Closure:
    """A lambda, with what its free names stand for."""

    function: ir.Lambda
    scope: Mapping[str, _Symbol]


@dataclasses.dataclass(frozen=True, eq=False)
class _Record:
    """A structure whose elements are known."""

    elements: tuple[tuple[str | None, _Symbol], ...]
    container: type[Any] | None
    has_function: bool


# A node in a symbol is free of lambdas and blocks: a name, a selection from one, a constant,
# or a function that is no lambda.
_Symbol: TypeAlias = "_Closure | _Record | ir.Node"


def to_call_dominant(node: ir.Node) -> ir.Lambda:
    """Brings a function into call-dominant form.

    Args:
      node: a function: a lambda, a local computation, or an intrinsic.

    Returns:
      The lambda that computes the same; its result may have a more special type.
    """
    normalizer = _Normalizer(traversal.FreshNames(traversal.free_names(node)))
    return normalizer.quote_function(normalizer.evaluate(node, {}, []))


def open_lambda(function: ir.Lambda) -> tuple[tuple[tuple[str, ir.Node], ...], ir.Node]:
    """The bindings and the result of a lambda in call-dominant form."""
    if isinstance(function.result, ir.Block):
        return function.result.locals, function.result.result
    return (), function.result


def close_lambda(
    parameter: ir.Reference | None,
    bindings: Sequence[tuple[str, ir.Node]],
    result: ir.Node,
) -> ir.Lambda:
    """The lambda of these bindings and this result; the inverse of `open_lambda`."""
    name, parameter_type = (parameter.name, parameter.type) if parameter else (None, None)
    return with_body(ir.Lambda(name, parameter_type, result), bindings, result)


def with_body(
    function: ir.Lambda, bindings: Sequence[tuple[str, ir.Node]], result: ir.Node
) -> ir.Lambda:
    """The lambda with the same parameter and another body."""
    body = ir.Block(tuple(bindings), result) if bindings else result
    return ir.Lambda(function.parameter_name, function.parameter_type, body)


class _Normalizer:
    def __init__(self, names: traversal.FreshNames) -> None:
        self._names = names
        self._quoted: dict[int, tuple[_Record, ir.Node]] = {}

    def evaluate(self, node: ir.Node, scope: Mapping[str, _Symbol], bindings: Bindings) -> _Symbol:
        """What a node stands for; the calls that it makes are added to the bindings."""
        # The last thing that a node stands for is evaluated in its place, not below it: programs
        # may be nested deeper than Python's calls.
        while True:
            match node:
                case ir.Block(locals=local_bindings, result=result):
                    inner = dict(scope)
                    for name, bound in local_bindings:
                        inner[name] = self.evaluate(bound, inner, bindings)
                    node, scope = result, inner
                case ir.Call(function=function, argument=argument):
                    applied = self.evaluate(function, scope, bindings)
                    given = None if argument is None else self.evaluate(argument, scope, bindings)
                    if not isinstance(applied, _Closure):
                        return self._call(applied, given, bindings)
                    node, scope = applied.function.result, _scope_inside(applied, given)
                case _:
                    return self._value_of(node, scope, bindings)

    def _value_of(self, node: ir.Node, scope: Mapping[str, _Symbol], bindings: Bindings) -> _Symbol:
        match node:
            case ir.Reference(name=name):
                return scope.get(name, node)
            case ir.Selection(source=source, index=index):
                symbol = self.evaluate(source, scope, bindings)
                if isinstance(symbol, _Record):
                    return symbol.elements[index][1]
                assert isinstance(symbol, ir.Node)
                return ir.select(symbol, index)
            case ir.Struct(elements=elements, container=container):
                symbols = tuple([(n, self.evaluate(e, scope, bindings)) for n, e in elements])
                return _Record(symbols, container, any(_has_function(s) for _, s in symbols))
            case ir.Lambda():
                return _Closure(node, scope)
            case _:
                return node

    def _apply(self, applied: _Symbol, given: _Symbol | None, bindings: Bindings) -> _Symbol:
        if isinstance(applied, _Closure):
            return self.evaluate(applied.function.result, _scope_inside(applied, given), bindings)
        return self._call(applied, given, bindings)

    def _call(self, applied: _Symbol, given: _Symbol | None, bindings: Bindings) -> _Symbol:
        """Binds the call of what is no lambda."""
        assert isinstance(applied, ir.Node)
        call = ir.Call(applied, None if given is None else self.quote(given))
        name = self._names.fresh("v")
        bindings.append((name, call))
        return ir.Reference(name, call.type_signature)

    def quote(self, symbol: _Symbol) -> ir.Node:
        """The node that a symbol stands for."""
        if isinstance(symbol, _Record):
            # A structure that is used often is written once: its nodes are shared.
            # Not so with functions inside: each copy of a function has names of its own.
            if id(symbol) not in self._quoted or symbol.has_function:
                elements = tuple((name, self.quote(element)) for name, element in symbol.elements)
                self._quoted[id(symbol)] = (symbol, ir.Struct(elements, symbol.container))
            return self._quoted[id(symbol)][1]
        if isinstance(symbol, (_Closure, ir.Intrinsic)):
            return self.quote_function(symbol)
        return symbol

    def quote_function(self, symbol: _Symbol) -> ir.Lambda:
        """The lambda that a function stands for; its names are new at each call."""
        parameter = _parameter_of(symbol)
        bindings: Bindings = []
        given = None
        if parameter is not None:
            given = ir.Reference(self._names.fresh("arg"), parameter)
        result = self.quote(self._apply(symbol, given, bindings))
        return close_lambda(given, bindings, result)


def _scope_inside(closure: _Closure, given: _Symbol | None) -> dict[str, _Symbol]:
    """What the names in a lambda that is applied stand for."""
    scope = dict(closure.scope)
    name = closure.function.parameter_name
    if name is not None and given is not None:
        scope[name] = given
    return scope


def _parameter_of(symbol: _Symbol) -> Type | None:
    if isinstance(symbol, _Closure):
        return symbol.function.parameter_type
    assert isinstance(symbol, ir.Node)
    function_type = symbol.type_signature
    assert isinstance(function_type, FunctionType)
    return function_type.parameter


def _has_function(symbol: _Symbol) -> bool:
    if isinstance(symbol, _Record):
        return symbol.has_function
    return isinstance(symbol, (_Closure, ir.Intrinsic))
