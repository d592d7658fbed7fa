"""Contrast medium on its way through made-up coronary arteries."""

import math
from dataclasses import dataclass

import numpy as np

from phantoms.vessels import Array, fall

FINE = 100  # steps a second in which the concentration is worked out
SPREAD = 0.002  # seconds by which a bolus spreads over each mm of its way


@dataclass(frozen=True)
class Bolus:
    """One injection, seconds from the first frame on.

    Args:
        start, length: of the injection [s].
        ramp: how fast it begins and ends [s].
        speed: of the blood in the arteries [mm/s].
        beat: of the heart, from one to the next [s]; ``surge``: share by which the medium is
            thinner where blood flows fast.
        strength: concentration at the mouth, 1 is all medium.
    """

    start: float
    length: float
    ramp: float
    speed: float
    beat: float
    surge: float
    strength: float

    @property
    def end(self) -> float:
        """When the last of it has left an artery of usual length, almost."""
        return self.start + self.length + 150 / self.speed + 0.6

    def at_mouth(self, times: Array) -> Array:
        """(T,) concentration where the arteries begin, at ``times`` in seconds."""
        rise = fall((self.start - times) / self.ramp)
        drop = fall((times - self.start - self.length) / (1.6 * self.ramp))
        waves = 1 + self.surge * np.sin(math.tau * times / self.beat)
        return np.asarray(self.strength * rise * drop * waves)

    def within(self, ways: Array, times: Array) -> Array:
        """(P, T) concentration at the distances ``ways``, (P,) mm from the mouth, at ``times``.

        It comes later the longer its way is, and is spread by it: a well-mixed part of the artery
        answers a step with an exponential.
        """
        steps = np.arange(-1.0, times.max() + 1 / FINE, 1 / FINE)
        mouth = self.at_mouth(steps)
        rows = []
        for way in ways:
            late = np.interp(steps - way / self.speed, steps, mouth, left=0.0)
            rows.append(np.interp(times, steps, _mixed(late, 0.08 + SPREAD * way)))
        return np.stack(rows)


def draw_bolus(rng: np.random.Generator) -> Bolus:
    """An injection at random, as by hand."""
    return Bolus(
        start=rng.uniform(-0.2, 1.2),
        length=rng.uniform(0.8, 2.2),
        ramp=rng.uniform(0.05, 0.12),
        speed=rng.uniform(90, 220),
        beat=rng.uniform(0.65, 1.05),
        surge=rng.uniform(0.05, 0.2),
        strength=rng.uniform(0.6, 1.0),
    )


def _mixed(values: Array, seconds: float) -> Array:
    """(T,) values in steps of 1 / FINE s after a well-mixed volume with this time constant."""
    count = math.ceil(6 * seconds * FINE)
    weights = np.exp(-np.arange(count) / (seconds * FINE))
    return np.convolve(values, weights / weights.sum())[: len(values)]
