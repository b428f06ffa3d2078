"""A whole number in whole shares: the shares sum to it exactly."""

from __future__ import annotations

from collections.abc import Sequence

from ferraris.core.errors import UsageError

__all__ = ["share"]


def share(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to the weights, by largest remainder; the first wins a tie.

    When all weights are zero, every share has the same weight. No share is negative.

    Raises:
        UsageError: no weights, or one or the total is negative.
    """
    if total < 0 or not weights or min(weights) < 0:
        raise UsageError(
            "only a total and weights of zero or more can be shared, among one or more"
        )
    whole = sum(weights)
    if not whole:
        return share(total, [1] * len(weights))
    pairs = [divmod(total * weight, whole) for weight in weights]
    shares = [quotient for quotient, _ in pairs]
    order = sorted(range(len(pairs)), key=lambda at: -pairs[at][1])
    for at in order[: total - sum(shares)]:
        shares[at] += 1
    return shares
