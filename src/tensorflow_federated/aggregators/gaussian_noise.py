"""Gaussian noise from a key, the same in every framework.

The bits are those of Philox4x32-10, a generator that counts: block ``c`` of key ``k`` depends on
``c`` and ``k`` alone. A block gives 53 bits, which become one normal number by the inverse of the
distribution function.

Sources: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), with its
constants and its test vectors. M. J. Wichura, "Algorithm AS 241: the percentage points of the
normal distribution" (Applied Statistics 37, 1988), routine PPND16, relative accuracy 1e-16.

The numbers are floating: they lie on a grid of 2**-53 in probability, and reach to 8.2 standard
deviations. Against an adversary who reads the lowest bits of a released sum the Gaussian mechanism
of real numbers promises more than they keep (I. Mironov, "On significance of the least significant
bits for differential privacy", CCS 2012).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorflow_federated.core import portable

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


class NoiseSource:
    """Draws arrays of normal numbers, each from other blocks of one key.

    Examples:
      >>> import numpy as np
      >>> source = NoiseSource(np.int64([1, 2]))
      >>> drawn = source.normal([1000])
      >>> bool(abs(drawn.mean()) < 0.1 and abs(drawn.std() - 1.0) < 0.1)
      True
      >>> bool((drawn == NoiseSource(np.int64([1, 2])).normal([1000])).all())
      True
    """

    def __init__(self, key: portable.Array) -> None:
        """Starts at the first block.

        Args:
          key: int64[2].
        """
        self._xp = portable.namespace_of(key)
        self._words = words_of(key)
        self._stream = 0

    def normal(self, shape: tuple[int, ...] | list[int]) -> portable.Array:
        """Draws float64 numbers of mean 0 and variance 1, independent of all drawn before."""
        xp = self._xp
        low, high, third, fourth = self._words
        counters = (
            _positions(shape),
            np.full((), self._stream, np.int64),
            xp.reshape(third, [1] * len(shape)),
            xp.reshape(fourth, [1] * len(shape)),
        )
        self._stream += 1
        first, second, _, _ = philox(counters, (low, high))
        # 53 bits, and half a step, so that neither 0 nor 1 is met.
        bits = first * 2**21 + second // 2**11
        uniform = (xp.cast(bits, np.float64) + 0.5) * 2.0**-53
        return xp.reshape(inverse_normal(uniform), shape)

    def like(self, x: portable.Array, stddev: portable.Array) -> portable.Array:
        """Draws noise of the shape and dtype of `x`, and of a standard deviation, one number."""
        xp = self._xp
        shape = [int(size or 0) for size in xp.shape_of(x)]
        noise = self.normal(shape) * xp.cast(stddev, np.float64)
        return xp.cast(noise, xp.dtype_of(x))


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10 on words of 32 bits that are held in int64 arrays.

    Args:
      counter: four arrays of words, which broadcast together.
      key: two arrays of one word.

    Returns:
      Four arrays of words.

    Examples:
      >>> import numpy as np
      >>> zero = np.int64(0)
      >>> [f"{int(word):08x}" for word in philox((zero,) * 4, (zero, zero))]
      ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high0, low0 = _product(c0, _MULTIPLIERS[0])
        high1, low1 = _product(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + _KEY_STEPS[0]) & _WORD, (k1 + _KEY_STEPS[1]) & _WORD
    return c0, c1, c2, c3


def _product(word: Any, multiplier: int) -> tuple[Any, Any]:
    """The upper and the lower word of a product, of which no part is larger than 63 bits."""
    low = (multiplier & 0xFFFF) * word
    high = (multiplier >> 16) * word + low // 2**16
    return high // 2**16, ((high & 0xFFFF) * 2**16) | (low & 0xFFFF)


def words_of(key: portable.Array) -> tuple[Any, Any, Any, Any]:
    """The four words of 32 bits of a key, int64[2]: two of it are for the key of Philox."""
    xp = portable.namespace_of(key)
    first, second = (xp.sum(key * np.array(mask, np.int64)) for mask in ([1, 0], [0, 1]))
    return (
        first & _WORD,
        (first // 2**32) & _WORD,
        second & _WORD,
        (second // 2**32) & _WORD,
    )


def _positions(shape: tuple[int, ...] | list[int]) -> np.ndarray:
    """The number of each element of an array."""
    return np.arange(math.prod(shape), dtype=np.int64).reshape(tuple(shape))


_CENTRAL = (
    (
        2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
        4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
        1.3314166789178437745e2, 3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
        2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
        4.2313330701600911252e1, 1.0,
    ),
)  # fmt: skip
_MIDDLE = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
        1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
        4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
        1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
        2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
_TAIL = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
        2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
        5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
        7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
        5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip


def inverse_normal(uniform: portable.Array) -> portable.Array:
    """The number below which a standard normal number lies with a probability.

    Args:
      uniform: the probabilities, float64, above 0 and below 1.

    Returns:
      float64, of the same shape.

    Examples:
      >>> import numpy as np
      >>> [round(float(x), 12) for x in inverse_normal(np.array([0.5, 0.975, 1e-20]))]
      [0.0, 1.95996398454, -9.262340089798]
    """
    xp = portable.namespace_of(uniform)
    centred = uniform - 0.5
    is_central = xp.abs(centred) <= 0.425
    squared = 0.180625 - xp.square(xp.where(is_central, centred, xp.zeros_like(centred)))
    central = centred * _ratio(_CENTRAL, squared)
    tail = xp.minimum(uniform, 1.0 - uniform)
    root = xp.sqrt(-xp.log(tail))
    is_middle = root <= 5.0
    outer = xp.where(is_middle, _ratio(_MIDDLE, root - 1.6), _ratio(_TAIL, root - 5.0))
    return xp.where(is_central, central, xp.sign(centred) * outer)


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    above, below = (_polynomial(each, x) for each in coefficients)
    return above / below


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    value = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * x + coefficient
    return value
