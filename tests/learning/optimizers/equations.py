"""The published equations of the optimizers in NumPy, in float64: each yields the next weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Gradient = Callable[[np.ndarray, int], np.ndarray]


def momentum(w, gradient: Gradient, rate, momentum=0.0, nesterov=False) -> Iterator[np.ndarray]:
    """Sutskever et al. (2013), equations 1 to 4, with the learning rate outside of v."""
    v = np.zeros_like(w)
    for t in range(100):
        g = gradient(w, t)
        v = momentum * v + g
        w = w - rate * (g + momentum * v if nesterov else v)
        yield w


def adam(w, gradient: Gradient, rate, b1=0.9, b2=0.999, epsilon=1e-7, decay=0.0):
    """Kingma and Ba (2015), end of section 2; Loshchilov and Hutter (2019), Algorithm 2."""
    m = s = np.zeros_like(w)
    for t in range(1, 100):
        g = gradient(w, t - 1)
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * g**2
        alpha = rate * np.sqrt(1 - b2**t) / (1 - b1**t)
        w = w - alpha * m / (np.sqrt(s) + epsilon) - rate * decay * w
        yield w


def yogi(w, gradient: Gradient, rate, b1=0.9, b2=0.999, epsilon=1e-3, initial=1e-6):
    """Zaheer et al. (2018), Algorithm 2, with Adam's correction."""
    m, s = np.zeros_like(w), np.full_like(w, initial)
    for t in range(1, 100):
        g = gradient(w, t - 1)
        m = b1 * m + (1 - b1) * g
        s = s - (1 - b2) * np.sign(s - g**2) * g**2
        w = w - rate * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(s) + epsilon)
        yield w


def adagrad(w, gradient: Gradient, rate, initial=0.1, epsilon=1e-7):
    """Duchi, Hazan and Singer (2011), Figure 1, with epsilon inside of the root."""
    s = np.full_like(w, initial)
    for t in range(100):
        g = gradient(w, t)
        s = s + g**2
        w = w - rate * g / np.sqrt(s + epsilon)
        yield w


def rmsprop(w, gradient: Gradient, rate, decay=0.9, epsilon=1e-7):
    """Tieleman and Hinton (2012)."""
    s = np.zeros_like(w)
    for t in range(100):
        g = gradient(w, t)
        s = decay * s + (1 - decay) * g**2
        w = w - rate * g / (np.sqrt(s) + epsilon)
        yield w


def centered_rmsprop(w, gradient: Gradient, rate, momentum, decay=0.9, epsilon=1e-7):
    """Graves (2013), equations 38 to 41."""
    n = mean = delta = np.zeros_like(w)
    for t in range(100):
        g = gradient(w, t)
        n = decay * n + (1 - decay) * g**2
        mean = decay * mean + (1 - decay) * g
        delta = momentum * delta - rate * g / np.sqrt(n - mean**2 + epsilon)
        w = w + delta
        yield w


def adafactor(w, gradient: Gradient, rate, e1=1e-30, e2=1e-3, clip=1.0):
    """Shazeer and Stern (2018), Algorithms 4 and 5 for vectors and matrices."""
    rms = lambda x: np.sqrt(np.mean(x**2))  # noqa: E731
    r, c, v = 0.0, 0.0, 0.0
    for t in range(1, 100):
        g, b = gradient(w, t - 1), 1 - t**-0.8
        q = g**2 + e1
        if w.ndim < 2:
            v = b * v + (1 - b) * q
        else:
            r = b * r + (1 - b) * q.sum(-1)
            c = b * c + (1 - b) * q.sum(-2)
            v = r[..., :, None] * c[..., None, :] / r.sum(-1)[..., None, None]
        u = g / np.sqrt(v)
        u = u / max(1.0, rms(u) / clip)
        w = w - max(e2, rms(w)) * min(rate, 1 / np.sqrt(t)) * u
        yield w
