"""How long to wait before the next try."""

import attrs


@attrs.frozen(kw_only=True)
class Backoff:
    """Delays that double from ``first`` to ``most`` seconds.

    ``jitter`` is the share that chance adds: with 1.0 a delay may double.
    """

    first: float = 0.8
    most: float = 30.0
    jitter: float = 1.0

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after failed attempt number ``attempt`` (from 0); 0 <= ``chance`` < 1."""
        # 2**64 seconds is for ever: a larger exponent would only overflow.
        plain = min(self.most, self.first * 2.0 ** min(attempt, 64))
        return plain * (1 + self.jitter * chance)
