"""How long to wait before asking again, and how often at most."""

from __future__ import annotations

from dataclasses import dataclass

from pandas_numberactive._core.verdicts import Outcome


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long; times in seconds."""

    handle_attempts: int = 4
    query_attempts: int = 6
    backoff: float = 0.5
    max_backoff: float = 20.0
    max_retry_after: float = 120.0
    polls: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 10.0)
    poll_for: float = 60.0
    max_age: float = 24 * 3600.0  # of a requestId

    def delay(self, attempt: int, asked: float | None, chance: float) -> float:
        """Full jitter, or what the vendor asked for, bounded."""
        if asked is not None:
            return min(max(asked, 0.0), self.max_retry_after) + self.backoff * chance
        ceiling: float = min(self.max_backoff, self.backoff * 2.0**attempt)
        return ceiling * chance

    def poll_delay(self, poll: int) -> float:
        """How long to wait before this poll (0, 1, 2, ...) of a pending answer."""
        return self.polls[min(poll, len(self.polls) - 1)]


class RetryQuota:
    """Tokens that retries take and successes give back, so that an outage fails fast (as in the AWS
    SDKs).
    """

    def __init__(self, tokens: float = 500.0) -> None:
        self._most = tokens
        self._tokens = tokens

    def take(self, outcome: Outcome) -> bool:
        """Take a retry's price; False when the quota is empty."""
        price = 5.0 if outcome is Outcome.THROTTLED else 14.0
        if self._tokens < price:
            return False
        self._tokens -= price
        return True

    def give(self) -> None:
        """Give one token back for a success."""
        self._tokens = min(self._most, self._tokens + 1.0)
