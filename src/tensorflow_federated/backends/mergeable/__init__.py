"""Execution in subrounds: parts of the cohort, whose results are merged."""

from __future__ import annotations

from tensorflow_federated.backends.mergeable.compilation import compile_to_mergeable_comp_form
from tensorflow_federated.backends.mergeable.context import (
    MergeableCompExecutionContext,
    create_mergeable_comp_execution_context,
    set_mergeable_comp_execution_context,
)
from tensorflow_federated.backends.mergeable.form import MergeableCompForm

__all__ = [
    "MergeableCompExecutionContext",
    "MergeableCompForm",
    "compile_to_mergeable_comp_form",
    "create_mergeable_comp_execution_context",
    "set_mergeable_comp_execution_context",
]
