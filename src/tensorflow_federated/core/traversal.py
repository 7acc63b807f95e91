"""Walks over programs: transforms, free and fresh names, and the check of a program's laws."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

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

    def visit(current: ir.Node) -> ir.Node:
        if id(current) not in done:
            done[id(current)] = transform(with_new_children(current, visit))
        return done[id(current)]

    return visit(node)


def with_new_children(node: ir.Node, visit: Callable[[ir.Node], ir.Node]) -> ir.Node:
    """The node with its children replaced; the same object if they stay what they are."""
    children = list(node.children())
    visited = [visit(child) for child in children]
    if all(new is old for new, old in zip(visited, children, strict=True)):
        return node
    return node.with_children(visited)


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
        if isinstance(current, ir.Selection):
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
    return _free_names(node, {})


def _free_names(node: ir.Node, known: dict[int, frozenset[str]]) -> frozenset[str]:
    if id(node) in known:
        return known[id(node)]
    free: set[str] = set()
    match node:
        case ir.Reference(name=name):
            free.add(name)
        case ir.Lambda(parameter_name=parameter, result=result):
            free.update(_free_names(result, known) - {parameter})
        case ir.Block(locals=bindings, result=result):
            free.update(_free_names(result, known))
            for name, bound in reversed(bindings):
                free.discard(name)
                free.update(_free_names(bound, known))
        case _:
            for child in node.children():
                free.update(_free_names(child, known))
    known[id(node)] = frozenset(free)
    return known[id(node)]


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


def check_ir(node: ir.Node, *, unique_names: bool = False, closed: bool = True) -> None:
    """Checks what holds of every program, whatever pass it comes from.

    - Every reference is to a name bound above it, of a type that what is bound belongs to.
    - Every function that is called is a function, and takes its argument.
    - With `unique_names`, no name is bound twice.

    Args:
      node: the program.
      unique_names: whether the pass that made it promises that.
      closed: whether every name must be bound in the program itself.

    Raises:
      TypeMismatchError: if it does not hold; the message names each place.
    """
    checker = _Checker(closed)
    checker.check(node, {})
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

    def check(self, node: ir.Node, scope: Mapping[str, Type]) -> None:
        match node:
            case ir.Reference():
                self._check_reference(node, scope)
            case ir.Lambda(parameter_name=name, parameter_type=parameter, result=result):
                if (name is None) != (parameter is None):
                    self.problems.append(f"{node}: a parameter has a name and a type, or neither")
                bound = {} if name is None or parameter is None else {name: parameter}
                self.check(result, {**scope, **bound})
            case ir.Block(locals=bindings, result=result):
                inner = dict(scope)
                for name, bound in bindings:
                    self.check(bound, inner)
                    inner[name] = bound.type_signature
                self.check(result, inner)
            case ir.Call():
                self._check_call(node)
                for child in node.children():
                    self.check(child, scope)
            case _:
                for child in node.children():
                    self.check(child, scope)

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
        else:
            self.problems.extend(parameter.differences(argument, path=f"argument of {node}"))


def _bound_twice(node: ir.Node) -> list[str]:
    seen: set[str] = set()
    twice: list[str] = []

    def bind(name: str | None) -> None:
        if name is not None:
            if name in seen:
                twice.append(name)
            seen.add(name)

    def visit(current: ir.Node) -> None:
        if isinstance(current, ir.Lambda):
            bind(current.parameter_name)
        elif isinstance(current, ir.Block):
            for name, _ in current.locals:
                bind(name)
        for child in current.children():
            visit(child)

    visit(node)
    return twice
