"""Keras on given values in place of those of its variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def stateless_scope(mapping: Sequence[tuple[keras.Variable, Any]]) -> Any:
    """A scope in which Keras variables have given values; notes which of them are assigned."""
    import keras

    class RecordingScope(keras.StatelessScope):
        def __init__(self) -> None:
            super().__init__(mapping, collect_losses=True)
            self.updated: list[keras.Variable] = []

        def add_update(self, update: tuple[keras.Variable, Any]) -> None:
            self.updated.append(update[0])
            super().add_update(update)

    return RecordingScope()
