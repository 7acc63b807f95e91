"""Whether the second import name, `federated_language`, is the one of this package.

PyPI has a distribution of that name too. Both write their files to the same place: the one that was
installed last is found, or a mixture of both.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings

_OTHER = "federated-language"
_IMPORT_NAME = "federated_language"
# A folder that the other package has and this one has not.
_ONLY_IN_OTHER = "proto"


def warn_if_shadowed() -> None:
    """Warns once if `import federated_language` finds files that are not of this package."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    spec = importlib.util.find_spec(_IMPORT_NAME)
    if spec is None or spec.origin is None:
        return
    found = os.path.dirname(os.path.abspath(spec.origin))
    is_elsewhere = os.path.dirname(found) != own
    if is_elsewhere or os.path.isdir(os.path.join(found, _ONLY_IN_OTHER)):
        _warn()


def warn_if_installed() -> None:
    """Warns once if the other distribution is installed, wherever its files are."""
    # Loading this takes as long as the rest of a small import, so it is loaded here.
    import importlib.metadata

    try:
        importlib.metadata.version(_OTHER)
    except importlib.metadata.PackageNotFoundError:
        return
    _warn()


@functools.cache
def _warn() -> None:
    warnings.warn(
        f"the distribution `{_OTHER}` is installed next to `tff-ng`, and both have the import name "
        f"`{_IMPORT_NAME}`; objects of one cannot be used with the other. Write `pip uninstall "
        f"{_OTHER}`, and then `pip install --force-reinstall --no-deps tff-ng`.",
        RuntimeWarning,
        stacklevel=4,
    )
