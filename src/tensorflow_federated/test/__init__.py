"""`tff.test`: what tests of federated programs assert, and the contexts they run in."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.test.aggregations import (
    assert_contains_secure_aggregation,
    assert_contains_unsecure_aggregation,
    assert_not_contains_secure_aggregation,
    assert_not_contains_unsecure_aggregation,
)
from tensorflow_federated.test.cases import TestCase, main
from tensorflow_federated.test.contexts import (
    create_runtime_error_context,
    set_no_default_context,
    with_context,
    with_contexts,
)
from tensorflow_federated.test.types import (
    assert_type_assignable_from,
    assert_types_equivalent,
    assert_types_identical,
)

__all__ = [
    "TestCase",
    "assert_contains_secure_aggregation",
    "assert_contains_unsecure_aggregation",
    "assert_not_contains_secure_aggregation",
    "assert_not_contains_unsecure_aggregation",
    "assert_type_assignable_from",
    "assert_types_equivalent",
    "assert_types_identical",
    "create_runtime_error_context",
    "main",
    "set_no_default_context",
    "with_context",
    "with_contexts",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.test", __all__)
