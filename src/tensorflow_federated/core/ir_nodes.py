"""What all nodes of a program have in common."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import NoReturn

from tensorflow_federated.core import arguments, errors, ir_printing, type_printing
from tensorflow_federated.core.types import Type


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One node of a program; nodes are compared by identity, and by `content_hash` for content."""

    @property
    def type_signature(self) -> Type:
        """The type of the value that this node stands for."""
        raise AssertionError(f"{type(self).__name__} has no type.")

    @property
    def proto(self) -> NoReturn:
        """Is no more: raises the error that names what to write instead."""
        raise errors.RemovedNameError(
            "programs are not kept as protocol buffers.",
            fix="write `tff.framework.serialize_computation(computation)`.",
        )

    @classmethod
    def from_proto(cls, computation_proto: object) -> NoReturn:
        """Is no more: raises the error that names what to write instead."""
        raise errors.RemovedNameError(
            "programs are not kept as protocol buffers.",
            problems=[f"computation_proto: got {errors.describe_object(computation_proto)}"],
            fix="write `tff.framework.deserialize_computation(serialized)`.",
        )

    def children(self) -> Iterator[Node]:
        """The nodes directly below this one, in order of evaluation."""
        return iter(())

    def with_children(self, children: Sequence[Node]) -> Node:
        """The same node with other children, given in the order of `children()`."""
        if children:
            raise ValueError(f"{type(self).__name__} has no children, got {len(children)}.")
        return self

    def _layout(self) -> type_printing.Layout:
        """How the program prints."""
        raise AssertionError(f"{type(self).__name__} does not say how it prints.")

    def _drawing(self) -> ir_printing.Drawing:
        """The program as a tree: one label for each node."""
        raise AssertionError(f"{type(self).__name__} does not say how it is drawn.")

    @staticmethod
    def _layouts(nodes: Sequence[tuple[str | None, Node]]) -> list[type_printing.Layout]:
        return [[f"{name}=", *node._layout()] if name else node._layout() for name, node in nodes]

    @staticmethod
    def _drawn_list(nodes: Sequence[tuple[str | None, Node]]) -> ir_printing.Drawing:
        return ir_printing.listed([(name, node._drawing()) for name, node in nodes])

    def __str__(self) -> str:
        return self.compact_representation()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self}: {self.type_signature})"

    def compact_representation(self) -> str:
        """The program in the notation of TFF, on one line."""
        return type_printing.compact(self._layout())

    def formatted_representation(self) -> str:
        """The program in the notation of TFF, one line for each local name and element."""
        return type_printing.formatted(self._layout())

    def structural_representation(self) -> str:
        """The program drawn as a tree, the root at the top."""
        return ir_printing.drawn(self._drawing())

    @functools.cached_property
    def content_hash(self) -> str:
        """A digest of what this node computes: equal for equal programs with equal names."""
        digest = hashlib.sha256(type(self).__name__.encode())
        digest.update(str(self.type_signature).encode())
        digest.update(self._own_content().encode())
        for child in self.children():
            digest.update(child.content_hash.encode())
        return digest.hexdigest()

    def _own_content(self) -> str:
        return ""


def check_node(label: str, value: object) -> None:
    """Raises an `ArgumentError` if a part of a node is no node."""
    arguments.check_instance(
        label,
        value,
        Node,
        "a program is built from programs: references, calls, structures and so on.",
        fix="take `.to_building_block()` of a computation.",
    )


def check_name(label: str, value: object) -> None:
    """Raises an `ArgumentError` if a name is no string."""
    arguments.check_instance(label, value, str, "a name in a program is a string.")
