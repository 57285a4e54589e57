"""An invoice beside the ledger, by requestId."""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from pandas_numberactive._display.text import said
from pandas_numberactive.errors import ColumnNotFoundError, ConfigurationError

ID_COLUMNS = ("requestId", "request_id")  # the vendor's name, and that of `charges()`
ADVICE = "Name the column of requestIds with request_id=."
VERDICTS = ["matched", "not_counted", "only_on_invoice", "only_here", "charged_twice"]
OUTSIDE = "outside_period"  # a column where a period was given
EXACT = 2**53  # whole numbers above it are not exact as floats
_EXPONENT = re.compile(r"\d(?:[.,]\d+)?[eE][+]\d+")  # as Excel and Python write a large number
_UNSEEN = " \t\r\n\u00a0\u200b\u3000\ufeff"

Period = str | pd.Period | tuple[Any, Any]


class Reconciled(pd.DataFrame):
    """A reconciliation, shown with its counts in front."""

    @property
    def headline(self) -> str:
        """Return how many requestIds have each verdict."""
        counts = self["verdict"].value_counts()
        parts = [f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS if counts.get(verdict)]
        text = f"{len(self):,} requestIds: {', '.join(parts) or 'none'}"
        outside = int(self[OUTSIDE].sum()) if OUTSIDE in self else 0
        return f"{text}; {outside:,} charged outside the period" if outside else text

    def __repr__(self) -> str:
        """Return every column, so that the verdict is never cut out of the middle."""
        table = self.to_string(
            max_rows=pd.get_option("display.max_rows"),
            min_rows=pd.get_option("display.min_rows"),
            line_width=pd.get_option("display.width"),
        )
        return f"{self.headline}\n{table}"

    def _repr_html_(self) -> str | None:
        table = super()._repr_html_()  # type: ignore[misc, operator, unused-ignore]
        return f"<p><b>{self.headline}</b></p>{table}"


def invoice_ids(invoice: pd.DataFrame, request_id: str | None) -> pd.Series:
    """Return how often each requestId stands on the invoice, by its text."""
    wanted = ID_COLUMNS if request_id is None else (request_id,)
    name = next((one for one in wanted if one in invoice.columns), None)
    if name is None:
        raise ColumnNotFoundError(wanted[0], invoice.columns, advice=ADVICE)
    if isinstance(invoice[name], pd.DataFrame):
        raise ConfigurationError(f"The invoice has {name!r} more than once. Nothing was changed.")
    texts = [id_text(value, name) for value in invoice[name].dropna().tolist()]
    return pd.Series([text for text in texts if text], dtype=object).value_counts()


def id_text(value: object, name: str) -> str:
    """Return an id as it was printed: a blank line makes whole numbers floats."""
    if not isinstance(value, Real) or not float(value).is_integer():
        text = str(value).strip(_UNSEEN)
        if _EXPONENT.fullmatch(text):
            raise _lost_digits(name)
        return text
    if isinstance(value, (float, np.floating)) and abs(value) >= EXACT:
        raise _lost_digits(name)
    return str(math.trunc(value))


def _lost_digits(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"The requestIds in {name!r} were read or saved as decimals, and their last digits are "
        f'lost. Read the file as it came from the vendor, with dtype={{"{name}": str}}. '
        "Nothing was changed."
    )


def bounds(period: Period | None, zone: str) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Return a period's first moment and the one after its last, in UTC.

    Moments without a zone are on the clock of `zone`.
    """
    if period is None:
        return None
    try:
        if isinstance(period, tuple):
            first, last = (pd.Timestamp(_year_first(one)) for one in period)
        else:
            whole = pd.Period(_year_first(period)) if isinstance(period, str) else period
            first = whole.start_time
            last = (whole + 1).start_time
        pair = _utc(first, zone), _utc(last, zone)
        if not pair[0] < pair[1]:  # no time at all would hide every charge
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            'period must be a month or a day such as "2026-10", or its first moment and the one '
            f"after its last, not {said(period)}."
        ) from None
    return pair


def _year_first(moment: Any) -> Any:
    """Return a moment. Text must begin with its year: pandas reads 08-11-2026 as 11 August."""
    if isinstance(moment, str) and not re.match(r"\s*(?:19|20)\d\d", moment):
        raise ValueError
    return moment


def _utc(moment: pd.Timestamp, zone: str) -> pd.Timestamp:
    return (moment.tz_localize(zone) if moment.tzinfo is None else moment).tz_convert("UTC")


def compare(
    times: pd.Series,
    ours: pd.DataFrame,
    known: set[str],
    period: tuple[pd.Timestamp, pd.Timestamp] | None,
) -> Reconciled:
    """Return a verdict for each requestId.

    Parameters
    ----------
    times
        How often each id is on the invoice.
    ours
        The charges of the ledger, by request_id.
    known
        Every requestId that the ledger knows, charged or not.
    period
        What is in the ledger alone and was charged outside of it is left out. Lines of the invoice
        all stay, marked in a column where the ledger has their charge outside of it.
    """
    out = pd.DataFrame(index=times.index.union(ours.index))
    out.index.name = "request_id"
    out["times"] = times.reindex(out.index).fillna(0).astype("int64")
    out = out.join(ours[["at", "environment", "number", "generation", "charged"]])
    out["verdict"] = pd.Categorical(_verdicts(out, out.index.isin(ours.index), known), VERDICTS)
    shown = ["verdict", "times", "charged", "at", "environment"]
    if period is not None:
        inside = (out["at"] >= period[0]) & (out["at"] < period[1])
        out[OUTSIDE] = out["at"].notna() & ~inside
        out = out[(out["times"] > 0) | inside]
        shown.append(OUTSIDE)
    return Reconciled(out[shown].reset_index())


def _verdicts(out: pd.DataFrame, here: Any, known: set[str]) -> Any:
    uncharged = np.where(out.index.isin(list(known)), "not_counted", "only_on_invoice")
    verdict = np.where(here, "matched", uncharged).astype(object)
    verdict[(out["times"] == 0).to_numpy()] = "only_here"
    billed = out[out["times"] > 0].dropna(subset=["number"])
    twice = billed.duplicated(["environment", "number", "generation"], keep=False)
    again = (out["times"] > 1).to_numpy() | out.index.isin(billed.index[twice])
    verdict[again] = "charged_twice"
    return verdict
