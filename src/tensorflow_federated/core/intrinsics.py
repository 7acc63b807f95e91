"""The operators of the federated language, as functions on values."""

from __future__ import annotations

from tensorflow_federated.core.aggregation_intrinsics import (
    federated_aggregate as federated_aggregate,
)
from tensorflow_federated.core.aggregation_intrinsics import federated_collect as federated_collect
from tensorflow_federated.core.aggregation_intrinsics import federated_max as federated_max
from tensorflow_federated.core.aggregation_intrinsics import federated_mean as federated_mean
from tensorflow_federated.core.aggregation_intrinsics import federated_min as federated_min
from tensorflow_federated.core.aggregation_intrinsics import federated_reduce as federated_reduce
from tensorflow_federated.core.aggregation_intrinsics import federated_sum as federated_sum
from tensorflow_federated.core.placement_intrinsics import federated_apply as federated_apply
from tensorflow_federated.core.placement_intrinsics import (
    federated_broadcast as federated_broadcast,
)
from tensorflow_federated.core.placement_intrinsics import federated_eval as federated_eval
from tensorflow_federated.core.placement_intrinsics import federated_map as federated_map
from tensorflow_federated.core.placement_intrinsics import (
    federated_map_all_equal as federated_map_all_equal,
)
from tensorflow_federated.core.placement_intrinsics import federated_value as federated_value
from tensorflow_federated.core.placement_intrinsics import federated_zip as federated_zip
from tensorflow_federated.core.secure_intrinsics import (
    federated_secure_modular_sum as federated_secure_modular_sum,
)
from tensorflow_federated.core.secure_intrinsics import federated_secure_sum as federated_secure_sum
from tensorflow_federated.core.secure_intrinsics import (
    federated_secure_sum_bitwidth as federated_secure_sum_bitwidth,
)
from tensorflow_federated.core.selection_intrinsics import (
    federated_secure_select as federated_secure_select,
)
from tensorflow_federated.core.selection_intrinsics import federated_select as federated_select
