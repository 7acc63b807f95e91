"""Every exception of the package, and the one place where their messages are built.

A message has four parts, in this order: what went wrong (all problems at once), the signature that
was broken, the user's own line, and what to write instead::

    PlacementError: `federated_mean` cannot be applied to this argument.
      argument[1]: expected {U}@CLIENTS, got float32@SERVER
      signature:   (<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)
      where:       train.py:12 in `next_fn`
      fix:         place the weights at CLIENTS, one per client.

There is one class per broken law. Each is also a subclass of the built-in exception that TFF raised
there, so that `except TypeError` in an existing program keeps working.
"""

from tensorflow_federated.core.errors.aggregation import (
    AggregatorError as AggregatorError,
)
from tensorflow_federated.core.errors.aggregation import (
    BoundsDifferentSignaturesError as BoundsDifferentSignaturesError,
)
from tensorflow_federated.core.errors.aggregation import (
    BoundsDifferentTypesError as BoundsDifferentTypesError,
)
from tensorflow_federated.core.errors.aggregation import (
    BoundsNotPlacedAtServerError as BoundsNotPlacedAtServerError,
)
from tensorflow_federated.core.errors.aggregation import (
    ScalarBoundSimpleValueDTypeError as ScalarBoundSimpleValueDTypeError,
)
from tensorflow_federated.core.errors.aggregation import (
    ScalarBoundStructValueDTypeError as ScalarBoundStructValueDTypeError,
)
from tensorflow_federated.core.errors.aggregation import (
    StructuredBoundsTypeMismatchError as StructuredBoundsTypeMismatchError,
)
from tensorflow_federated.core.errors.aggregation import (
    UnsupportedDTypeError as UnsupportedDTypeError,
)
from tensorflow_federated.core.errors.boundaries import (
    boundary as boundary,
)
from tensorflow_federated.core.errors.boundaries import (
    hide_internal_frames as hide_internal_frames,
)
from tensorflow_federated.core.errors.calls import (
    BackendError as BackendError,
)
from tensorflow_federated.core.errors.calls import (
    CardinalityError as CardinalityError,
)
from tensorflow_federated.core.errors.calls import (
    ClientError as ClientError,
)
from tensorflow_federated.core.errors.calls import (
    ClientFormError as ClientFormError,
)
from tensorflow_federated.core.errors.calls import (
    ComputationError as ComputationError,
)
from tensorflow_federated.core.errors.calls import (
    ContextError as ContextError,
)
from tensorflow_federated.core.errors.calls import (
    InvalidNonAllEqualValueError as InvalidNonAllEqualValueError,
)
from tensorflow_federated.core.errors.calls import (
    NonFiniteError as NonFiniteError,
)
from tensorflow_federated.core.errors.calls import (
    SecureSumError as SecureSumError,
)
from tensorflow_federated.core.errors.calls import (
    SelectionKeyError as SelectionKeyError,
)
from tensorflow_federated.core.errors.calls import (
    WorkerError as WorkerError,
)
from tensorflow_federated.core.errors.descriptions import (
    describe_object as describe_object,
)
from tensorflow_federated.core.errors.descriptions import (
    returned_nothing as returned_nothing,
)
from tensorflow_federated.core.errors.descriptions import (
    signature_without_result as signature_without_result,
)
from tensorflow_federated.core.errors.learning import (
    CallableNotTensorFlowFunctionError as CallableNotTensorFlowFunctionError,
)
from tensorflow_federated.core.errors.learning import (
    DatasetError as DatasetError,
)
from tensorflow_federated.core.errors.learning import (
    DownloadError as DownloadError,
)
from tensorflow_federated.core.errors.learning import (
    KerasFunctionalModelError as KerasFunctionalModelError,
)
from tensorflow_federated.core.errors.learning import (
    ModelError as ModelError,
)
from tensorflow_federated.core.errors.learning import (
    ModelValueError as ModelValueError,
)
from tensorflow_federated.core.errors.learning import (
    OptimizerError as OptimizerError,
)
from tensorflow_federated.core.errors.learning import (
    SavedFileError as SavedFileError,
)
from tensorflow_federated.core.errors.learning import (
    ValueMustNotBeTFError as ValueMustNotBeTFError,
)
from tensorflow_federated.core.errors.names import (
    MissingExtraError as MissingExtraError,
)
from tensorflow_federated.core.errors.names import (
    RemovedNameError as RemovedNameError,
)
from tensorflow_federated.core.errors.names import (
    missing_extra as missing_extra,
)
from tensorflow_federated.core.errors.names import (
    suggest_name as suggest_name,
)
from tensorflow_federated.core.errors.names import (
    unknown_name as unknown_name,
)
from tensorflow_federated.core.errors.programs import (
    ArgumentError as ArgumentError,
)
from tensorflow_federated.core.errors.programs import (
    CommunicationError as CommunicationError,
)
from tensorflow_federated.core.errors.programs import (
    ComputationReturnedNoneError as ComputationReturnedNoneError,
)
from tensorflow_federated.core.errors.programs import (
    MeanIncompatibleError as MeanIncompatibleError,
)
from tensorflow_federated.core.errors.programs import (
    NestingError as NestingError,
)
from tensorflow_federated.core.errors.programs import (
    OrderIncompatibleError as OrderIncompatibleError,
)
from tensorflow_federated.core.errors.programs import (
    PlacementError as PlacementError,
)
from tensorflow_federated.core.errors.programs import (
    PrivacyError as PrivacyError,
)
from tensorflow_federated.core.errors.programs import (
    SumIncompatibleError as SumIncompatibleError,
)
from tensorflow_federated.core.errors.programs import (
    TracedValueError as TracedValueError,
)
from tensorflow_federated.core.errors.programs import (
    TracingError as TracingError,
)
from tensorflow_federated.core.errors.programs import (
    UnexpectedBlockError as UnexpectedBlockError,
)
from tensorflow_federated.core.errors.programs import (
    UnsupportedGraphResultError as UnsupportedGraphResultError,
)
from tensorflow_federated.core.errors.programs import (
    UntypedObjectError as UntypedObjectError,
)
from tensorflow_federated.core.errors.programs import (
    UntypedResultError as UntypedResultError,
)
from tensorflow_federated.core.errors.programs import (
    WireError as WireError,
)
from tensorflow_federated.core.errors.root import (
    FederatedError as FederatedError,
)
from tensorflow_federated.core.errors.types import (
    DTypeError as DTypeError,
)
from tensorflow_federated.core.errors.types import (
    ElementIndexError as ElementIndexError,
)
from tensorflow_federated.core.errors.types import (
    ElementKeyError as ElementKeyError,
)
from tensorflow_federated.core.errors.types import (
    ElementNameError as ElementNameError,
)
from tensorflow_federated.core.errors.types import (
    LiteralError as LiteralError,
)
from tensorflow_federated.core.errors.types import (
    StructureError as StructureError,
)
from tensorflow_federated.core.errors.types import (
    ToTypeError as ToTypeError,
)
from tensorflow_federated.core.errors.types import (
    TypeMismatchError as TypeMismatchError,
)
from tensorflow_federated.core.errors.types import (
    TypeNotAssignableError as TypeNotAssignableError,
)
from tensorflow_federated.core.errors.types import (
    TypesNotEquivalentError as TypesNotEquivalentError,
)
from tensorflow_federated.core.errors.types import (
    TypesNotIdenticalError as TypesNotIdenticalError,
)
from tensorflow_federated.core.errors.types import (
    UnexpectedTypeError as UnexpectedTypeError,
)
