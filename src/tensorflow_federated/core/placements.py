"""Where values of a federated program live."""

from __future__ import annotations

from typing import NoReturn

from tensorflow_federated.core import errors


class PlacementLiteral:
    """A place: all clients, or the server. Two placements are equal if their uris are.

    Attributes:
      name: The name that types print, for example `CLIENTS`.
      uri: The name in serialized programs, for example `clients`.
      default_all_equal: Whether all members of a value placed here are equal if a type does not say
        it.
      description: One sentence.

    Examples:
      >>> print(CLIENTS)
      CLIENTS
      >>> SERVER
      PlacementLiteral('server')
    """

    __slots__ = ("default_all_equal", "description", "name", "uri")

    name: str
    uri: str
    default_all_equal: bool
    description: str

    def __init__(self, name: str, uri: str, default_all_equal: bool, description: str) -> None:
        """Builds a placement; see the class for the arguments."""
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "uri", uri)
        object.__setattr__(self, "default_all_equal", default_all_equal)
        object.__setattr__(self, "description", description)

    def is_clients(self) -> bool:
        """Whether this is the placement of all clients.

        Examples:
          >>> CLIENTS.is_clients(), SERVER.is_clients()
          (True, False)
        """
        return self.uri == "clients"

    def is_server(self) -> bool:
        """Whether this is the placement of the server.

        Examples:
          >>> CLIENTS.is_server(), SERVER.is_server()
          (False, True)
        """
        return self.uri == "server"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A placement cannot be changed; `{name}` was to be set.")

    def __reduce__(self) -> tuple[object, ...]:
        return (PlacementLiteral, (self.name, self.uri, self.default_all_equal, self.description))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlacementLiteral) and self.uri == other.uri

    def __hash__(self) -> int:
        return hash((PlacementLiteral, self.uri))

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"PlacementLiteral({self.uri!r})"


CLIENTS = PlacementLiteral(
    "CLIENTS",
    "clients",
    default_all_equal=False,
    description="All clients that take part in a computation; each has its own value.",
)
SERVER = PlacementLiteral(
    "SERVER",
    "server",
    default_all_equal=True,
    description="The one server that coordinates a computation.",
)

_BY_URI = {placement.uri: placement for placement in (CLIENTS, SERVER)}


def uri_to_placement_literal(uri: str) -> PlacementLiteral:
    """Returns the placement of a uri.

    Args:
      uri: `clients` or `server`.

    Returns:
      The placement.

    Raises:
      PlacementError: If there is no such placement.

    Examples:
      >>> uri_to_placement_literal("clients") is CLIENTS
      True
    """
    placement = _BY_URI.get(uri)
    if placement is None:
        raise errors.PlacementError(
            f"There is no placement with the uri {uri!r}.",
            fix="use one of " + ", ".join(repr(known) for known in _BY_URI) + ".",
        )
    return placement
