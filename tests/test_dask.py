"""The accessor on Dask: the pandas result to the dtype, one purchase by this process, and nothing on the workers."""

from __future__ import annotations

import inspect
import itertools
import os
import signal
import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest

pytest.importorskip(
    "dask.dataframe", reason='dask is missing: pip install "pandas-numberactive[dask]"'
)

import dask
import dask.dataframe as dd

import pandas_numberactive as pna
import pandas_numberactive.dask as on_dask
from pandas_numberactive._config import readiness as settings_ready
from pandas_numberactive._purchase.purchase import Purchase
from pandas_numberactive._run.run import Answers
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    ConfirmationRequiredError,
    InvalidPhoneError,
    PhoneColumnWarning,
    VendorError,
)
from pandas_numberactive.simulator import Faults, Simulator

SEED = 7


def messy(rows: int, distinct: int) -> pd.DataFrame:
    """Two phone columns that share numbers, blanks and invalid cells, a category, and an index that repeats."""
    rng = np.random.default_rng(SEED)
    pool = np.array([f"+62 811-{i:04d}-{i % 1000:03d}" for i in range(distinct)], object)
    home = pool[rng.integers(0, distinct, rows)]
    home[rng.random(rows) < 0.02] = ""
    home[rng.random(rows) < 0.02] = "0811 / 0812"
    work = pd.Series(pool[rng.integers(0, distinct, rows)], dtype="category")
    frame = pd.DataFrame({"id": np.arange(rows), "home": home, "work": work})
    return frame.set_axis(pd.Index(rng.integers(0, 50, rows), name="branch"))


def parts_of(frame: pd.DataFrame, cuts: list[int]) -> Any:
    """A Dask frame of these cuts; two equal cuts make an empty partition. Dask makes Arrow text of its strings."""
    edges = [0, *cuts, len(frame)]
    pieces = [frame.iloc[a:b] for a, b in itertools.pairwise(edges)]
    return dd.from_map(partial(_pick, pieces), range(len(pieces)), meta=frame.iloc[:0])


def _pick(pieces: list[pd.DataFrame], at: int) -> pd.DataFrame:
    return pieces[at]


def small(count: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {"phone": [f"0811{i:07d}" for i in range(count)] * 2, "x": range(2 * count)}
    )


@pytest.mark.long
@pytest.mark.timeout(400)  # a minute of work, more beside other tests
def test_a_hundred_thousand_rows_equal_the_pandas_result_and_cost_distinct_numbers(
    as_production, vendor
):
    as_production(confirm_above=10_000, max_concurrency=64)
    df = messy(100_000, 2_000)
    ddf = parts_of(df, [10, 30_000, 30_000, 71_234, 99_999])
    out = ddf.numberactive.enrich(["home", "work"])
    report = pna.last_run()
    assert vendor.ledger.total == 2_000
    assert vendor.ledger.double_charged() == []
    calls = len(vendor.calls)

    want = ddf.compute().numberactive.enrich(["home", "work"])
    got = out.compute()
    pd.testing.assert_frame_equal(got, want)
    pd.testing.assert_frame_equal(out._meta, want.iloc[:0])
    assert out["home_active_level"].dtype == pna.ACTIVE_LEVEL
    assert out["home_lookup_status"].dtype == pna.LOOKUP_STATUS
    assert len(got.loc[got["home_lookup_status"] == "invalid"]) > 1000
    again = pna.last_run()
    for name in ("rows", "missing_rows", "invalid", "valid_rows", "distinct"):
        assert getattr(report, name) == getattr(again, name), name
    pd.testing.assert_frame_equal(report.problems.iloc[:50], again.problems.iloc[:50])
    assert (report.bought, again.bought) == (2_000, 0)

    # Every way to look at it, twice, without a call.
    pd.testing.assert_frame_equal(out.compute(), want)
    assert len(out) == len(df)
    pd.testing.assert_frame_equal(out.head(10, npartitions=-1), want.head(10))
    counts = out["work_telco_type"].value_counts().compute()
    assert counts.to_dict() == want["work_telco_type"].value_counts().to_dict()
    pd.testing.assert_frame_equal(out.persist().compute(), want)
    pd.testing.assert_frame_equal(out.partitions[3].compute(), want.iloc[30_000:71_234])
    assert len(vendor.calls) == calls


def test_details_and_a_renamed_prefix_equal_the_pandas_result(as_production, vendor):
    as_production()
    df = pd.DataFrame(
        {"phone": ["08118899532", None, "x", "0811-8899-532", "08123456789"]}, index=list("aabbc")
    )
    ddf = parts_of(df, [2, 3])
    bought = ddf.numberactive.enrich("phone", details=True, prefix="p_").compute()
    assert bought["p_source"].tolist()[0] == "new"
    want = ddf.compute().numberactive.enrich("phone", details=True, prefix="p_")
    stored = ddf.numberactive.enrich("phone", details=True, prefix="p_")
    pd.testing.assert_frame_equal(stored.compute(), want)
    pd.testing.assert_frame_equal(stored._meta, want.iloc[:0])
    same = ["p_request_id", "p_charged", "p_reason", "p_national"]
    pd.testing.assert_frame_equal(bought[same], want[same])
    assert vendor.ledger.total == 2


WRITTEN = [
    "0811-8899-532",
    "+62 811 8899 532",
    None,
    "x",
    "08123456789",
    "0811/2",
    "08579876543",
    "",
]
KINDS = {
    "object": pd.Series(WRITTEN, dtype=object),
    "mixed": pd.Series([*WRITTEN[:4], 8123456789, 8579876543.0, 5, pd.NA], dtype=object),
    "string": pd.Series(WRITTEN, dtype="string"),
    "arrow": pd.Series(WRITTEN, dtype="string[pyarrow]"),
    "category": pd.Series(WRITTEN, dtype="category"),
    "Int64": pd.Series([8118899532, None, 628123456789, 5] * 2, dtype="Int64"),
    "int64": pd.Series([8118899532, 8123456789, 628123456789, 5] * 2),
    "float64": pd.Series([8118899532.0, None, 628123456789.0, 5.0] * 2),
    "all missing": pd.Series([None] * 8, dtype=object),
    "no rows": pd.Series([], dtype=object),
}


@pytest.mark.filterwarnings(
    "ignore::pandas_numberactive.errors.PhoneColumnWarning"
)  # numeric ones are told about
@pytest.mark.parametrize("convert", [True, False], ids=["arrow text", "object text"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_column_and_index_is_as_in_pandas(as_production, kind, convert):
    """Partitions known, empty and uneven; an index of dates; a column whose name is a number; each partition's dtypes."""
    as_production()
    cells = KINDS[kind]
    dates = pd.date_range("2026-01-01", periods=len(cells), name="day")
    df = pd.DataFrame(
        {"phone": cells.to_numpy() if cells.dtype == object else cells.array, 7: cells.array[::-1]},
        dates,
    )
    with dask.config.set({"dataframe.convert-string": convert}):
        for ddf in (
            dd.from_pandas(df, npartitions=3),
            parts_of(df, [0, 3, 3, len(df)] if len(df) else []),
        ):
            ddf.numberactive.enrich(["phone", 7])  # now all is stored, here and there
            out = ddf.numberactive.enrich(["phone", 7], details=True, prefix="q_")
            want = ddf.compute().numberactive.enrich(["phone", 7], details=True, prefix="q_")
            pd.testing.assert_frame_equal(out.compute(), want)
            pd.testing.assert_frame_equal(out._meta, want.iloc[:0])
            assert out.divisions == ddf.divisions
            for at in range(out.npartitions):
                assert out.get_partition(at).compute().dtypes.equals(want.dtypes)


def test_a_category_that_dask_does_not_know_in_advance_is_read(as_production, vendor):
    as_production()
    df = small()
    ddf = dd.from_pandas(df, npartitions=3).astype({"phone": "category"})
    assert not ddf["phone"].cat.known
    new = ddf.numberactive.enrich("phone").compute().drop(columns="phone")
    pd.testing.assert_frame_equal(new, df.numberactive.enrich("phone").drop(columns="phone"))
    assert vendor.ledger.total == 60


@pytest.mark.parametrize("details", [False, True])
def test_a_full_piece_is_no_large_graph(details):
    """Dask warns from 10 MB on."""
    count = on_dask.PIECE // on_dask.WITH_TEXTS if details else on_dask.PIECE
    numbers = np.arange(8_110_000_000, 8_110_000_000 + count)
    lookups = (
        {n: Purchase("production", n, request_id=f"{n:032x}") for n in numbers.tolist()}
        if details
        else {}
    )
    zeros = np.zeros(count, np.int64)
    answers = Answers(
        zeros.astype(np.int8), zeros.astype(np.int32), zeros, zeros.astype(bool), lookups
    )
    (piece,) = on_dask._pieces(numbers, answers, details)
    assert 5e6 < len(cloudpickle.dumps(piece.compute())) < 10e6


def test_answers_in_several_pieces_join_as_one(as_production, monkeypatch):
    as_production()
    monkeypatch.setattr(on_dask, "PIECE", 7)
    df = small()
    ddf = parts_of(df, [40, 90])
    out = ddf.numberactive.enrich("phone")
    pd.testing.assert_frame_equal(out.compute(), ddf.compute().numberactive.enrich("phone"))


def test_a_row_that_came_after_the_purchase_is_not_bought(as_production, vendor):
    """The source may have grown between the two readings."""
    as_production()
    rows = [small(20)]
    ddf = dd.from_map(partial(_pick, rows), [0], meta=rows[0].iloc[:0])
    out = ddf.numberactive.enrich("phone")
    rows[0] = small(25)
    later = out.compute(scheduler="synchronous")
    assert later["phone_lookup_status"].value_counts()["not_bought"] == 2 * 5
    assert vendor.ledger.total == 20


def test_plan_is_the_pandas_plan_and_sends_nothing(as_production, vendor):
    as_production()
    df = messy(3_000, 100)
    ddf = parts_of(df, [1_000])
    assert (
        ddf.numberactive.plan(["home", "work"]).to_dict()
        == df.numberactive.plan(["home", "work"]).to_dict()
    )
    numeric = pd.DataFrame({"phone": [8118899532, 8123456789]})
    assert (
        "leading zeros"
        in dd.from_pandas(numeric, npartitions=1).numberactive.plan("phone").warnings[0]
    )
    assert vendor.calls == []


def test_the_cap_holds_over_partitions_and_buys_what_pandas_would(as_production, vendor, tmp_path):
    as_production()
    df = small()
    ddf = parts_of(df.iloc[::-1], [13, 50])
    out = ddf.numberactive.enrich("phone", max_charges=20)
    assert vendor.ledger.total == 20
    statuses = out.compute()["phone_lookup_status"]
    assert (statuses == "not_bought").sum() == 2 * 40
    with pna.override(store=str(tmp_path / "other.sqlite3")):
        want = df.iloc[::-1].numberactive.enrich("phone", max_charges=20)
    pd.testing.assert_series_equal(statuses, want["phone_lookup_status"])
    ddf.numberactive.enrich("phone", budget=500.0 * 40)
    assert vendor.ledger.total == 20 + 40  # a raised cap counts what the run has charged


def test_a_big_purchase_asks_first_and_a_bad_call_fails_before_anything_is_read(
    as_production, vendor
):
    as_production(confirm_above=10)
    read: list[int] = []

    def reading(at: int) -> pd.DataFrame:
        read.append(at)
        return small()

    ddf = dd.from_map(reading, [0], meta=small(1).head(0))
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'phone'"):
        ddf.numberactive.enrich("Phone")
    with pytest.raises(ConfigurationError, match="order"):
        ddf.numberactive.enrich("phone", order="up")
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        ddf.assign(phone_telco_type="x").numberactive.enrich("phone")
    assert read == []
    with pytest.raises(ConfirmationRequiredError, match="max_charges=60"):
        ddf.numberactive.enrich("phone")
    assert read == [0]
    assert vendor.calls == []


def test_errors_raise_names_the_first_cells_before_any_call(as_production, vendor):
    as_production()
    ddf = parts_of(
        pd.DataFrame({"phone": ["08118899532", "x", "08123456789", "y"]}, index=list("abcd")),
        [1, 2],
    )
    with pytest.raises(InvalidPhoneError, match="2 cells .* row b: 'x'.*; row d: 'y'"):
        ddf.numberactive.enrich("phone", errors="raise")
    assert vendor.calls == []


def test_what_ends_a_run_is_raised_with_a_lazy_partial(tmp_path):
    with Simulator(
        stand_in=True, app_key="k", secret="s", faults=Faults(query={"code_free": 1.0})
    ) as failing:
        pna.configure(
            environment="sandbox",
            base_url=failing.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "f.sqlite3"),
        )
        with pytest.raises(VendorError) as caught:
            parts_of(small(), [50]).numberactive.enrich("phone")
        partial_ = caught.value.partial.compute()
    assert len(partial_) == 120
    assert set(partial_["phone_lookup_status"]) <= {"failed", "not_bought", "pending"}
    assert caught.value.report is pna.last_run()


def test_overwrite_replaces_the_columns_and_projection_reads_phones_alone(as_production, vendor):
    as_production()
    df = small()
    once = df.numberactive.enrich("phone").assign(phone_telco_type="stale")
    ddf = parts_of(once, [30])
    out = ddf.numberactive.enrich("phone", overwrite=True)
    pd.testing.assert_frame_equal(
        out.compute(), ddf.compute().numberactive.enrich("phone", overwrite=True)
    )
    source = dd.from_pandas(df, npartitions=2)
    level = source.numberactive.enrich("phone")["phone_active_level"]
    if "required_columns" in inspect.signature(dd.map_partitions).parameters:
        assert level.optimize().expr.dependencies()[0].columns == ["phone"]
    assert vendor.ledger.total == 60


# Dask's own writer sets an index in place, which pandas 3.1 warns of.
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_parquet_to_parquet(as_production, vendor, tmp_path):
    as_production()
    df = small()
    dd.from_pandas(df, npartitions=3).to_parquet(tmp_path / "in")
    out = dd.read_parquet(tmp_path / "in").numberactive.enrich("phone")
    out.to_parquet(tmp_path / "out")
    back = pna.restore_dtypes(pd.read_parquet(tmp_path / "out"))
    want = dd.read_parquet(tmp_path / "in").compute().numberactive.enrich("phone")
    assert back["phone_active_level"].dtype == pna.ACTIVE_LEVEL
    new = [name for name in want if name.startswith("phone_")]
    pd.testing.assert_frame_equal(back[new].rename_axis(None), want[new])
    assert vendor.ledger.total == 60


def test_the_graph_holds_no_secret_and_tasks_touch_neither_settings_nor_store_nor_network(
    as_production, vendor, monkeypatch, tmp_path
):
    as_production()
    ddf = parts_of(small(), [50])
    sent, compute = [], on_dask._compute

    def spied(one: Any) -> Any:
        sent.append(cloudpickle.dumps(dict(one.__dask_graph__())))
        return compute(one)

    monkeypatch.setattr(on_dask, "_compute", spied)
    out = ddf.numberactive.enrich("phone", max_charges=4321, budget=98765.0)
    sent.append(cloudpickle.dumps((out.expr, dict(out.__dask_graph__()))))
    assert [b"_look" in sent[0], b"_attach" in sent[1]] == [True, True]
    for secret in (
        "made-up-secret",
        "made-up-key",
        "store.sqlite3",
        vendor.base_url,
        "Credentials",
        "Settings",
    ):
        assert not [graph for graph in sent if secret.encode() in graph]

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a task reached out")

    want = ddf.compute().numberactive.enrich("phone")
    here = sys.modules[pna.settings.__module__]
    with monkeypatch.context() as patch:
        for where, name in (
            (LookupStore, "__init__"),
            (here, "settings"),
            (here, "_resolved"),
            (settings_ready, "require"),
        ):
            patch.setattr(where, name, refuse)
        patch.setattr("socket.socket.connect", refuse)
        patch.setattr("socket.socket.__init__", refuse)
        with pytest.raises(AssertionError, match="reached out"):
            pna.settings()
        pd.testing.assert_frame_equal(out.compute(), want)


def test_equal_calls_make_equal_graphs(as_production):
    as_production()
    ddf = dd.from_pandas(small(), npartitions=3)
    ddf.numberactive.enrich("phone")
    one, two = ddf.numberactive.enrich("phone"), ddf.numberactive.enrich("phone")
    assert one._name == two._name
    assert one.divisions == ddf.divisions


def test_a_reload_registers_nothing_twice_and_the_series_of_pandas_are_untouched():
    import importlib

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(on_dask)


def test_without_dask_the_error_names_the_extra():
    code = "import sys; sys.modules['dask'] = None\nimport pandas_numberactive.dask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "pandas-numberactive[dask]"' in done.stderr


# On a cluster.


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip(
        "distributed", reason='distributed is missing: pip install "pandas-numberactive[dask]"'
    )
    with (
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": 10,
                "distributed.comm.timeouts.connect": "5s",
            }
        ),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def read_or_die(frame: pd.DataFrame, folder: str, at: int) -> pd.DataFrame:
    """A partition; where `folder` holds a bullet for it, the worker that takes it dies, once."""
    bullet = os.path.join(folder, str(at))
    if os.path.exists(bullet):
        os.unlink(bullet)
        os.kill(os.getpid(), signal.SIGKILL)
    return frame.iloc[at::8]


@pytest.mark.long
def test_a_worker_killed_in_the_middle_costs_nothing_and_changes_nothing(
    client, as_production, vendor, tmp_path
):
    as_production(confirm_above=10_000, max_concurrency=64)
    df = messy(20_000, 500)
    source = partial(read_or_die, df, str(tmp_path))
    ddf = dd.from_map(source, range(8), meta=df.iloc[:0])
    (tmp_path / "2").touch()  # while the numbers are looked for
    out = ddf.numberactive.enrich(["home", "work"])
    assert not (tmp_path / "2").exists()
    assert vendor.ledger.total == 500
    calls = len(vendor.calls)

    want = ddf.compute().numberactive.enrich(["home", "work"])
    (tmp_path / "4").touch()  # while the answers are joined
    kept = out.persist()
    pd.testing.assert_frame_equal(kept.compute(), want)
    assert not (tmp_path / "4").exists()

    for pid in client.run(os.getpid).values():  # and now everything that any worker held
        os.kill(pid, signal.SIGKILL)
    pd.testing.assert_frame_equal(kept.compute(), want)
    pd.testing.assert_frame_equal(out.compute(), want)
    assert len(out) == len(df)
    assert len(vendor.calls) == calls


def test_a_wrong_option_is_refused_by_name_on_dask_too(as_production, vendor):
    as_production()
    ddf = parts_of(small(), [10])
    for front in (ddf.numberactive.enrich, ddf.numberactive.plan, on_dask.enrich, on_dask.plan):
        assert "max_charges" in inspect.signature(front).parameters
    for front in (ddf.numberactive.enrich, ddf.numberactive.plan):
        with pytest.raises(ConfigurationError, match="Did you mean 'max_charges'"):
            front("phone", max_charge=5)
        with pytest.raises(ConfigurationError, match="not 'no'"):
            front("phone", refresh="no")
    assert not vendor.calls


def test_odd_columns_are_warned_of_with_the_words_of_pandas(as_production):
    as_production()
    df = pd.DataFrame(
        {"phone": [*"abcdef", *[f"0811{i:07d}" for i in range(4)], ""], "amount": range(11)}
    )
    ddf = parts_of(df, [3, 3, 9])
    want = df.numberactive.plan(["phone", "amount"]).warnings
    assert len(want) == 3  # numeric, and two columns of something else
    assert ddf.numberactive.plan(["phone", "amount"]).warnings == want
    with pytest.warns(PhoneColumnWarning) as caught:
        ddf.numberactive.enrich(["phone", "amount"])
    assert tuple(str(one.message) for one in caught) == want
