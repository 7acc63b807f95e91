"""Says where and when each part of a program is worked out.

The times of a program alternate: server stage 0, client stage 0, server stage 1, and so on. An
*item* is a named piece of local work; each is first placed as early as its inputs allow, which
gives the smallest number of stages, and is then moved as late as its uses allow, so that little
has to be kept from one stage to another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.types import Type


@dataclasses.dataclass(frozen=True)
class Home:
    """A time and place: a stage of the clients or of the server."""

    at_clients: bool
    stage: int


@dataclasses.dataclass
class Item:
    """A piece of local work, whose result has a name.

    Attributes:
      name: the name of the result.
      node: the work, on the names of other items and of the program's inputs.
      home: when and where it is done.
      is_output: whether the result is a result of the program.
    """

    name: str
    node: ir.Node
    home: Home
    is_output: bool = False


@dataclasses.dataclass
class Aggregation:
    """An aggregate, and the client value that goes into it.

    Attributes:
      aggregate: what the plan says of it.
      value: the value of one client, on the names of items and inputs.
      stage: the client stage.
    """

    aggregate: plan.Aggregate
    value: ir.Node
    stage: int


class Schedule:
    """The items and aggregations of a program, with the homes of all names."""

    def __init__(self) -> None:
        """Starts empty."""
        self.items: list[Item] = []
        self.aggregations: list[Aggregation] = []
        self.types: dict[str, Type] = {}
        self._homes: dict[str, Home] = {}
        self._items: dict[str, Item] = {}

    def add_input(self, name: str, type_signature: Type, home: Home) -> ir.Reference:
        """Adds a value that is there without work: a part of the argument, or an aggregate."""
        self.types[name] = type_signature
        self._homes[name] = home
        return ir.Reference(name, type_signature)

    def add_item(self, item: Item) -> ir.Reference:
        """Adds a piece of work."""
        self.items.append(item)
        self._items[item.name] = item
        return self.add_input(item.name, item.node.type_signature, item.home)

    def mark_output(self, name: str) -> None:
        """Makes an item a result of the program; an input is one without being marked."""
        if name in self._items:
            self._items[name].is_output = True

    def home(self, name: str) -> Home:
        """Where and when a name has its value."""
        return self._homes[name]

    def is_known(self, name: str) -> bool:
        """Whether this is the name of an item or of an input."""
        return name in self._homes

    def used_names(self, node: ir.Node) -> list[str]:
        """The names of items and inputs that a node needs, sorted."""
        return sorted(name for name in traversal.free_names(node) if name in self._homes)

    def earliest_stage(self, *nodes: ir.Node) -> int:
        """The first stage at which all that these nodes need is there."""
        names = [name for node in nodes for name in self.used_names(node)]
        return max((self._homes[name].stage for name in names), default=0)

    def move_late(self) -> None:
        """Moves each item to the stage of its first use."""
        first_use: dict[str, int] = {}

        def use(names: Iterable[str], stage: int) -> None:
            for name in names:
                first_use[name] = min(stage, first_use.get(name, stage))

        for aggregation in self.aggregations:
            use(self.used_names(aggregation.value), aggregation.stage)
            if aggregation.aggregate.zero is not None:
                use([aggregation.aggregate.zero], aggregation.stage)
        idle: list[Item] = []
        for item in reversed(self.items):
            if item.name in first_use:
                # An output of the clients stays where it is: it is kept in any case.
                if not (item.is_output and item.home.at_clients):
                    self._move(item, first_use[item.name])
            elif not item.home.at_clients:
                idle.append(item)
                continue
            use(self.used_names(item.node), item.home.stage)
        self._place_idle(idle)

    def _place_idle(self, idle: list[Item]) -> None:
        """Puts server work that only the results need into the last server stage."""
        stages = [item.home.stage for item in self.items if not item.home.at_clients]
        last = max([*stages, *self._stages_of_parts()], default=0)
        for item in idle:
            self._move(item, last)

    def _stages_of_parts(self) -> Iterable[int]:
        """The stages whose clients are sent parts of server values, which the server selects."""
        for item in self.items:
            if item.home.at_clients and self.server_parts(item.node):
                yield item.home.stage
        for aggregation in self.aggregations:
            if self.server_parts(aggregation.value):
                yield aggregation.stage

    def server_parts(self, node: ir.Node) -> list[ir.Selection]:
        """The selections from server values in a node, the longest ones only."""
        found: list[ir.Selection] = []
        waiting = [node]
        seen: set[int] = set()
        while waiting:
            current = waiting.pop()
            if id(current) in seen:
                continue
            seen.add(id(current))
            root = root_name(current)
            if root is not None and isinstance(current, ir.Selection):
                if self.is_known(root) and not self.home(root).at_clients:
                    found.append(current)
            else:
                waiting.extend(reversed(list(current.children())))
        return found

    def _move(self, item: Item, stage: int) -> None:
        item.home = Home(item.home.at_clients, stage)
        self._homes[item.name] = item.home


def root_name(node: ir.Node) -> str | None:
    """The name that a node selects from, or is; None if it is anything else."""
    while isinstance(node, ir.Selection):
        node = node.source
    return node.name if isinstance(node, ir.Reference) else None


def selection_path(node: ir.Node) -> tuple[str, tuple[int, ...]]:
    """The name that a node selects from, and the positions on the way."""
    path: list[int] = []
    while isinstance(node, ir.Selection):
        path.append(node.index)
        node = node.source
    assert isinstance(node, ir.Reference)
    return node.name, tuple(reversed(path))
