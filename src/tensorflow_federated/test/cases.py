"""The base class of test cases, and how a file of them runs, under the names of older versions."""

from __future__ import annotations

import unittest

from tensorflow_federated.core import errors
from tensorflow_federated.core.types import Type
from tensorflow_federated.test import types


class TestCase(unittest.TestCase):
    """A `unittest.TestCase` with the assertions about types as methods.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> TestCase().assert_types_identical(tff.TensorType(np.int32), tff.TensorType(np.int32))
    """

    # What pytest would take for tests of its own where this class is imported by its name.
    __test__ = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__test__ = True

    @errors.boundary
    def assert_type_assignable_from(self, target_type: Type, source_type: Type) -> None:
        """See `tff.test.assert_type_assignable_from`."""
        types.assert_type_assignable_from(target_type, source_type)

    @errors.boundary
    def assert_types_equivalent(self, first_type: Type, second_type: Type) -> None:
        """See `tff.test.assert_types_equivalent`."""
        types.assert_types_equivalent(first_type, second_type)

    @errors.boundary
    def assert_types_identical(self, first_type: Type, second_type: Type) -> None:
        """See `tff.test.assert_types_identical`."""
        types.assert_types_identical(first_type, second_type)


def main() -> None:
    """Runs the test cases of the file that is run, as `unittest.main` does.

    Examples:
      >>> import tensorflow_federated as tff
      >>> callable(tff.test.main)
      True
    """
    unittest.main()
