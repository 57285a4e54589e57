"""pna.LookupStore: the ledger as frames, and the decisions that a person makes by hand."""

from __future__ import annotations

import os
import weakref
from functools import partial
from typing import Any, Literal, cast, get_args

import pandas as pd

from pandas_numberactive import _bridge as bridge
from pandas_numberactive._config.readiness import store_location
from pandas_numberactive._config.settings import settings
from pandas_numberactive._display.html import bar, html_table, text_table
from pandas_numberactive._display.text import said
from pandas_numberactive._display.tracebacks import without_frames
from pandas_numberactive._pandas.lookup_store_inputs import (
    EVERY,
    all_nationals,
    bought_micros,
    imported_row,
    named_environment,
    need_frame,
    one_national,
    our_names,
    shows_all,
    since_micros,
    within,
    worded_answer,
)
from pandas_numberactive._pandas.reconcile import (
    Period,
    Reconciled,
    bounds,
    compare,
    invoice_ids,
)
from pandas_numberactive._phones.mask import hide_numbers_in_id, mask, mask_within
from pandas_numberactive._phones.parse import parse_phone
from pandas_numberactive._purchase.purchase import LookupState
from pandas_numberactive._run.options import seconds_of
from pandas_numberactive._run.plan import short_location
from pandas_numberactive._store import ledger
from pandas_numberactive._store.rows import ENVIRONMENTS
from pandas_numberactive._store.store import LookupStore as Journalled
from pandas_numberactive._vendor.protocol import Reply
from pandas_numberactive._vendor.verdicts import Verdict, judge_query
from pandas_numberactive.errors import ColumnNotFoundError, ConfigurationError, StoreError

IMPORT_AT_ONCE = 5_000  # answers in a transaction: a team's server must not wait for a million
By = Literal["day", "run", "environment", "buyer"]
_NAMES = {code: name for name, code in ENVIRONMENTS.items()}


class LookupStore:
    """The store of paid answers and its ledger.

    Read it, compare it with an invoice, and settle held look-ups. Nothing here calls the vendor, so
    nothing here is charged.

    Parameters
    ----------
    location
        A path, `sqlite:PATH` or a `postgresql://` URL. By default the store of the settings.

    Raises
    ------
    StoreError
        The store cannot be opened.

    Examples
    --------
    >>> import pandas_numberactive as pna
    >>> with pna.LookupStore(":memory:") as store:
    ...     len(store)
    0
    """

    @without_frames
    def __init__(self, location: str | os.PathLike[str] | None = None) -> None:
        self._take(Journalled.open(store_location(settings()) if location is None else location))

    def _take(self, store: Journalled) -> None:
        self._store = store
        weakref.finalize(self, self._store.close)  # `pna.LookupStore().held()` leaves nothing open

    def __enter__(self) -> LookupStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store. Leaving its `with` block does the same.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> store = pna.LookupStore(":memory:")
        >>> store.close()
        """
        self._store.close()

    def __repr__(self) -> str:
        store = getattr(self, "_store", None)  # a traceback may show one that was not opened
        return "LookupStore(not open)" if store is None else repr(store)

    @without_frames
    def __len__(self) -> int:
        return self._store.count()

    @property
    def location(self) -> str:
        """The store's location, with any password masked."""
        return self._store.location

    @without_frames
    def summary(self, *, environment: str | None = None) -> Summary:
        """Return the number of look-ups in each state (answered, pending, uncertain, ...).

        Parameters
        ----------
        environment
            "production", "sandbox", "simulator" or "all". By default that of the settings.

        Returns
        -------
        Summary
            A dict of counts with a picture.

        Raises
        ------
        ConfigurationError
            There is no such environment.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     sum(store.summary(environment="all").values())
        0
        """
        return Summary(self._store.fetch_now(ledger.summary, within(environment)))

    def _repr_html_(self) -> str:
        return self.summary(environment=EVERY).html(under=self.location)

    @without_frames
    def reread(self) -> dict[str, int]:
        """Judge the stored bodies of paid answers again, by this version and `code_outcomes`.

        Use it after an upgrade, or once the vendor has explained a code or a value. It sends and
        charges nothing, and leaves what was charged as it is.

        Returns
        -------
        dict
            read: stored bodies. changed: answers that were changed.

        Raises
        ------
        StoreError
            The store cannot be written.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     store.reread()
        {'read': 0, 'changed': 0}
        """
        codes = settings().codes("query")

        def judge(body: bytes, number: int) -> Verdict:
            return judge_query(Reply(200, body), number, codes=codes, simulated=True)

        read, changed = self._store.do(ledger.reread, judge, self._store.now())
        return {"read": read, "changed": changed}

    @without_frames
    def history(
        self, since: object = None, *, mask: bool = True, environment: str | None = None
    ) -> pd.DataFrame:
        """Return the ledger's events, oldest first.

        Parameters
        ----------
        since
            A date, or text that pandas reads as one, on the clock of the setting `timezone`. By
            default the whole history.
        mask
            False shows the numbers whole, also within a requestId.
        environment
            "production", "sandbox" or "simulator". By default that of the settings. "all" shows
            every environment, in a column of its own.

        Returns
        -------
        pandas.DataFrame
            One row an event: at (datetime64[us, UTC]), kind (category: opened, bought, held,
            released, and more), number, generation, run, request_id, charged (boolean), code,
            reason.

        Raises
        ------
        ConfigurationError
            `since` is no date, or there is no such environment.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     list(store.history(environment="all").columns[:4])
        ['at', 'kind', 'environment', 'number']
        """
        moment = 0 if since is None else since_micros(since)
        rows = self._store.fetch_now(ledger.history, moment, within(environment))
        frame = _frame(rows, ledger.HISTORY_COLUMNS)
        frame["kind"] = frame["kind"].astype("category")
        return _only(_presentable(frame, mask), environment)

    @without_frames
    def charges(self, *, mask: bool = True, environment: str | None = None) -> pd.DataFrame:
        """Return the charges, one row a requestId.

        Parameters
        ----------
        mask
            False shows the numbers whole, also within a requestId.
        environment
            As in `history`.

        Returns
        -------
        pandas.DataFrame
            at (datetime64[us, UTC]), number, generation, run, request_id, charged (boolean, missing
            where the vendor did not say isFee: it counts as charged), price (float64, in
            `currency`, missing without a unit price), currency and buyer (the user who bought).

        Raises
        ------
        ConfigurationError
            There is no such environment.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     len(store.charges(environment="all"))
        0
        """
        return _only(self._charges(mask, environment), environment)

    def _charges(self, masked: bool, environment: str | None) -> pd.DataFrame:
        rows = self._store.fetch_now(ledger.charges, within(environment))
        return _presentable(_frame(rows, ledger.CHARGE_COLUMNS), masked)

    @without_frames
    def spend(
        self,
        by: By = "day",
        *,
        environment: str | None = None,
    ) -> pd.DataFrame:
        """Return the charges and their cost by day, run, environment or buyer.

        Parameters
        ----------
        by
            "day" (of the setting `timezone`), "run", "environment" or "buyer": the user of
            JupyterHub or of the system, not the role in the database. Several users of one run
            are all named.
        environment
            As in `history`.

        Returns
        -------
        pandas.DataFrame
            One row a group and currency: charged (charges), charge_unknown (those of them where the
            vendor did not say isFee), cost (in `currency`, missing if a charge of the group has no
            unit price) and currency. A run keeps its first price.

        Raises
        ------
        ConfigurationError
            `by` or the environment is unknown.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     list(store.spend("run", environment="simulator").columns)
        ['run', 'charged', 'charge_unknown', 'cost', 'currency']
        """
        if by not in get_args(By):
            raise ConfigurationError(
                f'by must be "day", "run", "environment" or "buyer", not {said(by)}.'
            )
        frame = self._charges(True, environment)
        frame["day"] = frame["at"].dt.tz_convert(settings().timezone).dt.tz_localize(None)
        frame["day"] = frame["day"].dt.normalize()
        frame["currency"] = frame["currency"].fillna("")
        frame["buyer"] = frame["buyer"].fillna("")
        names = [by, "environment"] if shows_all(environment) and by != "environment" else [by]
        groups = frame.groupby(
            [*names, "currency"],
            observed=True,
            sort=True,
            dropna=False,
        )
        out = groups.agg(
            charged=("at", "size"), known=("charged", "count"), cost=("price", _sum_or_missing)
        )
        out["charge_unknown"] = out["charged"] - out.pop("known")
        return out.reset_index()[[*names, "charged", "charge_unknown", "cost", "currency"]]

    @without_frames
    def held(self, *, mask: bool = True) -> pd.DataFrame:
        """Return the look-ups that wait for a decision: uncertain and quarantined ones.

        Parameters
        ----------
        mask
            False shows the numbers whole, also within a requestId.

        Returns
        -------
        pandas.DataFrame
            One row a look-up: environment, number, generation, state, request_id, opened_at
            (datetime64[us, UTC]), code, msg, reason. `resolve` settles them.

        Raises
        ------
        StoreError
            The store cannot be read.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     store.held().empty
        True
        """
        frame = _frame(self._store.fetch_now(ledger.held), ledger.HELD_COLUMNS)
        frame["state"] = [LookupState(int(state)).name.lower() for state in frame["state"]]
        return _presentable(frame, mask)

    @without_frames
    def resolve(
        self,
        phone: object,
        how: Literal["release", "settle"],
        *,
        charged: bool | None = None,
        telco_type: str | None = None,
        active_level: str | None = None,
        frequency_grade: str | None = None,
        environment: str | None = None,
    ) -> str:
        """Settle an open or quarantined look-up by hand.

        Parameters
        ----------
        phone
            The number of the look-up.
        how
            "release": the next run buys the number again. "settle": the look-up is final and never
            asked again, with the answer given, or without one.
        charged
            True or False if the vendor has confirmed whether the look-up was charged.
        telco_type, active_level, frequency_grade
            The answer, for "settle": our words, or 0, 1, 2 for telco_type.
        environment
            "production", "sandbox" or "simulator". By default that of the settings.

        Returns
        -------
        str
            The new state of the look-up.

        Raises
        ------
        ConfigurationError
            An argument cannot be used. Nothing is changed.
        InvalidPhoneError
            `phone` is no Indonesian mobile number. Nothing is changed.
        StoreError
            The number has no look-up to settle, or a running call has it. Nothing is changed.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     for phone in store.held(mask=False)["number"]:
        ...         state = store.resolve(phone, "release", charged=False)
        """
        if how not in ("release", "settle"):
            raise ConfigurationError(f'how must be "release" or "settle", not {said(how)}.')
        answer = worded_answer(telco_type, active_level, frequency_grade)
        if answer and how == "release":
            raise ConfigurationError('An answer can only be given with how="settle".')
        number = one_national(phone)
        environment = named_environment(environment)
        self._recover()
        store = self._store
        state = store.do(
            lambda db: ledger.resolve(
                db,
                store,
                environment=environment,
                number=number,
                release=how == "release",
                answer=answer,
                charged=charged,
                now=store.now(),
            )
        )
        return state.name.lower()

    @without_frames
    def reconcile(
        self,
        invoice: pd.DataFrame,
        *,
        request_id: str | None = None,
        period: Period | None = None,
        environment: str | None = None,
    ) -> Reconciled:
        """Compare an invoice with the ledger, by requestId.

        Amounts are not compared. Multiply the counts by the price of your contract.

        Parameters
        ----------
        invoice
            The vendor's lines, one a charge.
        request_id
            Its column of requestIds. By default `requestId`, else `request_id`.
        period
            The time that the invoice covers: "2026-10", a pandas Period, or its first moment and
            the one after its last, on the clock of `timezone`. Charges outside of it that are not
            on the invoice are left out. Lines of the invoice are compared with the whole ledger,
            and marked in `outside_period` where their charge is of another time.
        environment
            As in `history`.

        Returns
        -------
        Reconciled
            A frame with `request_id`, `verdict`, `times` on the invoice, `charged` as the ledger
            has it (missing: the vendor did not say isFee), `at`, and with a period
            `outside_period`. Its `headline` counts the verdicts:

            - matched: charged here and on the invoice once;
            - not_counted: known here, but without a charge (held, failed, released or imported);
            - only_on_invoice: unknown here;
            - only_here: charged here, and not on the invoice;
            - charged_twice: on the invoice more than once, or two requestIds of the same purchase
              are.

        Raises
        ------
        ColumnNotFoundError
            The invoice has no such column.
        ConfigurationError
            The ids were read as decimals and lost digits, or the period cannot be read.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> invoice = pd.DataFrame({"requestId": ["made-up-1"]})
        >>> with pna.LookupStore(":memory:") as store:
        ...     store.reconcile(invoice, environment="all").headline
        '1 requestIds: 1 only_on_invoice'
        """
        need_frame(invoice, "reconcile")
        times = invoice_ids(invoice, request_id)
        charges = self._charges(False, environment).dropna(subset=["request_id"])
        known = self._store.fetch_now(ledger.known_ids, within(environment))
        covered = bounds(period, settings().timezone)
        out = compare(times, charges.set_index("request_id"), known, covered)
        return Reconciled(_only(out, environment))

    @without_frames
    def import_answers(
        self, answers: pd.DataFrame, *, phone: str = "phone", environment: str | None = None
    ) -> dict[str, int]:
        """Store answers that the team has bought with an older program.

        A number that this store knows already keeps its answer. Of several rows of one number the
        newest is taken.

        Parameters
        ----------
        answers
            A frame with the phone column, `looked_up_at` (dates, or text such as "2026-01-31"), at
            least one of `telco_type`, `active_level`, `frequency_grade` (the vendor's codes or our
            words) and, where known, `request_id` and `charged`. The vendor's names telcoType,
            activeLevel, frequencyGrade, requestId and isFee are read as well.
        phone
            The name of the phone column.
        environment
            "production", "sandbox" or "simulator". By default that of the settings.

        Returns
        -------
        dict
            imported: new numbers. known: numbers that the store had. repeated: further rows of a
            number. invalid: rows without a readable number or date. undated: those of them without
            a date, or with one that is read in two ways ("05/06/2026", a number) or to come.

        Raises
        ------
        ColumnNotFoundError
            A column is missing, or no signal is found. Nothing is imported.
        ConfigurationError
            A value is none of the vendor's codes and none of our words.

        Examples
        --------
        >>> import pandas as pd, pandas_numberactive as pna
        >>> old = pd.DataFrame({"phone": ["0811 8899 532"], "looked_up_at": "2026-01-31"})
        >>> old["telco_type"] = "prepaid"
        >>> with pna.LookupStore(":memory:") as store:
        ...     store.import_answers(old, environment="simulator")["imported"]
        1
        """
        need_frame(answers, "import_answers")
        for name in (phone, "looked_up_at"):
            if name not in answers.columns:
                raise ColumnNotFoundError(name, answers.columns)
        now = self._store.now()
        items, counts = _newest_answers(our_names(answers), phone, now)
        target = named_environment(environment)
        every = list(items.values())
        taken = 0
        for at in range(0, len(every), IMPORT_AT_ONCE):
            some = every[at : at + IMPORT_AT_ONCE]
            taken += self._store.do(
                partial(ledger.import_answers, environment=target, answers=some, now=now)
            )
        return {"imported": taken, "known": len(items) - taken, **counts}

    def _recover(self) -> None:
        """Read the answers in emergency files back, before a decision is made."""
        bridge.call(self._store.recover, stop=lambda: None, drain=1.0)

    @without_frames
    def forget(self, phones: object) -> int:
        """Remove numbers from the store, in all environments.

        The count of charges stays. A forgotten number is charged again if it is looked up again. A
        file is compacted, so that the numbers are gone from it. On a server the rows go, and its
        owner must clean log, free pages and backups. A requestId that the vendor made of the phone
        stays whole in the store, because an invoice is checked by it.

        Parameters
        ----------
        phones
            One phone, or a list, Series or other iterable of them. Blank cells are skipped. Of a
            table give the column: df["phone"].

        Returns
        -------
        int
            The count of numbers that were there.

        Raises
        ------
        ConfigurationError
            `phones` is a table, such as a DataFrame or a dict. Nothing is forgotten.
        InvalidPhoneError
            A cell is no Indonesian mobile number. Nothing is forgotten.
        StoreError
            One of the numbers has an open look-up. Nothing is forgotten.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     store.forget(["0811 8899 532", None])
        0
        """
        numbers = all_nationals(phones)
        self._recover()
        now = self._store.now()
        found = self._store.do(lambda db: ledger.forget(db, numbers, now))
        self._store.compact()
        return found

    @without_frames
    def purge(self, *, older_than: str | pd.Timedelta) -> int:
        """Forget every number with no answer newer than a given age. Open look-ups stay.

        Parameters
        ----------
        older_than
            The age, with its unit: "365D", "52W", or a Timedelta.

        Returns
        -------
        int
            The count of numbers that were forgotten.

        Raises
        ------
        ConfigurationError
            `older_than` has no unit. Nothing is forgotten.

        Examples
        --------
        >>> import pandas_numberactive as pna
        >>> with pna.LookupStore(":memory:") as store:
        ...     store.purge(older_than="365D")
        0
        """
        moment = self._store.now() - round(seconds_of("older_than", older_than) * 1e6)
        self._recover()
        now = self._store.now()
        found = self._store.do(lambda db: ledger.forget(db, ledger.older_than(db, moment), now))
        self._store.compact()
        return found


def named_store() -> str:
    """Return the location of the store that the settings name.

    Raises ConfigurationError where they name neither an environment nor a store: the books of the
    default store would be those of nobody.
    """
    given = settings()
    if given.environment is None and given.store is None:
        raise ConfigurationError("Which store? Set an environment or a store: see configure().")
    return store_location(given)


def store_to_read(*, needed: bool = False) -> LookupStore:
    """Return the store that the settings name, to read. An empty one where its file is not made.

    Makes no file. Raises ConfigurationError as `named_store` does, StoreError where the store is
    `needed` and not there.
    """
    location = named_store()
    made = Journalled.is_made(location)
    if needed and not made:
        raise StoreError(
            f"There is no store at {short_location(location)} yet: name the one that bought with "
            "store=. Nothing was compared or charged."
        )
    books = LookupStore.__new__(LookupStore)
    books._take(Journalled.open(location) if made else Journalled(":memory:"))
    return books


def _sum_or_missing(prices: pd.Series) -> float:
    return float(prices.sum(min_count=len(prices)))


def _frame(rows: list[Any], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame.from_records(rows, columns=list(columns))


def _only(frame: pd.DataFrame, environment: str | None) -> pd.DataFrame:
    """Leave the environment out where there is one."""
    return frame if shows_all(environment) else frame.drop(columns="environment")


_DTYPES: dict[str, Any] = {
    "charged": "boolean",
    "price": "float64",
    "generation": "Int64",
    "run": "Int64",
}


def _presentable(frame: pd.DataFrame, masked: bool) -> pd.DataFrame:
    """Return dates, words, typed columns and phones as text in place of the values on disk."""
    names = [_NAMES[int(code)] for code in frame["environment"]]
    frame["environment"] = pd.Categorical(names, list(ENVIRONMENTS))
    for name in frame.columns.intersection(["at", "opened_at"]):
        micros = pd.to_numeric(frame[name]).astype("Int64")
        frame[name] = pd.to_datetime(micros, unit="us", utc=True).dt.as_unit("us")
    for name in frame.columns.intersection(list(_DTYPES)):
        frame[name] = pd.to_numeric(frame[name]).astype(_DTYPES[name])
    if masked and "request_id" in frame:
        pairs = zip(frame["request_id"], frame["number"], strict=True)
        frame["request_id"] = [_shown_id(one, number) for one, number in pairs]
    shown = [_shown(number, masked) for number in frame["number"]]
    frame["number"] = pd.Series(shown, index=frame.index, dtype="string")
    return frame


def _shown(number: Any, masked: bool) -> str | None:
    if pd.isna(number):
        return None
    text = str(int(number))
    return mask(text) if masked else text


def _shown_id(request_id: Any, number: Any) -> Any:
    """Return a requestId, masked where the vendor made it of the row's number, forgotten or not."""
    if not isinstance(request_id, str):
        return request_id
    if pd.isna(number):
        return hide_numbers_in_id(request_id)
    return mask_within(request_id, int(number))


class Summary(dict[str, int]):
    """A store's look-ups by state."""

    def __repr__(self) -> str:
        return text_table(
            "Look-ups in the store", [(name, f"{count:,}") for name, count in self.items()]
        )

    def _repr_html_(self) -> str:
        return self.html()

    def html(self, under: str = "") -> str:
        """Render the counts as a picture, with a line under the headline."""
        parts = [(name.replace("_", " "), count) for name, count in self.items()]
        return html_table(
            f"{sum(self.values()):,} look-ups in the store",
            [],
            picture=bar(parts, "look-ups by state"),
            under=under,
        )


def _newest_answers(
    answers: pd.DataFrame, phone: str, now: int
) -> tuple[dict[int, ledger.Imported], dict[str, int]]:
    """Return the newest answer of each number, and counts of the rows that were not taken."""
    items: dict[int, ledger.Imported] = {}
    counts = {"repeated": 0, "invalid": 0, "undated": 0}
    limit = settings().max_digits
    for row in answers.to_dict("records"):
        national, _ = parse_phone(row[phone], max_digits=limit)
        bought_at = bought_micros(row["looked_up_at"], now)
        if national is None:
            counts["invalid"] += 1
            continue
        if not bought_at:
            counts["invalid"] += 1
            counts["undated"] += 1
            continue
        number = int(national)
        if number in items:
            counts["repeated"] += 1
        if number not in items or items[number].bought_at < bought_at:
            items[number] = imported_row(number, bought_at, cast("dict[str, Any]", row))
    return items, counts
