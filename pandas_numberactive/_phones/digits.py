"""Turn digits into national numbers or reasons: parse_phone's last step, for arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_numberactive._phones.parse import REASONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWERS = 10 ** np.arange(19, dtype=np.int64)
MOST = 18  # digits that an int64 surely holds
SLOW = len(REASONS)  # in the place of a reason: parse_phone must look
_NOT_INDONESIAN, _NOT_MOBILE, _TOO_SHORT, _TOO_LONG = map(
    REASONS.index, ("not_indonesian", "not_mobile", "too_short", "too_long")
)

# What may stand before the 8: how many digits must follow, the reason where fewer do, whether a +
# may stand in front.
PREFIXES = (
    ("", 9, _TOO_SHORT, False),
    ("0", 9, _TOO_SHORT, False),
    ("62", 9, _TOO_SHORT, True),
    ("620", 9, _TOO_SHORT, True),
    ("062", 10, _NOT_MOBILE, False),
    ("0620", 10, _NOT_MOBILE, False),
    ("0062", 9, _TOO_SHORT, False),
    ("6262", 10, _NOT_MOBILE, True),
)
# Five digits of a prefix that has its 8 behind them, or zeros alone: parse_phone must look.
_LONG_PREFIXES = np.isin(np.arange(100_000), (0, 162, 620, 626, 762, 862))
_UNKNOWN = len(PREFIXES)  # none of these, or one of seven digits
_STRIP = np.array([len(prefix) for prefix, *_ in PREFIXES] + [0])
_FEWEST = np.array([fewest for _, fewest, *_ in PREFIXES] + [99])
_WHEN_FEWER = np.array([why for *_, why, _ in PREFIXES] + [SLOW], np.int8)
_AFTER_PLUS = np.array([plus for *_, plus in PREFIXES] + [False])


def _prefix_table() -> NDArray[np.uint8]:
    """Return the row of PREFIXES that six digits begin with, for all of them."""
    table = np.full(1_000_000, _UNKNOWN, np.uint8)
    for row, (prefix, *_) in enumerate(PREFIXES):
        for second in "12356789":
            start = int(prefix + "8" + second)
            free = 10 ** (4 - len(prefix))
            table[start * free : (start + 1) * free] = row
    return table


_BY_SIX_DIGITS = _prefix_table()


def read_digits(
    value: NDArray[np.int64], digits: NDArray[Any], plus: NDArray[np.bool_], max_digits: int
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return national numbers and reasons for digits of known lengths.

    Zeros in front count. `plus` marks those behind a +.
    """
    fits = (digits >= 6) & (digits <= MOST)
    if not fits.all():
        digits = np.where(fits, digits, 9)
        value = np.where(fits, value, 0)
    six = value // POWERS.take(digits - 6)
    row = _BY_SIX_DIGITS.take(six)
    length = digits - _STRIP.take(row)
    good = (
        fits
        & (length >= _FEWEST.take(row))
        & (length <= max_digits)
        & (_AFTER_PLUS.take(row) | ~plus)
    )
    number = np.where(good, value % POWERS.take(length), 0)
    reason = np.full(len(number), -1, np.int8)
    bad = np.flatnonzero(~good)
    if len(bad):
        reason[bad] = np.where(fits[bad], _why(six[bad], row[bad], length[bad], plus[bad]), SLOW)
    return number, reason


def _why(
    six: NDArray[np.int64], row: NDArray[np.uint8], length: NDArray[Any], plus: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Return the reasons for digits of which these are the first six.

    The order of the rules is parse_phone's.
    """
    lengths = np.where(length < _FEWEST[row], _WHEN_FEWER[row], _TOO_LONG)
    abroad = np.where(plus, six // 10_000 != 62, (six < 10_000) & (six // 100 != 62))
    why = np.where(abroad, _NOT_INDONESIAN, _NOT_MOBILE)
    why[~plus & _LONG_PREFIXES.take(six // 10)] = SLOW
    why[six // 10 == 62_062] = SLOW
    return np.where((row != _UNKNOWN) & (_AFTER_PLUS[row] | ~plus), lengths, why).astype(np.int8)


def lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of digits of each integer, 0 where it is not positive."""
    return np.searchsorted(POWERS, values, side="right")


def is_rounded(values: NDArray[np.int64], digits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return True for more than six digits of which six or fewer are significant.

    `digits` holds the number of digits of each value, without zeros in front.
    """
    spare = np.maximum(digits - 6, 0)
    rounded: NDArray[np.bool_] = (spare > 0) & (values % POWERS.take(spare) == 0)
    return rounded
