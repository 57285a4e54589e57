"""The main job against the simulator: the ledger of the vendor's double and the result frame agree to the cell."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import inspect
import warnings

import numpy as np
import pandas as pd
import pytest

import pandas_numberactive as pna
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive._run.options import Options
from pandas_numberactive._store import workers
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    ConfirmationRequiredError,
    IncompleteRunWarning,
    InvalidPhoneError,
    LookupFailedError,
    PhoneColumnWarning,
    UnknownValueWarning,
    VendorError,
)
from pandas_numberactive.simulator import Faults, Simulator, customers

KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
RESULT = ["phone_telco_type", "phone_active_level", "phone_frequency_grade"]


def shipped() -> pd.DataFrame:
    return customers(5000)


def expected(vendor, cell):
    """What the vendor's double says of a cell, in our words; None where the cell is no number."""
    national, _ = parse_phone(cell)
    if national is None:
        return None
    said = vendor.answer(national)
    telco = {0: None, 1: "prepaid", 2: "postpaid"}[said["telcoType"]]
    return telco, *(
        None if said[name] == "NA" else said[name] for name in ("activeLevel", "frequencyGrade")
    )


def cells(frame):
    return [
        tuple(None if pd.isna(v) else v for v in row)
        for row in frame[RESULT].itertuples(index=False)
    ]


@pytest.mark.parametrize(
    "again", [{"budget": 2500.0}, {"budget": np.int64(2500)}, {"budget": np.float32(2500)}]
)
def test_a_killed_run_keeps_its_cap_in_whatever_type_it_is_said_again(
    as_production, vendor, monkeypatch, again
):
    as_production(max_concurrency=1)
    leave = workers.leave

    def killed(db, engine, *, finished, **who):
        leave(db, engine, finished=False, **who)  # no end record

    monkeypatch.setattr(workers, "leave", killed)
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(20)]})
    for cap in ({"budget": 2500}, again):
        df.numberactive.enrich("phone", **cap)
    assert vendor.ledger.total == 5
    for cap in (8, np.int64(8)):  # another cap is no other run
        df.numberactive.enrich("phone", max_charges=cap)
        assert vendor.ledger.total == 8


def test_five_thousand_messy_rows_cost_their_distinct_numbers_and_every_cell_is_the_vendors(
    as_production, vendor
):
    as_production(max_concurrency=64)
    df = shipped()
    numbers = {national for cell in df["phone"] if (national := parse_phone(cell)[0])}
    assert len(numbers) > 3000
    out = df.numberactive.enrich("phone", max_charges=5000)
    assert vendor.ledger.charged_phones() == dict.fromkeys(numbers, 1)
    wanted = [expected(vendor, cell) for cell in df["phone"]]
    assert [row for row, want in zip(cells(out), wanted, strict=True) if want] == [
        w for w in wanted if w
    ]
    assert out["phone_telco_type"].dtype == pna.TELCO_TYPE
    assert out["phone_active_level"].dtype == pna.ACTIVE_LEVEL
    assert out["phone_frequency_grade"].dtype == pna.FREQUENCY_GRADE
    assert out["phone_lookup_status"].dtype == pna.LOOKUP_STATUS
    assert set(out["phone_active_level"].dropna()) == {"low", "medium", "high"}
    report = pna.last_run()
    assert (report.bought, report.charged, report.cost) == (
        len(numbers),
        len(numbers),
        500.0 * len(numbers),
    )

    shuffled = df.sample(frac=1, random_state=1).assign(extra=1)
    again = shuffled.numberactive.enrich("phone")
    halves = pd.concat(
        [df.iloc[:2000].numberactive.enrich("phone"), df.iloc[2000:].numberactive.enrich("phone")]
    )
    assert vendor.ledger.total == len(numbers)
    new = [*RESULT, "phone_lookup_status", "phone_looked_up_at"]
    pd.testing.assert_frame_equal(again[new].sort_index(), out[new])
    pd.testing.assert_frame_equal(halves[new], out[new])


def test_a_small_book_keeps_index_rows_and_order(as_production, vendor, book):
    as_production()
    out = book.numberactive.enrich("phone", details=True)
    assert out.index.tolist() == [5, 5, 4, 3, 2, 1]
    assert out["phone_lookup_status"].tolist()[-2:] == ["invalid", "missing"]
    nationals = ["8118899532", "8118899532", "8123456789", "8579876543"]
    assert out["phone_national"].tolist()[:4] == nationals
    assert vendor.ledger.total == 3
    assert out["phone_source"].tolist()[:4] == ["new"] * 4
    assert out["phone_charged"].tolist()[:4] == [True] * 4
    problems = pna.last_run().problems
    assert problems["reason"].tolist() == ["several_numbers"]
    assert "0812" not in problems["cell"].iloc[0][4:]


def test_two_phone_columns_share_one_purchase(as_production, vendor):
    as_production()
    df = pd.DataFrame(
        {"home": ["08118899532", "08123456789"], "work": ["08123456789", "08139999999"]}
    )
    out = df.numberactive.enrich(["home", "work"])
    assert vendor.ledger.total == 3
    assert out["home_active_level"].astype(object)[1] == out["work_active_level"].astype(object)[
        0
    ] or (pd.isna(out["home_active_level"][1]) and pd.isna(out["work_active_level"][0]))


@pytest.mark.parametrize("encoding", ["json", "form"])
def test_production_works_from_environment_variables_alone(monkeypatch, tmp_path, encoding):
    with Simulator(stand_in=True, app_key="k", secret="s", encoding=encoding) as vendor:
        for name, value in {
            "APP_KEY": "k",
            "SECRET": "s",
            "ENVIRONMENT": "production",
            "BASE_URL": vendor.base_url,
            "STORE": str(tmp_path / "x.sqlite3"),
        }.items():
            monkeypatch.setenv(f"NUMBERACTIVE_{name}", value)
        if encoding == "form":
            pna.configure(encoding="form")
        df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(1000)]})
        out = df.numberactive.enrich("phone")
        assert vendor.ledger.total == 1000
        assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
        more = pd.DataFrame({"phone": [f"0812{i:07d}" for i in range(1001)]})
        with pytest.raises(ConfirmationRequiredError, match="max_charges=1001"):
            more.numberactive.enrich("phone")
        assert vendor.ledger.total == 1000
        more.numberactive.enrich("phone", max_charges=1001)
        assert vendor.ledger.total == 2001


def test_the_cap_holds_and_says_so_once(as_production, vendor):
    as_production()
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(100)]})
    out = df.numberactive.enrich("phone", max_charges=30)
    assert "Stopped at your cap: 30 of 100 bought; 70 left" in repr(pna.last_run())
    assert vendor.ledger.total == 30
    assert (out["phone_lookup_status"] == "not_bought").sum() == 70
    assert pna.last_run().complete is False
    for budget, total in ((20 * 500, 30), (50 * 500, 50)):  # it counts what was charged before
        df.numberactive.enrich("phone", budget=budget)
        assert vendor.ledger.total == total


def test_under_a_cap_the_first_rows_are_bought_however_long_their_numbers_are(
    as_production, vendor
):
    as_production(max_concurrency=64)
    phones = [f"0811{i:07d}" for i in range(40)] + [
        f"0811{i:06d}" for i in range(40)
    ]  # the shorter numbers are smaller
    out = pd.DataFrame({"phone": phones[::-1] + phones[:5]}).numberactive.enrich(
        "phone", max_charges=50
    )
    assert (out["phone_lookup_status"].head(50) != "not_bought").all()
    assert (out["phone_lookup_status"].iloc[50:80] == "not_bought").all()
    report = pna.last_run()
    assert (report.capped, report.stopped_by, report.not_bought) == (
        True,
        "the cap of 50 charges",
        30,
    )


def test_a_random_pilot_is_the_same_sample_whatever_the_order_of_rows(
    as_production, vendor, quiet_incomplete
):
    as_production()
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(200)]})
    first = df.numberactive.enrich("phone", max_charges=20, order="random", seed=3)
    bought = set(df["phone"][first["phone_lookup_status"] != "not_bought"])
    assert bought != set(df["phone"][:20])
    with Simulator(stand_in=True, app_key="made-up-key", secret="made-up-secret") as other:
        pna.configure(base_url=other.base_url, store=None)
        df[::-1].numberactive.enrich("phone", max_charges=20, order="random", seed=3)
        assert {"0" + phone for phone in other.ledger.charged_phones()} == bought


def test_refresh_and_max_age_buy_again_and_the_plan_says_how_many(as_production, vendor):
    as_production()
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(10)]})
    df.numberactive.enrich("phone")
    assert df.numberactive.plan("phone").to_buy == 0
    assert df.numberactive.plan("phone", max_age="30D").to_buy == 0
    refresh = df.numberactive.plan("phone", refresh=True)
    assert (refresh.to_buy, refresh.outdated, refresh.cost) == (10, 10, 5000.0)
    assert vendor.ledger.total == 10
    df.numberactive.enrich("phone", refresh=True)
    assert vendor.ledger.total == 20
    assert pna.spend("environment")["charged"].tolist() == [20]


def test_a_wrong_secret_costs_five_calls_and_raises_the_vendors_words(vendor, tmp_path):
    pna.configure(
        environment="production",
        base_url=vendor.base_url,
        app_key="made-up-key",
        secret="wrong",
        store=str(tmp_path / "s.sqlite3"),
        max_concurrency=64,
    )
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(300)]})
    with pytest.raises(VendorError, match="10003.*invalid appKey or token") as caught:
        df.numberactive.enrich("phone")
    assert len(vendor.calls) == 0
    assert vendor.ledger.total == 0
    partial = caught.value.partial
    assert len(partial) == 300
    assert (partial["phone_lookup_status"] == "failed").sum() <= 5
    assert caught.value.code == "10003"
    assert "wrong" not in str(caught.value)


def test_no_credentials_says_which_variables_and_names_the_simulator():
    with pytest.raises(ConfigurationError, match=r"NUMBERACTIVE_APP_KEY.*simulator"):
        pd.DataFrame({"phone": ["08118899532"]}).numberactive.enrich("phone")


def test_a_missing_column_names_its_near_miss(book):
    pna.configure(environment="simulator", store=":memory:")
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'phone'"):
        book.numberactive.enrich("Phone ")
    with pytest.raises(KeyError):
        book.numberactive.enrich("zzz")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["08118899532", "x", None], dtype=object),
        pd.Series(["08118899532", "x", None], dtype="string"),
        pd.Series(["08118899532", "x", None], dtype="string[pyarrow]"),
        pd.Series(["08118899532", "x", None], dtype="category"),
        pd.Series([8118899532, 5, None], dtype="Int64"),
        pd.Series([8118899532.0, 5.0, np.nan]),
    ],
    ids=lambda s: str(s.dtype),
)
def test_every_dtype_of_phone_column_works(column):
    pna.configure(environment="simulator", store=":memory:")
    warned = (
        pytest.warns(PhoneColumnWarning)
        if pd.api.types.is_numeric_dtype(column)
        else contextlib.nullcontext()
    )
    with warned:
        out = pd.DataFrame({"phone": column}).numberactive.enrich("phone")
    assert out["phone_lookup_status"].tolist() == ["answered", "invalid", "missing"]


def test_empty_and_blank_frames_and_odd_indexes_work():
    pna.configure(environment="simulator", store=":memory:")
    empty = pd.DataFrame({"phone": pd.Series([], dtype=object)}).numberactive.enrich("phone")
    assert len(empty) == 0
    assert empty["phone_active_level"].dtype == pna.ACTIVE_LEVEL
    blank = pd.DataFrame({"phone": [None, ""]}).numberactive.enrich("phone")
    assert blank["phone_lookup_status"].tolist() == ["missing", "missing"]
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 1)])
    both = pd.DataFrame({"phone": ["08118899532"] * 2}, index=index).numberactive.enrich("phone")
    assert both.index.equals(index)
    twins = pd.DataFrame(
        [["x", "y", "08118899532"]], columns=["a", "a", "phone"]
    ).numberactive.enrich("phone")
    assert twins.shape == (1, 8)


def test_columns_of_several_levels_and_existing_columns_are_refused(book):
    pna.configure(environment="simulator", store=":memory:")
    levels = pd.DataFrame([["08118899532"]], columns=pd.MultiIndex.from_tuples([("a", "phone")]))
    with pytest.raises(ConfigurationError, match="Flatten"):
        levels.numberactive.enrich(("a", "phone"))
    out = book.numberactive.enrich("phone")
    foreign = out.assign(phone_active_level="high")
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        foreign.numberactive.enrich("phone")
    assert out.numberactive.enrich("phone", overwrite=True).columns.tolist() == out.columns.tolist()
    whole = book.numberactive.enrich("phone", details=True)
    again = whole.numberactive.enrich(
        "phone", overwrite=True, refresh=True
    )  # no old requestId beside a new answer
    assert again.columns.tolist() == out.columns.tolist()
    own = book.assign(phone_reason="fraud").numberactive.enrich("phone")
    assert own.numberactive.enrich("phone", overwrite=True)["phone_reason"].tolist() == [
        "fraud"
    ] * len(book)


def test_errors_raise_refuses_before_and_raises_after(as_production, vendor, book):
    as_production()
    with pytest.raises(InvalidPhoneError, match="row 2"):
        book.numberactive.enrich("phone", errors="raise")
    assert not vendor.calls
    with Simulator(
        stand_in=True,
        app_key="made-up-key",
        secret="made-up-secret",
        faults=Faults(script={"query:8118899532": ["code_free"]}),
    ) as failing:
        pna.configure(base_url=failing.base_url, store=None)
        df = pd.DataFrame({"phone": ["08118899532", "08123456789"]})
        with pytest.raises(LookupFailedError) as caught:
            df.numberactive.enrich("phone", errors="raise")
        assert caught.value.partial["phone_lookup_status"].tolist()[0] == "failed"
        again = df.numberactive.enrich("phone")
        assert again["phone_lookup_status"].isin(["answered", "no_data"]).all()
        assert failing.ledger.total == 2


def test_a_numeric_phone_column_works_and_warns():
    pna.configure(environment="simulator", store=":memory:")
    df = pd.DataFrame({"phone": [8118899532.0, 628119000000.0]})
    (said,) = df.numberactive.plan("phone").warnings
    with pytest.warns(PhoneColumnWarning, match="leading zeros") as caught:
        assert df.numberactive.enrich("phone")["phone_lookup_status"].tolist() == [
            "answered",
            "invalid",
        ]
    assert [str(one.message) for one in caught] == [said]


def test_a_column_of_something_else_warns_before_anything_is_bought(as_production, vendor):
    as_production()
    df = pd.DataFrame(
        {
            "phone": [*"abcdef", *[f"0811{i:07d}" for i in range(4)], None],
            "few": [*"abcdefghi", None, None],
        }
    )
    df["half"] = [*"abcde", *[f"0811{i:07d}" for i in range(5)], ""]
    said, few = df.numberactive.plan(["phone", "few", "half"]).warnings
    assert "6 of 10 filled cells of column 'phone'" in said
    assert "9 of 9 filled cells of column 'few'" in few
    assert not df.numberactive.plan(["half"]).warnings
    with warnings.catch_warnings():
        warnings.simplefilter("error", PhoneColumnWarning)
        with pytest.raises(PhoneColumnWarning, match="right column"):
            df.numberactive.enrich("phone")
    assert not vendor.calls
    with pytest.warns(PhoneColumnWarning, match="right column"):
        df["phone"].numberactive.enrich()
    assert vendor.ledger.total == 4


def test_a_column_given_for_its_name_and_a_list_for_a_number_are_told_what_to_do(play):
    column = play["phone"]
    for front in (pna.enrich, pna.plan, pna.start):
        with pytest.raises(ConfigurationError, match="Pass the column's name"):
            front(play, column)
        with pytest.raises(
            ConfigurationError, match=r"not a Series: use series\.numberactive\.enrich"
        ):
            front(column, "phone")
    for odd in (column.to_numpy(), [column], {"phone"}):
        with pytest.raises(ConfigurationError, match="Name the phone column"):
            play.numberactive.enrich(odd)
    with pytest.raises(ConfigurationError, match="not a list: make it a pandas DataFrame"):
        pna.enrich(["08118899532"], "phone")
    for many in (["08118899532"], column, column.to_numpy(), {"08118899532"}):
        with pytest.raises(InvalidPhoneError, match=r"takes one number.*numberactive\.enrich"):
            pna.lookup(many)
        with pytest.raises(InvalidPhoneError, match="takes one number"):
            asyncio.run(pna.alookup(many))


def test_series_lookup_start_and_await_all_share_the_store(as_production, vendor):
    as_production()
    series = pd.Series(["08118899532"])
    assert series.numberactive.enrich().columns.tolist()[0] == "phone_telco_type"
    assert series.numberactive.normalize()["national"].tolist() == ["8118899532"]
    assert pna.lookup("+62 811 8899 532").source == "stored"
    df = series.to_frame("phone")
    job = df.numberactive.start("phone")
    assert job.result().shape == (1, 6)
    assert "done" in repr(job)

    async def main():
        awaited = await df.numberactive.start("phone")
        return awaited, await df.numberactive.aenrich("phone"), await pna.alookup(8118899532)

    awaited, enriched, one = asyncio.run(main())
    pd.testing.assert_frame_equal(awaited, enriched)
    assert one.status in ("answered", "no_data")
    assert vendor.ledger.total == 1


def test_a_simulators_answer_is_refused_in_production(tmp_path):
    with Simulator(app_key="k", secret="s") as marked:
        pna.configure(
            environment="production",
            base_url=marked.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "p.sqlite3"),
        )
        with pytest.raises(VendorError, match="simulator answered"):
            pd.DataFrame({"phone": ["08118899532"]}).numberactive.enrich("phone")
        assert marked.ledger.total == 0


def test_dtypes_come_back_after_csv(as_production, tmp_path):
    as_production()
    out = pd.DataFrame({"phone": ["08118899532", "x"]}).numberactive.enrich("phone", details=True)
    out.to_csv(tmp_path / "x.csv", index=False)
    back = pna.restore_dtypes(
        pd.read_csv(tmp_path / "x.csv", dtype={"phone": str, "phone_national": str})
    )
    new = [name for name in out if name.startswith("phone_")]
    pd.testing.assert_frame_equal(back[new], out[new])


def test_a_national_number_keeps_its_digits_where_csv_made_it_a_float(as_production, tmp_path):
    as_production()
    out = pd.DataFrame({"phone": ["08118899532", "x"]}).numberactive.enrich("phone", details=True)
    out.to_csv(tmp_path / "x.csv", index=False)
    raw = pd.read_csv(tmp_path / "x.csv")
    assert raw["phone_national"].dtype == "float64"
    pd.testing.assert_series_equal(pna.restore_dtypes(raw)["phone_national"], out["phone_national"])


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ([8118899532.0, None, 1.5, 1e17], ["8118899532", None, "1.5", "1e+17"]),
        (pd.array([8118899532, None], dtype="Int64"), ["8118899532", None]),
        (
            np.array([8118899532.0], "float32"),
            ["8118899712.0"],
        ),  # has lost digits, and must look like it
        (pd.Series([8118899532.0, "x", None], dtype=object), ["8118899532", "x", None]),
        (pd.Series([8118899532, np.nan], dtype=object), ["8118899532", None]),
    ],
)
def test_only_a_float_that_holds_every_digit_becomes_digits(cells, texts):
    frame = pd.DataFrame({"phone_national": cells})
    frame["phone_lookup_status"] = pd.Categorical(
        ["answered"] * len(frame), dtype=pna.LOOKUP_STATUS
    )
    back = pna.restore_dtypes(frame)["phone_national"].astype(object)
    assert back.where(back.notna(), None).tolist() == texts


async def _awaited(df):
    return await pna.aenrich(df, "phone")


@pytest.mark.parametrize(
    ("front", "own_line"),
    [
        (lambda df: df.numberactive.enrich("phone"), True),
        (lambda df: df["phone"].numberactive.enrich(), True),
        (lambda df: asyncio.run(_awaited(df)), True),
        (lambda df: pna.lookup(df["phone"].iloc[0]), True),
        (lambda df: pna.start(df, "phone").result(), True),
    ],
)
def test_a_value_that_nobody_listed_is_warned_of_at_the_users_line(tmp_path, front, own_line):
    with Simulator(stand_in=True, **KEYS, faults=Faults(query={"unknown_value": 1.0})) as odd:
        pna.configure(
            **KEYS,
            environment="production",
            base_url=odd.base_url,
            store=str(tmp_path / "s.sqlite3"),
        )
        with pytest.warns(UnknownValueWarning, match="1 answers") as caught:
            front(pd.DataFrame({"phone": ["08118899532"]}))
    assert [warned.filename == __file__ for warned in caught] == [own_line]


CHANGES = {
    "sort": lambda df: df.sort_values("phone", inplace=True),
    "set": lambda df: df.__setitem__("phone", df["phone"].iloc[::-1].tolist()),
    "set one": lambda df: df.at.__setitem__((0, "phone"), "0811 0000 999"),
    "drop": lambda df: df.drop(df.index[:2], inplace=True),
    "add": lambda df: df.loc.__setitem__(99, "0811 0000 999"),
}


@pytest.mark.parametrize("front", ["start", "aenrich"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_a_frame_changed_while_it_is_bought_stays_right(as_production, vendor, front, change):
    """Rows that were sorted in place meanwhile got the answers of other numbers."""
    as_production()
    df = pd.DataFrame({"phone": [f"8116{(7 * i) % 20:06d}" for i in range(20)]})
    before = df["phone"].tolist()

    async def awaited():
        task = asyncio.ensure_future(pna.aenrich(df, "phone", details=True))
        await asyncio.sleep(0)  # it has begun
        CHANGES[change](df)
        return await task

    if front == "start":
        job = pna.start(df, "phone", details=True)
        CHANGES[change](df)
        out = job.result()
    else:
        out = asyncio.run(awaited())
    assert out["phone"].tolist() == out["phone_national"].tolist() == before
    assert cells(out) == [expected(vendor, cell) for cell in before]


def test_answers_of_a_later_date_than_today_are_warned_of(as_production, vendor, monkeypatch):
    """A clock that stood years ahead had bought them, and a refresh then bought nothing silently."""
    as_production()
    df = pd.DataFrame({"phone": ["08118899001", "08118899002"]})
    real = LookupStore.now
    with monkeypatch.context() as ahead:
        ahead.setattr(LookupStore, "now", lambda self: real(self) + 10**12)  # 11 days
        df.numberactive.enrich("phone")
    with pytest.warns(IncompleteRunWarning, match="later than now.*clock"):
        df.numberactive.enrich("phone", refresh=True)
    assert vendor.ledger.total == 2


def test_a_failing_progress_bar_costs_nothing(as_production, vendor, monkeypatch):
    as_production()
    from pandas_numberactive._pandas import bar as progress

    def broken(now):
        raise RuntimeError("no bar today")

    monkeypatch.setattr(progress, "_in_terminal", lambda: True)
    monkeypatch.setattr(progress, "_Terminal", broken)
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(50)]})
    out = df.numberactive.enrich("phone", progress=True)
    assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
    assert vendor.ledger.total == 50


def test_faults_on_both_steps_cost_no_number_twice(tmp_path):
    rates = {
        "drop_before": 0.04,
        "drop_after": 0.04,
        "http_500": 0.02,
        "http_500_after": 0.02,
        "truncated": 0.02,
        "html": 0.02,
    }
    with (
        Simulator(
            stand_in=True, app_key="k", secret="s", faults=Faults(handle=rates, query=rates, seed=5)
        ) as vendor,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", IncompleteRunWarning)
        pna.configure(
            environment="sandbox",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "f.sqlite3"),
            max_concurrency=64,
        )
        df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(400)]})
        for _ in range(6):
            out = df.numberactive.enrich("phone")
            if out["phone_lookup_status"].isin(["answered", "no_data"]).all():
                break
        assert out["phone_lookup_status"].isin(["answered", "no_data"]).all()
        assert vendor.ledger.double_charged() == []
        assert vendor.ledger.total == 400


@pytest.fixture
def play(book, tmp_path):
    pna.configure(environment="simulator", store=str(tmp_path / "play.sqlite3"), unit_price=500.0)
    return book


@pytest.mark.parametrize(
    "age",
    [
        "180",
        180,
        180.0,
        True,
        "6m",
        "6M",
        "6mo",
        "1y",
        "-5D",
        "D",
        "",
        np.timedelta64(3, "M"),
        pd.NaT,
    ],
)
def test_an_age_without_one_clear_unit_is_refused_and_buys_nothing(as_production, vendor, age):
    as_production()
    df = pd.DataFrame({"phone": ["08118899532"]})
    df.numberactive.enrich("phone")
    with pytest.raises(ConfigurationError, match='"180D"'):
        df.numberactive.enrich("phone", max_age=age)
    with pytest.raises(ConfigurationError, match='"180D"'):
        pna.lookup("08118899532", max_age=age)
    with pna.LookupStore() as store:
        with pytest.raises(ConfigurationError, match='"180D"'):
            store.purge(older_than=age)
        assert len(store) == 1
    assert vendor.ledger.total == 1


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        ("180D", 15552000),
        ("1 day 12h", 129600),
        ("2W", 1209600),
        ("90min", 5400),
        ("30 s", 30),
        ("1.5 hours", 5400),
        (pd.Timedelta("3D"), 259200),
        (dt.timedelta(1), 86400),
        (np.timedelta64(3, "D"), 259200),
    ],
)
def test_an_age_with_its_unit_is_read(age, seconds):
    assert Options(max_age=age).seconds == seconds


@pytest.mark.parametrize("cap", [2**63 - 1, 1e18, np.int64(2**63 - 1)])
def test_the_largest_cap_is_kept(play, cap):
    pna.enrich(play, "phone", max_charges=cap)
    assert pna.last_run().complete


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"refresh": "no"}, "refresh must be True or False, not 'no' (str)"),
        ({"overwrite": 1}, "not 1 (int)"),
        ({"details": None}, "not a NoneType"),
        ({"retry_failed": pd.NA}, "not a NAType"),
        ({"progress": "yes"}, """progress must be True, False or "auto", not 'yes' (str)"""),
        ({"max_charges": "5"}, "not '5' (str)"),
        ({"max_charges": 2**63}, "at most 9,223,372,036,854,775,807"),
        ({"max_charges": 1e19}, "at most 9,223,372,036,854,775,807"),
        ({"max_charges": 10**400}, "at most 9,223,372,036,854,775,807"),
        ({"budget": 10**400}, "an amount of at least 0"),
        ({"budget": "5"}, "not '5' (str)"),
        ({"prefix": 3}, "not 3 (int)"),
        (
            {"order": "random", "seed": "x"},
            "seed must be a whole number of at least 0, not 'x' (str)",
        ),
        ({"seed": -1}, "not -1 (int)"),
        ({"seed": True}, "not True (bool)"),
        ({"seed": 1.0}, "not 1.0 (float)"),
        ({"seed": None}, "not a NoneType"),
        ({"max_charge": 5}, "Did you mean 'max_charges'?"),
        ({"nonsense": 5}, "The options are: prefix, "),
    ],
)
def test_every_front_refuses_a_wrong_option_and_says_why(play, options, says):
    series = play["phone"]
    fronts = [
        lambda: pna.enrich(play, "phone", **options),
        lambda: asyncio.run(pna.aenrich(play, "phone", **options)),
        lambda: pna.start(play, "phone", **options).result(),
        lambda: pna.plan(play, "phone", **options),
        lambda: play.numberactive.enrich("phone", **options),
        lambda: series.numberactive.enrich(**options),
        lambda: series.numberactive.plan(**options),
    ]
    for front in fronts:
        with pytest.raises(ConfigurationError) as caught:
            front()
        assert says in str(caught.value)
    with pna.LookupStore() as store:
        assert len(store) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"max_charges": 1},
            "There is no option 'max_charges' of lookup. The options are: refresh, max_age.",
        ),
        ({"max_ages": "1D"}, "Did you mean 'max_age'?"),
    ],
)
def test_an_option_that_a_single_lookup_does_not_have_is_named(play, options, says):
    with pytest.raises(ConfigurationError) as caught:
        pna.lookup("08118899532", **options)
    assert says in str(caught.value)
    assert inspect.iscoroutinefunction(pna.alookup)
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(pna.alookup("08118899532", **options))
    assert says.replace("lookup", "alookup") in str(caught.value)
    with pna.LookupStore() as store:
        assert len(store) == 0


@pytest.mark.parametrize("name", ["enrich", "plan", "normalize"])
@pytest.mark.parametrize(("names", "options"), [(["phone"], {}), ([], {"column": "phone"})])
def test_a_series_says_that_it_needs_no_columns_name(play, name, names, options):
    with pytest.raises(ConfigurationError, match=rf"series\.numberactive\.{name}\(\)"):
        getattr(play["phone"].numberactive, name)(*names, **options)


def test_numpys_integers_seed_the_same_sample(play, quiet_incomplete):
    def sample(seed):
        with pna.override(store=":memory:"):
            out = play.numberactive.enrich(
                "phone", order="random", seed=seed, max_charges=1, refresh=True
            )
            return out["phone_lookup_status"].astype(str).tolist()

    assert sample(np.int64(7)) == sample(7)
    assert "not_bought" in sample(7)


def test_numpys_booleans_are_booleans(play):
    assert (
        play.numberactive.plan("phone", refresh=np.bool_(True), overwrite=np.bool_(False)).to_buy
        == 3
    )


def test_help_shows_the_options_of_enrich_on_every_front(play):
    options = list(inspect.signature(pna.enrich).parameters.values())[2:]
    fronts = [
        pna.aenrich,
        pna.start,
        pna.plan,
        *(getattr(play.numberactive, n) for n in ("enrich", "aenrich", "start")),
    ]
    fronts += [
        play.numberactive.plan,
        play["phone"].numberactive.enrich,
        play["phone"].numberactive.plan,
    ]
    for front in fronts:
        shown = list(inspect.signature(front).parameters.values())[-len(options) :]
        assert [(one.name, one.default, one.kind) for one in shown] == [
            (o.name, o.default, o.kind) for o in options
        ]


def test_a_failed_lookup_prints_what_the_vendor_said_and_no_whole_number(vendor, tmp_path):
    vendor.faults = Faults(query={"code_free": 1.0})
    pna.configure(
        environment="production",
        base_url=vendor.base_url,
        app_key="made-up-key",
        secret="made-up-secret",
        store=str(tmp_path / "s.sqlite3"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteRunWarning)
        said = repr(pna.lookup("08118899532"))
    assert "failed, code 11008, " in said
    assert "8118899532" not in said


def test_an_answered_lookup_prints_no_code(play):
    assert "code" not in repr(pna.lookup("08118899532"))


def test_the_warning_for_whole_numbers_says_how_to_read_them():
    """A whole sentence with the call that keeps the zeros."""
    pna.configure(environment="simulator", store=":memory:")
    (said,) = pd.DataFrame({"phone": [8118899532]}).numberactive.plan("phone").warnings
    assert said == (
        "Column 'phone' is int64, so its leading zeros are lost. Read it as text, with "
        "pd.read_csv(..., dtype={'phone': str})."
    )


def lines_of(plan: pna.Plan) -> dict[str, str]:
    """Return a plan's lines by their labels."""
    return dict(plan.lines())


def test_a_raised_cap_is_planned_as_what_it_adds(as_production):
    """ "at most 4 charges" beside the price of 1 would not add up."""
    as_production()
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(10)]})
    assert lines_of(df.numberactive.plan("phone", max_charges=3))["to buy"] == (
        "10, at most 3 charges"
    )
    df.numberactive.enrich("phone", max_charges=3)
    made = df.numberactive.plan("phone", max_charges=4)
    charged = made.run_charged
    assert lines_of(made)["to buy"].endswith(
        f", at most {4 - charged} more charges ({charged} of 4 charged)"
    )
    assert made.cost == 500 * (4 - charged)


def test_plan_and_bill_count_begun_numbers_the_same(as_production, vendor):
    """A look-up whose answer is not ready is open: the next call finishes it."""
    as_production(poll_for=0)
    df = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(4)]})
    vendor.pending_times = 1
    with pytest.warns(pna.errors.IncompleteRunWarning, match="4 pending"):
        df.numberactive.enrich("phone")
    made = df.numberactive.plan("phone")
    assert (made.to_buy, made.open) == (0, 4)
    assert lines_of(made)["to buy"] == "4 (4 begun earlier)"
    vendor.pending_times = 0
    df.numberactive.enrich("phone")
    assert "4 bought" in repr(pna.last_run())
