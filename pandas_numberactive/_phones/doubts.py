"""Signs in a whole column that its numbers were rounded, or are no Indonesian telephones'."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pandas_numberactive._phones.digits import POWERS, lengths
from pandas_numberactive._phones.parse import REASONS, operator_of
from pandas_numberactive._phones.text import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pandas_numberactive._phones.column import Normalized

_LOOKED_AT = 1_000  # cells that are read again as text
_COUNTED = 200_000  # numbers, to find rounded ones
_ROUND = 100_000  # one number in so many ends in five zeros by chance
_FAR_MORE = 100  # times chance
_FEWEST_NARROW = 3  # one number in fifty has 24 bits, or ends as their decimals do, by chance
_FEWEST_UNGIVEN = 100  # half of the prefixes that are read were given to an operator
_GIVEN = np.array([operator_of(str(prefix)) is not None for prefix in range(1_000)])
_UNREAD = [REASONS.index("not_mobile"), REASONS.index("too_long")]
# Mobile numbers of countries nearby, their prefix without a plus. No Indonesian operator gives out
# numbers like the first; the second could be a Telkomsel or an Indosat number without its 0.
_ABROAD = re.compile(
    r"81[789]0\d{8}|8210\d{8}|8869\d{8}|861[3-9]\d{9}|8801\d{9}|85620\d{8}|84[35789]\d{8}"
    r"|601\d{8,9}|65[89]\d{7}|66[689]\d{8}|639\d{9}|614\d{8}|91[6-9]\d{9}"
)
_ANY = re.compile(r"8\d+", re.ASCII)  # without a prefix
_PERHAPS_ABROAD = re.compile(r"852[5-9]\d{7}|8536\d{7}|855[1-9]\d{7,8}")


@dataclass(frozen=True, slots=True)
class Doubts:
    """Counts of cells of one phone column, or of a part of it. Parts can be added."""

    counted: int = 0  # integers that were searched for
    rounded: int = 0  # numbers that end in 00000
    bare: int = 0  # numbers without 0 or 62 in front, estimated
    perhaps_abroad: int = 0  # bare numbers that have another country's form, too, estimated
    abroad: int = 0  # cells of another country's form that were found
    long: int = 0  # numbers of ten digits or more that were searched for 24 bits
    narrow: int = 0  # of them: those that a float32 can hold or print
    looked_at: int = 0  # numbers of which the prefix was looked at
    ungiven: int = 0  # of them: those of no operator

    @classmethod
    def of(cls, column: pd.Series[Any], read: Normalized) -> Doubts:
        """Count in a column that was read."""
        number = read.number
        seen = number[:: 1 + len(number) // _COUNTED]
        read_ones = seen[seen > 0]
        long = seen[seen >= 10**9]
        some = read_ones if pd.api.types.is_integer_dtype(column.dtype) else seen[:0]
        perhaps = (number >= 85_200_000_000) & (number < 85_600_000_000)
        others = (number >= 10**11) | np.isin(read.reason, _UNREAD)
        return cls(
            counted=len(some),
            rounded=int((some % _ROUND == 0).sum()),
            bare=_count(_ANY, column, number > 0),
            perhaps_abroad=_count(_PERHAPS_ABROAD, column, perhaps),
            abroad=_count(_ABROAD, column, others),
            long=len(long),
            narrow=int(_are_narrow(long).sum()),
            looked_at=len(read_ones),
            ungiven=int((~_GIVEN[read_ones // POWERS[lengths(read_ones) - 3]]).sum()),
        )

    @classmethod
    def total(cls, parts: Iterable[Doubts]) -> Doubts:
        """Add the counts of a column's parts."""
        return cls(*map(sum, zip(*map(astuple, parts), strict=True)))

    @property
    def are_rounded(self) -> bool:
        """Return True where far more numbers end in 00000 than chance gives."""
        return self.rounded > 1 and self.rounded * _ROUND > self.counted * _FAR_MORE

    @property
    def are_narrow(self) -> bool:
        """Return True where far more numbers have 24 bits than chance gives."""
        return self.narrow >= _FEWEST_NARROW and 5 * self.narrow > self.long

    @property
    def are_ungiven(self) -> bool:
        """Return True where many numbers begin as no operator's: accounts, amounts, times."""
        return self.ungiven >= _FEWEST_UNGIVEN and 5 * self.ungiven > self.looked_at

    @property
    def are_abroad(self) -> bool:
        """Return True where numbers of another country stand without their plus."""
        return self.abroad > 0 or 2 * self.perhaps_abroad > self.bare

    def sentences(self, name: str) -> list[str]:
        """Return the warnings for a column of that name."""
        out = []
        if self.are_rounded:
            out.append(
                f"Far more numbers of column {name} end in 00000 than chance gives, as if a "
                "spreadsheet had rounded them: each would be a stranger's number. Export the "
                "column again as text."
            )
        if self.are_narrow:
            out.append(
                f"Numbers of column {name} end as those of a float32 do, which has 7 digits: each "
                "would be a stranger's number. Read the column again from its source, as text."
            )
        if self.are_ungiven:
            out.append(
                f"Many numbers of column {name} begin as no operator's numbers do, but as account "
                "numbers or amounts may: each would be a stranger's number. Is it the right column?"
            )
        if self.are_abroad:
            out.append(
                f"Cells of column {name} may be numbers of another country without their + (such "
                "as 81 Japan, 855 Cambodia, 886 Taiwan). Those of an Indonesian form are looked "
                "up as Indonesian: add the + or leave them out."
            )
        return out


def _are_narrow(long: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which numbers a float32 holds exactly, or prints: eight digits, and zeros."""
    narrow: NDArray[np.bool_] = long.astype(np.float32).astype(np.int64) == long
    unit = 10 ** (np.floor(np.log10(np.maximum(long, 1))).astype(np.int64) - 7)
    narrow |= long % unit == 0
    return narrow


def _count(form: re.Pattern[str], column: pd.Series[Any], among: NDArray[np.bool_]) -> int:
    """Estimate how many of these cells have a form, their marks and quotes aside."""
    at = np.flatnonzero(among)
    some = at[:: 1 + len(at) // _LOOKED_AT]
    cells = (column.iat[int(place)] for place in some)  # iloc would copy a column in parts
    found = sum(form.fullmatch(_digits(cell)) is not None for cell in cells)
    return round(found * len(at) / max(1, len(some)))


def _digits(cell: object) -> str:
    """Return a cell without marks and quotes, and without a float's decimals."""
    text = plain(cell) if isinstance(cell, str) else str(cell)
    return re.sub(r"[ .()-]", "", text.removesuffix(".0"))
