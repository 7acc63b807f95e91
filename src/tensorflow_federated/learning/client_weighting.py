"""How much each client counts in an average."""

from __future__ import annotations

import enum


class ClientWeighting(enum.Enum):
    """The weight of a client in the average of the clients' model deltas (initial - final).

    A client whose model delta is not finite has the weight 0, whichever is chosen.

    Examples:
      >>> ClientWeighting.NUM_EXAMPLES.name
      'NUM_EXAMPLES'
    """

    UNIFORM = 1
    """Every client has the weight 1."""

    NUM_EXAMPLES = 2
    """A client has as weight the number of examples that it trained on."""
