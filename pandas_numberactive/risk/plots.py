"""Draw the risk tables with matplotlib (extra `plot`), on your own Axes and in your style.

Each mark has a shape and a colour of its own, so that print and every kind of colour vision can
read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive.errors import RiskInputError, missing_extra
from pandas_numberactive.risk._engine.views import BLUE, ORANGE, TOTAL, in_order
from pandas_numberactive.risk.drift import BANDS


def _axes(ax: Any, size: tuple[float, float]) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise missing_extra("plot", "matplotlib") from error
    return pyplot.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def _percent_axis(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=None))


def _frame(
    table: pd.DataFrame, columns: set[str], maker: str, index: set[str] | None = None
) -> pd.DataFrame:
    if (
        not isinstance(table, pd.DataFrame)
        or table.empty
        or not columns <= set(table.columns)
        or not (index or set()) <= set(table.index.names)
    ):
        raise RiskInputError(f"This plots what {maker} returns; pass its table, with its index.")
    return pd.DataFrame(table)


@without_frames
def plot_risk_table(
    table: pd.DataFrame,
    *,
    signal: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw one signal of a `risk_table`: the bad rate of each level with its 95% interval.

    Each level is labelled with its number and share of customers. Lines that are not tested are
    hollow. The dashed line is the bad rate of all tested rows.

    Parameters
    ----------
    table
        The table that `risk_table` returns.
    signal
        The signal to draw, needed where the table holds several.
    ax
        Axes of matplotlib to draw on. By default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The drawing, for your own titles and style.

    Raises
    ------
    RiskInputError
        The table is another one, or the signal is not in it.
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "defaulted": [1, 0, 0, 0]})
    >>> table = pna.risk.risk_table(book, "active_level", "defaulted")
    >>> pna.risk.plot_risk_table(table).get_ylabel()
    'bad rate with 95% interval'
    """
    data = _frame(table, {"share", "bad_rate", "bad_rate_low"}, "risk_table", {"signal", "level"})
    one = _one_signal(data, signal)
    name = signal or data.index.get_level_values("signal")[0]
    ax = _axes(ax, (1.6 + 1.1 * len(one), 3.8))
    tested = one["woe"].notna().to_numpy()
    marks = [
        _rates(ax, one, tested, "o", "bad rate, 95%"),
        _rates(ax, one, ~tested, "D", "apart, not tested"),
    ]
    bads = one["bads"][tested].sum()
    book = float(bads / one["n"][tested].sum())
    marks.append(ax.axhline(book, color="0.4", lw=1, ls=(0, (4, 3)), label="all asked"))
    ax.set_xticks(
        range(len(one)),
        [
            f"{level}\nn {n:,.0f}\n{share:.0%}"
            for level, n, share in zip(one.index, one["n"], one["share"], strict=True)
        ],
    )
    ax.set_xlim(-0.6, len(one) - 0.4)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(str(name))
    ax.set_ylabel("bad rate with 95% interval")
    _percent_axis(ax.yaxis)
    _legend_above(ax, [mark for mark in marks if mark is not None], 3)
    return ax


def _rates(ax: Any, one: pd.DataFrame, chosen: Any, mark: str, label: str) -> Any:
    """Draw points with intervals for the chosen lines. None where there are none with rows."""
    at = np.flatnonzero(chosen & (one["n"] > 0).to_numpy())
    if not len(at):
        return None
    lines = one.iloc[at]
    rate = lines["bad_rate"].to_numpy()
    reach = np.abs(np.vstack([rate - lines["bad_rate_low"], lines["bad_rate_high"] - rate]))
    apart = mark != "o"
    return ax.errorbar(
        at,
        rate,
        yerr=reach,
        fmt=mark,
        color="0.45" if apart else ORANGE,
        mfc="none" if apart else None,
        capsize=4,
        lw=1.6,
        ms=6,
        label=label,
    )


def _legend_above(ax: Any, marks: list[Any], columns: int) -> None:
    """Above the picture, where no bar, point or line can stand behind it."""
    ax.legend(
        handles=marks,
        ncols=columns,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        fontsize="small",
        frameon=False,
    )


@without_frames
def plot_cross_table(table: pd.DataFrame, *, ax: Any = None) -> Any:
    """Draw a `cross_table` as a heat map of bad rates, each with its count.

    Pairs with few customers are hatched.

    Parameters
    ----------
    table
        The table that `cross_table` returns.
    ax
        Axes of matplotlib to draw on. By default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The drawing, for your own titles and style.

    Raises
    ------
    RiskInputError
        The table is another one.
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "low", "high", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> kind = pd.Categorical(["prepaid"] * 4, dtype=pna.TELCO_TYPE)
    >>> book = pd.DataFrame({"active_level": level, "telco_type": kind, "defaulted": [1, 0, 0, 0]})
    >>> table = pna.risk.cross_table(book, "active_level", "telco_type", "defaulted", small=1)
    >>> pna.risk.plot_cross_table(table).get_xlabel()
    'telco_type'
    """
    data = _frame(table, {"bad_rate", "small", "n"}, "cross_table")
    if data.index.nlevels != 2 or not data.index.is_unique:
        raise RiskInputError("This plots what cross_table returns; pass its table, with its index.")
    grid = _Grid.of(data)
    ax = _axes(ax, (2.2 + 1.2 * len(grid.columns), 1.4 + 0.8 * len(grid.rows)))
    # Shows where a pair stays blank.
    ax.patch.set(facecolor="0.92", edgecolor="0.75", hatch="///", linewidth=0)
    top = float(grid.shown.max()) if grid.shown.count() else 1.0
    image = ax.imshow(grid.shown, cmap="YlOrBr", vmin=0, vmax=top or 1.0, aspect="auto")
    for y, x in np.ndindex(grid.shown.shape):
        _write_pair(ax, grid, image, y, x)
    ax.set_xticks(range(len(grid.columns)), [str(name) for name in grid.columns])
    ax.set_yticks(range(len(grid.rows)), [str(name) for name in grid.rows])
    ax.set_xlabel(str(data.index.names[1]))
    ax.set_ylabel(str(data.index.names[0]))
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, label="bad rate")
    _percent_axis(bar.ax.yaxis)
    return ax


@dataclass(frozen=True, slots=True)
class _Grid:
    """The pairs of a cross table in rows and columns."""

    rows: list[Any]
    columns: list[Any]
    shown: Any  # masked array of bad rates; pairs with few customers are masked
    sizes: NDArray[np.float64]  # customers, NaN for a pair that the user has filtered away

    @classmethod
    def of(cls, data: pd.DataFrame) -> _Grid:
        rows = list(in_order(data.index, 0))
        columns = list(in_order(data.index, 1))
        shape = (len(rows), len(columns))
        # Every pair in its place first: unstack(sort=False) misplaces values around a missing one
        # (pandas 2.2).
        full = data.reindex(pd.MultiIndex.from_product([rows, columns]))
        heat = full["bad_rate"].to_numpy(dtype=float).reshape(shape)
        few = full["small"].ne(False).to_numpy().reshape(shape)
        sizes = full["n"].to_numpy(dtype=float).reshape(shape)
        return cls(rows, columns, np.ma.masked_where(few | np.isnan(heat), heat), sizes)


def _write_pair(ax: Any, grid: _Grid, image: Any, y: int, x: int) -> None:
    few = bool(np.ma.getmaskarray(grid.shown)[y, x])
    size = ""
    if not np.isnan(grid.sizes[y, x]):
        size = f"n {grid.sizes[y, x]:,.0f}"
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": "small"}
    if few:
        ground = {"facecolor": "0.92", "edgecolor": "none", "pad": 1.5}
        ax.text(x, y, size, color="black", bbox=ground, **style)
        return
    rate = float(grid.shown[y, x])
    ax.text(x, y, f"{rate:.1%}\n{size}", color=_ink(image.to_rgba(rate)), **style)


def _ink(ground: Any) -> str:
    """Return black or white, the one that reads better on a colour.

    The contrast is at least 4.5 to 1 (WCAG's relative luminance).
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in ground[:3]]
    return "white" if np.dot(linear, (0.2126, 0.7152, 0.0722)) < 0.179 else "black"


@without_frames
def plot_stability(table: pd.DataFrame, *, ax: Any = None) -> Any:
    """Draw the total PSI of a `stability` table: over periods, or a bar for each signal.

    Dotted: 95% of the index without any drift, so a shift below it is not significant. Dashed: the
    usual bands, below 0.1 stable, to 0.25 look, above it moved. A period without rows is a gap.

    Parameters
    ----------
    table
        The table that `stability` returns, with its rows "total".
    ax
        Axes of matplotlib to draw on. By default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The drawing, for your own titles and style.

    Raises
    ------
    RiskInputError
        The table is another one, or lacks its totals.
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> levels = pd.Categorical(["low", "high"], dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": levels})
    >>> pna.risk.plot_stability(pna.risk.stability(book, book, "active_level")).get_ylabel()
    'population stability index'
    """
    data = _frame(table, {"psi", "psi_limit"}, "stability", {"signal", "level"})
    if TOTAL not in data.index.get_level_values("level"):
        raise RiskInputError(
            f"This plots the rows {TOTAL!r} of what stability returns; pass the whole table."
        )
    totals = pd.DataFrame(data[["psi", "psi_limit"]].xs(TOTAL, level="level"))
    ax = _axes(ax, (6.4, 3.6))
    if "period" in totals.index.names:
        _psi_lines(ax, totals)
    else:
        _psi_bars(ax, totals)
    _psi_bands(ax, max(0.35, float(np.nanmax(totals.to_numpy())) * 1.15))
    return ax


def _psi_lines(ax: Any, totals: pd.DataFrame) -> None:
    names = list(dict.fromkeys(totals.index.get_level_values("signal")))
    periods = totals.index.get_level_values("period")
    every = pd.period_range(periods.min(), periods.max())  # a month without rows is a gap
    marks = zip("osD^vPX*" * 9, ["-", "--", "-.", ":"] * 18, strict=False)
    lines = []
    for name, (mark, dash) in zip(names, marks, strict=False):
        one = pd.DataFrame(totals.xs(name, level="signal")).reindex(every)
        (line,) = ax.plot(
            range(len(one)), one["psi"].to_numpy(), marker=mark, ls=dash, label=str(name)
        )
        ax.plot(
            range(len(one)), one["psi_limit"].to_numpy(), ls=(0, (1, 2)), lw=1, c=line.get_color()
        )
        lines.append(line)
    step = max(1, len(every) // 12)
    ax.set_xticks(
        range(0, len(every), step), [str(p) for p in every[::step]], rotation=45, ha="right"
    )
    _legend_above(ax, [*lines, _limit_key(ax)], 3)


def _limit_key(ax: Any) -> Any:
    """Return a mark for the legend: dotted, as the lines of the chance limit are."""
    return ax.plot([], [], ls=(0, (1, 2)), lw=1, color="0.4", label="95% of no drift")[0]


def _psi_bars(ax: Any, totals: pd.DataFrame) -> None:
    at = range(len(totals))
    ax.bar(at, totals["psi"].to_numpy(), color=BLUE, alpha=0.7, width=0.5)
    limits = totals["psi_limit"].to_numpy()
    ax.hlines(
        limits,
        [x - 0.35 for x in at],
        [x + 0.35 for x in at],
        color="0.4",
        ls=(0, (1, 2)),
    )
    ax.set_xticks(at, [str(name) for name in totals.index])
    _legend_above(ax, [_limit_key(ax)], 1)


def _psi_bands(ax: Any, top: float) -> None:
    for (low, word), high in zip(BANDS, (0.1, 0.25, top), strict=True):
        ax.axhline(low, color="0.5", lw=1, ls=(0, (4, 3)))
        ax.annotate(
            word,
            (1.01, (low + high) / 2),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize="small",
        )
    ax.set_ylim(0, top)
    ax.set_ylabel("population stability index")


@without_frames
def plot_by_period(
    table: pd.DataFrame,
    *,
    signal: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw one signal of a `by_period` table: the bad rate of each level over the periods.

    Points have 95% intervals, and each level its own mark and line.

    Parameters
    ----------
    table
        The table that `by_period` returns.
    signal
        The signal to draw, needed where the table holds several.
    ax
        Axes of matplotlib to draw on. By default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The drawing, for your own titles and style.

    Raises
    ------
    RiskInputError
        The table is another one, or the signal is not in it.
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "high"] * 20, dtype=pna.ACTIVE_LEVEL)
    >>> days = pd.to_datetime(["2026-01-05"] * 20 + ["2026-02-05"] * 20)
    >>> book = pd.DataFrame({"active_level": level, "day": days, "defaulted": [1, 0, 0, 1, 0] * 8})
    >>> table = pna.risk.by_period(book, "active_level", "defaulted", "day")
    >>> pna.risk.plot_by_period(table).get_ylabel()
    'bad rate with 95% interval'
    """
    data = _frame(table, {"bad_rate", "bad_rate_low"}, "by_period", {"signal", "period", "level"})
    one = _one_signal(data, signal)
    levels = [x for x in dict.fromkeys(one.index.get_level_values("level")) if x != TOTAL]
    periods = one.index.get_level_values("period")
    every = pd.period_range(periods.min(), periods.max())
    ax = _axes(ax, (6.4, 3.8))
    marks = zip("osD^vPX*" * 13, ["-", "--", "-.", ":"] * 26, strict=False)
    lines = []
    for at, (level, (mark, dash)) in enumerate(zip(levels, marks, strict=False)):
        line = pd.DataFrame(one.xs(level, level="level")).reindex(every)
        shift = (at - (len(levels) - 1) / 2) * 0.12
        lines.append(_points(ax, np.arange(len(line)) + shift, line, "bad_rate", mark, dash, level))
    step = max(1, len(every) // 12)
    ax.set_xticks(
        range(0, len(every), step), [str(p) for p in every[::step]], rotation=45, ha="right"
    )
    ax.set_ylim(bottom=0)
    ax.set_ylabel("bad rate with 95% interval")
    _percent_axis(ax.yaxis)
    _legend_above(ax, lines, 4)
    return ax


def _points(
    ax: Any, at: Any, lines: pd.DataFrame, name: str, mark: str, dash: str, label: str
) -> Any:
    middle = lines[name].to_numpy()
    reach = np.abs(np.vstack([middle - lines[f"{name}_low"], lines[f"{name}_high"] - middle]))
    return ax.errorbar(
        at, middle, yerr=reach, marker=mark, ls=dash, capsize=2, lw=1.2, ms=5, label=str(label)
    )


def _one_signal(data: pd.DataFrame, signal: str | None) -> pd.DataFrame:
    names = list(dict.fromkeys(data.index.get_level_values("signal")))
    if signal is None and len(names) > 1:
        raise RiskInputError(
            f"The table holds {len(names)} signals; say which: signal={names[0]!r}."
        )
    if (signal or names[0]) not in names:
        raise RiskInputError(
            f"The table holds no {signal!r}; it holds {', '.join(map(str, names))}."
        )
    return pd.DataFrame(data.xs(signal or names[0], level="signal"))


@without_frames
def plot_odds_ratios(
    table: pd.DataFrame,
    *,
    signal: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw the odds ratios of a `lateness`, `segments` or `by_period` table, with 95% intervals.

    The scale is logarithmic, and the dashed line is no effect.

    Parameters
    ----------
    table
        The table that one of these functions returns.
    signal
        The signal to draw, needed where the table holds several.
    ax
        Axes of matplotlib to draw on. By default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The drawing, for your own titles and style.

    Raises
    ------
    RiskInputError
        The table is another one, or the signal is not in it.
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> level = pd.Categorical(["low", "high"] * 20, dtype=pna.ACTIVE_LEVEL)
    >>> book = pd.DataFrame({"active_level": level, "city": ["A"] * 24 + ["B"] * 16,
    ...                      "defaulted": [1, 0, 0, 1, 0] * 8})
    >>> table = pna.risk.segments(book, "active_level", "defaulted", "city")
    >>> pna.risk.plot_odds_ratios(table).get_xlabel()
    'odds ratio with 95% interval'
    """
    maker = "lateness, segments or by_period"
    data = _frame(table, {"odds_ratio", "odds_ratio_low"}, maker, {"signal"})
    one = _one_signal(data, signal)
    if "level" in one.index.names:
        one = pd.DataFrame(one.xs(TOTAL, level="level"))
    ax = _axes(ax, (6.4, 1.2 + 0.35 * len(one)))
    at = np.arange(len(one))
    middle = one["odds_ratio"].to_numpy()
    reach = np.abs(np.vstack([middle - one["odds_ratio_low"], one["odds_ratio_high"] - middle]))
    ax.errorbar(middle, at, xerr=reach, fmt="o", color=ORANGE, capsize=3, lw=1.6, ms=5)
    ax.axvline(1.0, color="0.4", lw=1, ls=(0, (4, 3)))
    ax.set_xscale("log")
    ax.set_yticks(at, [f"{name}  n {n:,.0f}" for name, n in zip(one.index, one["n"], strict=True)])
    ax.invert_yaxis()
    ax.set_xlabel("odds ratio with 95% interval")
    return ax


@without_frames
def plot_coverage(table: pd.DataFrame, *, ax: Any = None) -> Any:
    """Draw a `coverage` table: the shares of rows answered, without data, failed and never asked.

    Parameters
    ----------
    table
        The table that `coverage` returns.
    ax
        Axes of matplotlib to draw on. By default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The drawing, for your own titles and style.

    Raises
    ------
    RiskInputError
        The table is another one.
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas_numberactive as pna
    >>> status = pd.Categorical(["answered", "no_data", "missing"], dtype=pna.LOOKUP_STATUS)
    >>> table = pna.risk.coverage(pd.DataFrame({"phone_lookup_status": status}))
    >>> pna.risk.plot_coverage(table).get_xlabel()
    'share of rows'
    """
    data = _frame(table, {"answered", "not_asked", "rows"}, "coverage")
    ax = _axes(ax, (6.4, 1.3 + 0.5 * len(data)))
    kinds = (
        ("answered", BLUE, ""),
        ("no_data", "#ccbb44", "//"),
        ("failed", ORANGE, "xx"),
        ("not_asked", "0.8", ".."),
    )
    left = np.zeros(len(data))
    for kind, colour, hatch in kinds:
        share = data[kind].to_numpy() / data["rows"].to_numpy()
        bars = ax.barh(
            range(len(data)),
            share,
            left=left,
            color=colour,
            hatch=hatch,
            label=kind.replace("_", " "),
            edgecolor="white",
        )
        ax.bar_label(
            bars,
            [f"{s:.0%}" if s > 0.06 else "" for s in share],
            label_type="center",
            fontsize="small",
            color="black",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
        )
        left += share
    ax.set_yticks(
        range(len(data)), [str(prefix).rstrip("_") or "(no prefix)" for prefix in data.index]
    )
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    _percent_axis(ax.xaxis)
    ax.set_xlabel("share of rows")
    _legend_above(ax, ax.containers, 4)
    return ax
