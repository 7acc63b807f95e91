"""`tff.program`: what federated programs are written with.

A federated program is Python that calls computations round after round. Here is what it stands on:
data sources that select the clients of a round, contexts in which a call gives references instead
of waiting, managers that save the state of the program, and managers that release its results.
"""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.program.client_id_data_sources import (
    ClientIdDataSource,
    ClientIdDataSourceIterator,
)
from tensorflow_federated.program.data_sources import (
    FederatedDataSource,
    FederatedDataSourceIterator,
)
from tensorflow_federated.program.dataset_data_sources import (
    DatasetDataSource,
    DatasetDataSourceIterator,
)
from tensorflow_federated.program.errors import (
    NotFilterableError,
    ProgramStateExistsError,
    ProgramStateNotFoundError,
)
from tensorflow_federated.program.federated_contexts import (
    FederatedContext,
    check_in_federated_context,
    contains_only_server_placed_data,
)
from tensorflow_federated.program.filtering import FilteringReleaseManager
from tensorflow_federated.program.kept_releases import (
    LoggingReleaseManager,
    MemoryReleaseManager,
)
from tensorflow_federated.program.native import NativeFederatedContext, NativeValueReference
from tensorflow_federated.program.program_state_managers import (
    MemoryProgramStateManager,
    ProgramStateManager,
    ProgramStateStructure,
    ProgramStateValue,
)
from tensorflow_federated.program.release_managers import (
    DelayedReleaseManager,
    GroupingReleaseManager,
    PeriodicReleaseManager,
    ReleasableStructure,
    ReleasableValue,
    ReleaseManager,
)
from tensorflow_federated.program.value_references import (
    MaterializableStructure,
    MaterializableTypeSignature,
    MaterializableValue,
    MaterializableValueReference,
    MaterializedStructure,
    MaterializedValue,
    materialize_value,
)

__all__ = [
    "ClientIdDataSource",
    "ClientIdDataSourceIterator",
    "DatasetDataSource",
    "DatasetDataSourceIterator",
    "DelayedReleaseManager",
    "FederatedContext",
    "FederatedDataSource",
    "FederatedDataSourceIterator",
    "FilteringReleaseManager",
    "GroupingReleaseManager",
    "LoggingReleaseManager",
    "MaterializableStructure",
    "MaterializableTypeSignature",
    "MaterializableValue",
    "MaterializableValueReference",
    "MaterializedStructure",
    "MaterializedValue",
    "MemoryProgramStateManager",
    "MemoryReleaseManager",
    "NativeFederatedContext",
    "NativeValueReference",
    "NotFilterableError",
    "PeriodicReleaseManager",
    "ProgramStateExistsError",
    "ProgramStateManager",
    "ProgramStateNotFoundError",
    "ProgramStateStructure",
    "ProgramStateValue",
    "ReleasableStructure",
    "ReleasableValue",
    "ReleaseManager",
    "check_in_federated_context",
    "contains_only_server_placed_data",
    "materialize_value",
]

_RELEASE = (
    "take `tff.program.MemoryReleaseManager()`, and write its `values()` where you want them; or "
    "write a subclass of `tff.program.ReleaseManager`."
)

_REMOVED = {
    "CSVFileReleaseManager": _RELEASE,
    "CSVKeyFieldnameNotFoundError": _RELEASE,
    "CSVSaveMode": _RELEASE,
    "FileProgramStateManager": "take `tff.program.MemoryProgramStateManager()`; or write a "
    "subclass of `tff.program.ProgramStateManager`.",
    "SavedModelFileReleaseManager": _RELEASE,
    "TensorBoardReleaseManager": _RELEASE,
}

__getattr__, __dir__ = _namespaces.module_functions("tff.program", __all__, removed=_REMOVED)
