"""Habits of a notebook: run a cell again, add rows, write a file and read it back."""

from __future__ import annotations

import io

import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive.errors import ConfigurationError, PhoneColumnWarning


@pytest.fixture
def book() -> pd.DataFrame:
    """Three customers with made-up numbers; the last cell is none."""
    phones = ["0811 8899 532", "+62 812-3456-7890", "x"]
    return pd.DataFrame({"phone": phones, "name": ["a", "b", "c"]}, index=[5, 5, 9])


@pytest.fixture
def on_simulator() -> None:
    """Use the simulator with a store in memory."""
    pna.configure(environment="simulator", store=":memory:")


# --- the same cell again


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("details", [False, True])
def test_a_cell_that_runs_again_gives_the_same_frame(book, details):
    once = book.numberactive.enrich("phone", details=details)
    again = once.numberactive.enrich("phone", details=details)
    changing = ["phone_source"] if details else []  # new, then stored
    pd.testing.assert_frame_equal(again.drop(columns=changing), once.drop(columns=changing))


@pytest.mark.usefixtures("on_simulator")
def test_old_details_go_where_none_are_asked(book):
    out = book.numberactive.enrich("phone", details=True).numberactive.enrich("phone")
    assert [name for name in out if name.endswith(("request_id", "national"))] == []


@pytest.mark.usefixtures("on_simulator")
def test_new_rows_below_old_answers_are_enriched(book):
    out = book.numberactive.enrich("phone")
    more = pd.concat([out, pd.DataFrame({"phone": ["0813 1111 2222"], "name": ["d"]})])
    assert more.numberactive.enrich("phone")["phone_lookup_status"].iloc[-1] == "answered"


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("name", ["phone_active_level", "phone_lookup_status"])
def test_a_column_of_the_customers_own_is_kept(book, name):
    foreign = book.numberactive.enrich("phone").assign(**{name: "high"})
    with pytest.raises(ConfigurationError, match="restore_dtypes.*overwrite=True"):
        foreign.numberactive.enrich("phone")


@pytest.mark.usefixtures("on_simulator")
def test_attrs_of_the_frame_are_kept(book):
    book.attrs["source"] = "core banking"
    assert book.numberactive.enrich("phone").attrs == {"source": "core banking"}


# --- two columns


@pytest.mark.filterwarnings("ignore::pandas_numberactive.errors.IncompleteRunWarning")
def test_a_cap_buys_two_columns_row_by_row(vendor, as_production):
    as_production()
    rows = range(6)
    df = pd.DataFrame(
        {"a": [f"081100000{i:02}" for i in rows], "b": [f"081300000{i:02}" for i in rows]}
    )
    out = df.numberactive.enrich(["a", "b"], max_charges=6)
    bought = out[["a_lookup_status", "b_lookup_status"]].ne("not_bought").sum()
    assert bought.tolist() == [3, 3]
    assert vendor.ledger.total == 6


# --- files


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("details", [False, True])
def test_excel_and_back_gives_equal_dtypes_and_values(book, details, tmp_path):
    out = book.reset_index(drop=True).numberactive.enrich("phone", details=details)
    pna.plain_dtypes(out).to_excel(tmp_path / "out.xlsx", index=False)
    back = pna.restore_dtypes(pd.read_excel(tmp_path / "out.xlsx", dtype={"phone": str}))
    moment = "phone_looked_up_at"  # Excel keeps milliseconds
    assert (back.pop(moment) - out.pop(moment)).abs().max() <= pd.Timedelta("1ms")
    pd.testing.assert_frame_equal(back, out)


@pytest.mark.usefixtures("on_simulator")
@pytest.mark.parametrize("plain", [False, True])
def test_csv_and_back_gives_equal_dtypes_and_values(book, plain):
    out = book.reset_index(drop=True).numberactive.enrich("phone", details=True)
    written = (pna.plain_dtypes(out) if plain else out).to_csv(index=False)
    back = pna.restore_dtypes(pd.read_csv(io.StringIO(written), dtype=str))
    pd.testing.assert_frame_equal(back, out)


@pytest.mark.usefixtures("on_simulator")
def test_plain_times_are_on_the_clock_of_the_timezone(book):
    out = book.numberactive.enrich("phone")["phone_looked_up_at"].iloc[0]
    plain = pna.plain_dtypes(book.numberactive.enrich("phone"))["phone_looked_up_at"].iloc[0]
    assert plain == out.tz_convert("Asia/Jakarta").tz_localize(None)
    with pna.override(timezone="UTC"):
        plain = pna.plain_dtypes(book.numberactive.enrich("phone"))["phone_looked_up_at"].iloc[0]
    assert plain == out.tz_localize(None)


@pytest.mark.parametrize("cell", ["05/06/2026", "46178.4", 46178.4, "2026-02-30", "2026", True])
def test_a_date_that_is_not_iso_or_not_real_is_refused(cell):
    frame = pd.DataFrame({"a_lookup_status": ["answered"], "a_looked_up_at": [cell]})
    with pytest.raises(ConfigurationError, match="a_looked_up_at.*no date such as 2026-01-31"):
        pna.restore_dtypes(frame)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-01-31 07:00:00+00:00", "2026-01-31 07:00"),
        ("2026-01-31T14:00:00+07:00", "2026-01-31 07:00"),
        ("2026-01-31 14:00", "2026-01-31 07:00"),
        ("2026-01-31", "2026-01-30 17:00"),
        (pd.Timestamp("2026-01-31 14:00"), "2026-01-31 07:00"),
    ],
)
def test_a_time_without_a_zone_is_jakartas(cell, moment):
    frame = pd.DataFrame({"a_lookup_status": ["answered"], "a_looked_up_at": [cell]})
    back = pna.restore_dtypes(frame)["a_looked_up_at"].iloc[0]
    assert back == pd.Timestamp(moment, tz="UTC")


# --- other frames, small frames


class Polars:
    """A stand-in for a frame of another library."""

    __module__ = "polars.dataframe.frame"

    def to_pandas(self) -> None:
        """Be recognised."""


def test_a_frame_of_polars_is_answered_with_the_way_to_pandas():
    pna.configure(environment="simulator", store=":memory:")
    with pytest.raises(ConfigurationError, match=r"df\.to_pandas\(\).*polars"):
        pna.enrich(Polars(), "phone")


@pytest.mark.usefixtures("on_simulator")
def test_one_row_of_no_phone_warns_too():
    with pytest.warns(PhoneColumnWarning, match="1 of 1 filled cells"):
        pd.DataFrame({"phone": ["x"]}).numberactive.enrich("phone")
