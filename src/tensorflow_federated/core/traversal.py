"""Walks over programs: transforms, free and fresh names, and the check of a program's laws."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tensorflow_federated.core import errors, ir
from tensorflow_federated.core.types import FunctionType, Type


def transform_postorder(node: ir.Node, transform: Callable[[ir.Node], ir.Node]) -> ir.Node:
    """Rebuilds a program from the leaves up.

    Args:
      node: the program.
      transform: gets each node, its children transformed already, and returns what takes its
        place; it must not depend on the place, as a node that is shared is transformed once.

    Returns:
      The new program; nodes under which nothing changes stay the same objects.
    """
    done: dict[int, ir.Node] = {}
    waiting = [node]
    while waiting:
        current = waiting[-1]
        if id(current) in done:
            waiting.pop()
            continue
        children = list(current.children())
        missing = children and [child for child in children if id(child) not in done]
        if missing:
            waiting.extend(reversed(missing))
        else:
            waiting.pop()
            rebuilt = _with_new(current, children, [done[id(child)] for child in children])
            done[id(current)] = transform(rebuilt)
    return done[id(node)]


def with_new_children(node: ir.Node, visit: Callable[[ir.Node], ir.Node]) -> ir.Node:
    """The node with its children replaced; the same object if they stay what they are."""
    children = list(node.children())
    return _with_new(node, children, [visit(child) for child in children])


def _with_new(node: ir.Node, old: Sequence[ir.Node], new: Sequence[ir.Node]) -> ir.Node:
    if all(map(operator.is_, new, old)):
        return node
    return node.with_children(new)


def substitute(node: ir.Node, replacements: Mapping[str, ir.Node]) -> ir.Node:
    """Replaces references by other nodes, and selects through structures that are spelt out.

    Every name in the program must be bound once, and not be free in a replacement.

    Args:
      node: the program.
      replacements: the nodes that take the place of the references to each name.

    Returns:
      The new program.
    """

    def replace(current: ir.Node) -> ir.Node:
        if isinstance(current, ir.Reference):
            return replacements.get(current.name, current)
        if isinstance(current, ir.Selection) and isinstance(current.source, ir.Struct):
            return ir.select(current.source, current.index)
        return current

    return transform_postorder(node, replace)


def iterate(node: ir.Node) -> Iterator[ir.Node]:
    """The nodes of a program, each object once, a node before those below it."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting.extend(reversed(list(current.children())))


def free_names(node: ir.Node) -> frozenset[str]:
    """The names that a program refers to and does not bind."""
    known: dict[int, frozenset[str]] = {}
    waiting = [node]
    while waiting:
        current = waiting[-1]
        missing = [child for child in current.children() if id(child) not in known]
        if missing:
            waiting.extend(missing)
        else:
            waiting.pop()
            known[id(current)] = _free_names(current, known)
    return known[id(node)]


def _free_names(node: ir.Node, known: Mapping[int, frozenset[str]]) -> frozenset[str]:
    """The free names of a node, from those of its children."""
    match node:
        case ir.Reference(name=name):
            return frozenset((name,))
        case ir.Lambda(parameter_name=parameter, result=result):
            return known[id(result)] - {parameter}
        case ir.Block(locals=bindings, result=result):
            free = set(known[id(result)])
            for name, bound in reversed(bindings):
                free.discard(name)
                free.update(known[id(bound)])
            return frozenset(free)
        case _:
            none: frozenset[str] = frozenset()
            return none.union(*(known[id(child)] for child in node.children()))


def bound_names(node: ir.Node) -> frozenset[str]:
    """The names that a program binds, anywhere in it."""
    names: set[str] = set()
    for current in iterate(node):
        if isinstance(current, ir.Lambda) and current.parameter_name is not None:
            names.add(current.parameter_name)
        elif isinstance(current, ir.Block):
            names.update(name for name, _ in current.locals)
    return frozenset(names)


class FreshNames:
    """Names that nothing else has.

    Examples:
      >>> names = FreshNames(["x"])
      >>> names.fresh("x"), names.fresh("x"), names.fresh("y")
      ('x_1', 'x_2', 'y')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Starts with some names taken.

        Args:
          taken: the names that must not be given out.
        """
        self._taken = set(taken)
        self._counters: dict[str, Iterator[int]] = {}

    def fresh(self, stem: str) -> str:
        """A name that was not given out before, `stem` itself if it is free."""
        name = stem
        counter = self._counters.setdefault(stem, itertools.count(1))
        while name in self._taken:
            name = f"{stem}_{next(counter)}"
        self._taken.add(name)
        return name


def as_lambda(function: ir.Node, names: FreshNames | None = None) -> ir.Lambda:
    """A function as a lambda; one of another kind becomes the call of it.

    Args:
      function: the function.
      names: makes the name of the parameter; one that is not free in the function if None.

    Returns:
      The lambda, or the function itself if it is one.

    Examples:
      >>> import numpy as np
      >>> print(as_lambda(ir.Reference("f", FunctionType(np.int32, np.int32))))
      (arg -> f(arg))
    """
    if isinstance(function, ir.Lambda):
        return function
    function_type = function.type_signature
    assert isinstance(function_type, FunctionType)
    if function_type.parameter is None:
        return ir.Lambda(None, None, ir.Call(function))
    names = names or FreshNames(free_names(function))
    parameter = ir.Reference(names.fresh("arg"), function_type.parameter)
    return ir.Lambda(parameter.name, parameter.type, ir.Call(function, parameter))


def check_ir(node: ir.Node, *, unique_names: bool = False, closed: bool = True) -> None:
    """Checks what holds of every program, whatever pass it comes from.

    - Every reference is to a name bound above it, of a type that what is bound belongs to.
    - Every function that is called is a function, and takes its argument.
    - Every intrinsic has a type that its declaration allows.
    - With `unique_names`, no name is bound twice.

    Args:
      node: the program.
      unique_names: whether the pass that made it promises that.
      closed: whether every name must be bound in the program itself.

    Raises:
      TypeMismatchError: if it does not hold; the message names each place.
    """
    checker = _Checker(closed)
    checker.check(node)
    if unique_names:
        checker.problems.extend(f"{name}: bound more than once" for name in _bound_twice(node))
    if checker.problems:
        raise errors.TypeMismatchError(
            "this program is not well formed.", problems=list(dict.fromkeys(checker.problems))
        )


class _Checker:
    def __init__(self, closed: bool) -> None:
        self._closed = closed
        self.problems: list[str] = []

    def check(self, node: ir.Node) -> None:
        """Checks a program; `problems` tells what is wrong with it."""
        # What is to be done, the next thing last: check a node in a scope, or bind a name there.
        waiting: list[tuple[ir.Node, str | None, dict[str, Type]]] = [(node, None, {})]
        while waiting:
            current, name, scope = waiting.pop()
            if name is not None:
                scope[name] = current.type_signature
                continue
            match current:
                case ir.Reference():
                    self._check_reference(current, scope)
                case ir.Lambda(parameter_name=parameter, parameter_type=bound, result=result):
                    inner = scope
                    if parameter is not None and bound is not None:
                        inner = {**scope, parameter: bound}
                    waiting.append((result, None, inner))
                case ir.Block(locals=bindings, result=result):
                    inner = dict(scope)
                    waiting.append((result, None, inner))
                    for local_name, value in reversed(bindings):
                        waiting.append((value, local_name, inner))
                        waiting.append((value, None, inner))
                case ir.Intrinsic(uri=uri, type=type_signature):
                    found = current.definition.signature.problems_of(type_signature)
                    self.problems.extend(f"{uri}: {problem}" for problem in found)
                case _:
                    if isinstance(current, ir.Call):
                        self._check_call(current)
                    children = reversed(list(current.children()))
                    waiting.extend((child, None, scope) for child in children)

    def _check_reference(self, node: ir.Reference, scope: Mapping[str, Type]) -> None:
        bound = scope.get(node.name)
        if bound is None:
            if self._closed:
                self.problems.append(f"{node.name}: not bound here")
        elif not node.type.is_assignable_from(bound):
            self.problems.append(f"{node.name}: bound as {bound}, used as {node.type}")

    def _check_call(self, node: ir.Call) -> None:
        function_type = node.function.type_signature
        if not isinstance(function_type, FunctionType):
            self.problems.append(f"{node.function}: called, but of the type {function_type}")
            return
        parameter = function_type.parameter
        argument = None if node.argument is None else node.argument.type_signature
        if parameter is None or argument is None:
            if parameter is not argument:
                self.problems.append(f"{node.function}: takes {parameter}, got {argument}")
        elif not parameter.is_assignable_from(argument):
            self.problems.extend(parameter.differences(argument, path=f"argument of {node}"))


def _bound_twice(node: ir.Node) -> list[str]:
    seen: set[str] = set()
    twice: list[str] = []

    def bind(name: str | None) -> None:
        if name is not None:
            if name in seen:
                twice.append(name)
            seen.add(name)

    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, ir.Lambda):
            bind(current.parameter_name)
        elif isinstance(current, ir.Block):
            for name, _ in current.locals:
                bind(name)
        waiting.extend(reversed(list(current.children())))
    return twice
