"""The plots: what stands in their Axes everywhere, and how they look on the platform that drew the kept pictures.

`python -m tests.risk.test_plots` draws the kept pictures again; look at them before you commit them.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive import risk
from pandas_numberactive.errors import RiskInputError

matplotlib = pytest.importorskip(
    "matplotlib", reason='matplotlib is missing: pip install "pandas-numberactive[plot]"'
)
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 - only where matplotlib is

KEPT = Path(__file__).parent / "pictures"
PLACE = f"{platform.system()} matplotlib {matplotlib.__version__}"


def book():
    rng = np.random.default_rng(3)
    active, often = rng.integers(-1, 3, 900), rng.integers(0, 3, 900)
    return pd.DataFrame(
        {
            "phone_active_level": pd.Categorical.from_codes(active, dtype=pna.ACTIVE_LEVEL),
            "phone_frequency_grade": pd.Categorical.from_codes(often, dtype=pna.FREQUENCY_GRADE),
            "phone_lookup_status": pd.Categorical.from_codes(
                np.where(active < 0, 1, 0), dtype=pna.LOOKUP_STATUS
            ),
            "bad": (rng.random(900) < 0.3 - 0.1 * active).astype(int),
            "day": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(0, 150, 900), unit="D"),
        }
    )


DRAWN = {
    "risk_table": lambda df: risk.plot_risk_table(risk.risk_table(df, "active_level", "bad")),
    "cross_table": lambda df: risk.plot_cross_table(
        risk.cross_table(df, "active_level", "frequency_grade", "bad", small=70)
    ),
    "stability": lambda df: risk.plot_stability(risk.stability(df, None, "all", period="day")),
    "coverage": lambda df: risk.plot_coverage(risk.coverage(df)),
}


@pytest.fixture(autouse=True)
def plain_style():
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
    pyplot.close("all")


@pytest.mark.parametrize("name", DRAWN)
def test_it_looks_as_it_did(name, tmp_path):
    from matplotlib.testing.compare import compare_images

    drawn_on = (KEPT / "drawn_on.txt").read_text().strip()
    if drawn_on != PLACE:
        pytest.skip(f"the kept pictures were drawn on {drawn_on}, this is {PLACE}")
    DRAWN[name](book()).figure.savefig(
        tmp_path / f"{name}.png", dpi=50, metadata={"Software": None}
    )
    assert compare_images(str(KEPT / f"{name}.png"), str(tmp_path / f"{name}.png"), tol=2) is None


def test_the_risk_plot_holds_the_tables_numbers():
    """One axis, so that no second scale invites a comparison; lines apart are hollow."""
    frame = book()
    frame["phone_lookup_status"] = frame["phone_lookup_status"].where(frame["bad"] == 0, "failed")
    table = risk.risk_table(frame, "active_level", "bad")
    ax = risk.plot_risk_table(table)
    tested, apart, everybody = ax.get_lines()[0], ax.get_lines()[3], ax.get_lines()[-1]
    rates = table["bad_rate"].droplevel("signal")
    assert tested.get_ydata() == pytest.approx(rates[["low", "medium", "high", "no data"]])
    assert apart.get_ydata() == pytest.approx(rates[["failed"]])
    assert apart.get_markerfacecolor() == "none"
    asked = table[table["woe"].notna()]
    assert everybody.get_ydata()[0] == pytest.approx(asked["bads"].sum() / asked["n"].sum())
    assert [text.get_text().split("\n")[0] for text in ax.get_xticklabels()] == list(rates.index)
    assert ax.get_xlabel() == "phone_active_level"
    assert ax.figure.axes == [ax]


def test_a_small_pair_shows_its_count_and_no_rate():
    table = risk.cross_table(book(), "active_level", "frequency_grade", "bad", small=70)
    texts = [text.get_text() for text in risk.plot_cross_table(table).texts]
    assert [text.count("%") for text in texts] == [0 if few else 1 for few in table["small"]]
    assert 0 < int(table["small"].sum()) < 9


def test_a_pair_that_is_read_is_neither_hatched_nor_grey():
    ax = risk.plot_cross_table(
        risk.cross_table(book(), "active_level", "frequency_grade", "bad", small=70)
    )
    assert ax.patch.get_hatch()  # the ground, which shows only where a pair is not read
    assert np.ma.getmaskarray(ax.images[0].get_array()).sum() == 1
    colours = ax.images[0].get_cmap()(np.linspace(0, 1, 101))[:, :3]
    assert (np.ptp(colours, axis=1) > 0.09).all()


def test_pairs_that_were_filtered_away_stay_blank():
    table = risk.cross_table(book(), "active_level", "frequency_grade", "bad", small=70)
    table["small"] = table["n"] == table["n"].iloc[0]  # the first pair
    texts = [text.get_text() for text in risk.plot_cross_table(table[~table["small"]]).texts]
    assert texts == [
        "" if few else f"{rate:.1%}\nn {n}"
        for few, rate, n in zip(table["small"], table["bad_rate"], table["n"], strict=True)
    ]


def test_the_stability_plot_has_a_line_a_signal_and_the_usual_bands():
    ax = risk.plot_stability(risk.stability(book(), None, "all", period="day"))
    heights = {
        round(float(line.get_ydata()[0]), 2) for line in ax.get_lines() if len(line.get_ydata())
    }
    assert {0.1, 0.25} <= heights
    assert [text.get_text() for text in ax.get_legend().get_texts()][2:] == ["95% of no drift"]


def test_the_stability_plot_shows_the_chance_line_of_each_month():
    table = risk.stability(book(), "active_level", period="day")
    drawn = risk.plot_stability(table).get_lines()[1].get_ydata()
    limits = table["psi_limit"].xs("total", level="level")
    assert drawn == pytest.approx(limits.to_numpy(), nan_ok=True)


def test_a_month_without_rows_is_a_gap():
    frame = book()
    frame = frame[frame["day"].dt.month != 3]
    ax = risk.plot_stability(risk.stability(frame, None, "active_level", period="day"))
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        f"2026-{month:02}" for month in range(1, 6)
    ]
    assert np.isnan(ax.get_lines()[0].get_ydata()).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("name", ["risk_table", "stability", "coverage"])
def test_the_legend_stands_clear_of_the_picture(name):
    ax = DRAWN[name](book())
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y0 >= ax.bbox.y1 - 1
    assert ax.figure.bbox.y1 >= ax.get_legend().get_window_extent().y1


def test_each_level_has_a_mark_of_its_own_over_the_months():
    """Marks and dashes differ, so that print without colour can be read."""
    table = risk.by_period(book(), "active_level", "bad", "day")
    ax = risk.plot_by_period(table)
    styles = {(line[0].get_marker(), line[0].get_linestyle()) for line in ax.containers}
    assert len(styles) == 3
    drawn = ax.containers[0][0].get_ydata()
    low = table["bad_rate"].xs("low", level="level")
    assert drawn == pytest.approx(low.to_numpy())


def test_odds_ratios_stand_on_a_logarithmic_scale():
    """The line of no effect is 1, and a segment without an estimate has no point."""
    frame = book().assign(city=["A"] * 890 + ["B"] * 10)
    table = risk.segments(frame, "active_level", "bad", "city")
    ax = risk.plot_odds_ratios(table)
    assert ax.get_xscale() == "log"
    points = ax.containers[0][0].get_xdata()
    assert points == pytest.approx(table["odds_ratio"].to_numpy(), nan_ok=True)
    assert np.isnan(points[1])


def contrast(one, other):
    """WCAG's contrast ratio of two colours."""
    light = []
    for colour in (one, other):
        rgb = np.array(matplotlib.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("style", ["default", "dark_background", "grayscale", "ggplot"])
def test_every_text_reads_well_on_its_ground(style):
    rates = np.linspace(0.01, 0.4, 9)
    levels = pd.MultiIndex.from_product([list("abc"), list("xyz")], names=["one", "two"])
    pairs = pd.DataFrame({"n": 100, "bad_rate": rates, "small": False}, index=levels)
    with matplotlib.style.context(style):
        ax = risk.plot_cross_table(pairs)
        colours = ax.images[0].to_rgba(rates)[:, :3]
        for text, ground in zip(ax.texts, colours, strict=True):
            assert contrast(text.get_color(), ground) >= 4.5
        for text in risk.plot_coverage(risk.coverage(book())).texts:
            if text.get_text():
                assert contrast(text.get_color(), text.get_bbox_patch().get_facecolor()[:3]) >= 4.5
        page = matplotlib.rcParams["figure.facecolor"]
        for text in risk.plot_stability(risk.stability(book(), None, "all", period="day")).texts:
            assert contrast(text.get_color(), page) >= 4.5


@pytest.mark.parametrize(
    ("plot", "table", "more"),
    [
        (
            risk.plot_risk_table,
            lambda df: risk.risk_table(df, "active_level", "bad"),
            0,
        ),
        (
            risk.plot_cross_table,
            lambda df: risk.cross_table(df, "active_level", "frequency_grade", "bad"),
            1,
        ),  # colours
        (risk.plot_stability, lambda df: risk.stability(df, None, "all", period="day"), 0),
        (risk.plot_stability, lambda df: risk.stability(df, df, "all"), 0),
        (risk.plot_coverage, risk.coverage, 0),
    ],
)
def test_they_take_an_axes_and_make_no_figure_of_their_own(plot, table, more):
    figure, mine = pyplot.subplots()
    assert plot(table(book()), ax=mine) is mine
    assert pyplot.get_fignums() == [figure.number]
    assert len(figure.axes) == 1 + more


def test_nothing_is_imported_until_something_is_drawn():
    code = (
        "import sys, pandas as pd, pandas_numberactive as pna; "
        "df = pd.DataFrame({'active_level': pd.Categorical(['low', 'high'], dtype=pna.ACTIVE_LEVEL), 'bad': [0, 1]}); "
        "pna.risk.risk_table(df, 'all', 'bad')._repr_html_(); pna.risk.plot_risk_table; "
        "print([m for m in ('matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bad_input_is_told():
    table = risk.risk_table(book(), "all", "bad")
    months = risk.stability(book(), None, "all", period="day")
    for draw, part in (
        (risk.plot_risk_table, table.loc["phone_active_level"]),
        (risk.plot_risk_table, table.head(0)),
        (risk.plot_stability, months.drop("total", level="level")),
        (risk.plot_stability, months.xs("total", level="level")),
        (
            risk.plot_cross_table,
            risk.cross_table(book(), "active_level", "frequency_grade", "bad").reset_index(),
        ),
    ):
        with pytest.raises(
            RiskInputError, match=f"what {draw.__name__.removeprefix('plot_')} returns; pass"
        ):
            draw(part)
    with pytest.raises(RiskInputError, match="say which: signal='phone_active_level'"):
        risk.plot_risk_table(table)
    with pytest.raises(RiskInputError, match="holds no 'x'"):
        risk.plot_risk_table(table, signal="x")
    for plot, maker in (
        (risk.plot_cross_table, "cross_table"),
        (risk.plot_stability, "stability"),
        (risk.plot_coverage, "coverage"),
    ):
        with pytest.raises(RiskInputError, match=f"what {maker} returns"):
            plot(table)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    import builtins

    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name=name)
        return real(name, *args, **kwargs)

    table = risk.coverage(book())
    with monkeypatch.context() as patch:  # the figures are closed with matplotlib
        patch.setattr(builtins, "__import__", refuse)
        with pytest.raises(pna.errors.MissingExtraError, match=r"pandas-numberactive\[plot\]"):
            risk.plot_coverage(table)


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    for name, draw in DRAWN.items():
        draw(book()).figure.savefig(KEPT / f"{name}.png", dpi=50, metadata={"Software": None})
    (KEPT / "drawn_on.txt").write_text(PLACE + "\n")
