"""The nodes of a program that have no nodes below them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from tensorflow_federated.core import (
    arguments,
    errors,
    intrinsic_defs,
    ir_nodes,
    ir_printing,
    literals,
    placements,
    type_printing,
)
from tensorflow_federated.core.ir_nodes import Node
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import (
    FunctionType,
    PlacementType,
    TensorType,
    Type,
    to_type,
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reference(Node):
    """A name bound by an enclosing lambda or block.

    Examples:
      >>> import numpy as np
      >>> print(Reference("x", np.int32).type_signature)
      int32
    """

    name: str
    type: Type
    context: object

    def __init__(self, name: str, type_spec: object, context: object = None) -> None:
        """Refers to a name.

        Args:
          name: the name.
          type_spec: the type of what it is bound to, or what `tff.to_type` makes it of.
          context: anything that tells where the name is bound; kept, and not looked at.

        Raises:
          ArgumentError: if the name is no string.
        """
        ir_nodes.check_name("name", name)
        vars(self).update(name=name, type=to_type(type_spec), context=context)

    @property
    def type_signature(self) -> Type:
        return self.type

    def _own_content(self) -> str:
        return self.name

    def _layout(self) -> type_printing.Layout:
        return [self.name]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.leaf(f"Ref({self.name})")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Intrinsic(Node):
    """An operation of the language itself, at one concrete type.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core.types import FederatedType
      >>> at_clients = FederatedType(np.int32, placements.CLIENTS)
      >>> at_server = FederatedType(np.int32, placements.SERVER)
      >>> print(Intrinsic("federated_sum", FunctionType(at_clients, at_server)))
      federated_sum
    """

    uri: str
    type: FunctionType

    def __init__(self, uri: str, type_signature: FunctionType) -> None:
        """Names an operation.

        Args:
          uri: its name, such as `federated_sum`.
          type_signature: its type here.

        Raises:
          ArgumentError: if there is no such operation, or the type is none of a function.
        """
        if uri not in intrinsic_defs.uris():
            nearest = errors.suggest_name(str(uri), intrinsic_defs.uris())
            raise errors.ArgumentError(
                f"there is no intrinsic {uri!r}.",
                fix=None if nearest is None else f"did you mean {nearest!r}?",
            )
        arguments.check_instance(
            "type_signature",
            type_signature,
            FunctionType,
            "the type of an intrinsic is functional.",
        )
        vars(self).update(uri=uri, type=type_signature)

    @property
    def type_signature(self) -> FunctionType:
        return self.type

    @property
    def definition(self) -> intrinsic_defs.IntrinsicDef:
        """The declaration of this intrinsic."""
        return intrinsic_defs.get(self.uri)

    def intrinsic_def(self) -> intrinsic_defs.IntrinsicDef:
        """The declaration; the same as `definition`, under the name of TFF."""
        return self.definition

    def _own_content(self) -> str:
        return self.uri

    def _layout(self) -> type_printing.Layout:
        return [self.uri]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.leaf(self.uri)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Placement(Node):
    """A placement as a value.

    Examples:
      >>> print(Placement(placements.CLIENTS).uri)
      clients
    """

    literal: placements.PlacementLiteral

    def __post_init__(self) -> None:
        arguments.check_instance(
            "literal",
            self.literal,
            placements.PlacementLiteral,
            "a placement is `tff.CLIENTS` or `tff.SERVER`.",
        )

    @property
    def uri(self) -> str:
        """The name of the placement in serialized programs."""
        return self.literal.uri

    @property
    def type_signature(self) -> Type:
        return PlacementType()

    def _own_content(self) -> str:
        return self.literal.uri

    def _layout(self) -> type_printing.Layout:
        return [str(self.literal)]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.leaf("Placement")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Literal(Node):
    """A constant tensor: a numpy scalar or array, or bytes for a string.

    Examples:
      >>> import numpy as np
      >>> Literal(1, TensorType(np.int32)).value
      np.int32(1)
    """

    value: Any
    type: TensorType

    def __init__(self, value: Any, type_signature: TensorType) -> None:
        """Makes a constant.

        Args:
          value: a Python or numpy scalar, a string, or a numpy array.
          type_signature: the type of the tensor.

        Raises:
          ArgumentError: if the type is none of a tensor.
          LiteralError: if the value is not of the type.
        """
        arguments.check_instance(
            "type_signature", type_signature, TensorType, "only tensors can be literals."
        )
        vars(self).update(value=literals.to_constant(value, type_signature), type=type_signature)

    @property
    def type_signature(self) -> Type:
        return self.type

    def _own_content(self) -> str:
        array = np.asarray(self.value)
        return hashlib.sha256(array.tobytes()).hexdigest()

    def _layout(self) -> type_printing.Layout:
        return [str(self.value)]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.leaf(f"Lit({self.value})")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Data(Node):
    """A value that lives elsewhere, named by a uri.

    Examples:
      >>> import numpy as np
      >>> print(Data("table:clients", np.int32).content)
      table:clients
    """

    uri: str
    type: Type

    def __init__(self, content: str, type_spec: object) -> None:
        """Names a value.

        Args:
          content: what names it.
          type_spec: its type, or what `tff.to_type` makes it of.

        Raises:
          ArgumentError: if the content is no string.
        """
        ir_nodes.check_name("content", content)
        vars(self).update(uri=content, type=to_type(type_spec))

    @property
    def content(self) -> str:
        """The same as `uri`, under the name of TFF."""
        return self.uri

    @property
    def type_signature(self) -> Type:
        return self.type

    def _own_content(self) -> str:
        return self.uri

    def _layout(self) -> type_printing.Layout:
        return [self.uri]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.leaf(f"Data({self.uri})")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Local(Node):
    """A local computation of a back end, as a function value.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.int32)
      >>> isinstance(double.to_building_block(), Local)
      True
    """

    computation: LocalComputation

    @property
    def name(self) -> str:
        """A short name for printing."""
        return self.computation.name

    @property
    def type_signature(self) -> FunctionType:
        return self.computation.type_signature

    def _own_content(self) -> str:
        return str(id(self.computation))

    def _layout(self) -> type_printing.Layout:
        return [f"comp#{self.computation.name}"]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.leaf(f"Compiled({self.computation.name})")
