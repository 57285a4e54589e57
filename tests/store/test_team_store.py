"""What can be wrong with a team's address, server, schema or rights: said clearly, nothing bought, no password shown."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import socket
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip(
    "psycopg", reason='psycopg is missing: pip install "pandas-numberactive[postgres]"'
)

import psycopg

import pandas_numberactive as pna
from pandas_numberactive.__main__ import main
from pandas_numberactive._config.credentials import Address, masked_url
from pandas_numberactive._store.copy import copy
from pandas_numberactive._store.engines import connection as store_connection
from pandas_numberactive._store.store import LookupStore
from pandas_numberactive.errors import (
    ConfigurationError,
    NumberActiveError,
    StoreError,
    StoreVersionError,
)
from pandas_numberactive.simulator import Simulator

ROOT = Path(os.environ.get("NUMBERACTIVE_SOURCE", Path(__file__).parents[2]))
KEYS = {"app_key": "made-up-key", "secret": "made-up-secret"}
PASSWORD = "made-up-password"
FRAME = pd.DataFrame({"phone": [f"0811{i:07d}" for i in range(20)]})

server = pytest.mark.postgres


def configure(vendor: Simulator, store: str, **options: Any) -> None:
    pna.configure(
        environment="production", base_url=vendor.base_url, store=store, **KEYS, **options
    )


def told(error: BaseException) -> str:
    """All that a traceback with locals, causes and contexts gives away."""
    texts, seen = [], error
    while seen is not None:
        texts.append(
            "".join(traceback.TracebackException.from_exception(seen, capture_locals=True).format())
        )
        seen = seen.__cause__ or seen.__context__
    # The literal in a test's own frame is the caller's business.
    return "\n".join(
        line
        for line in "\n".join(texts).splitlines()
        if not line.strip().startswith(("bad =", "dsn ="))
    )


# Addresses.


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pa55@db/x",
        "postgresql://me:pa55@db:5432,db2:5433/x?target_session_attrs=read-write",
        "postgresql://me:p@55/?#pa55@db/x",
        "postgresql://me@corp:pa55@db/x",
        "postgresql://:pa55@db/x",
        "postgresql://db/x?user=me&password=pa55 pa55&sslmode=require",
        "postgresql://db/x?sslpassword=pa55",
        "postgresql://db/x?p%61ssword=pa55",
        "postgresql://me:pa55@/x?host=/run/postgresql",
        "postgresql://db/x?user=me;password=pa55",
        "postgresql://me:pa55%40db/x",
        "postgresql://me:55%40db/x",
        "postgresql://me:pa55/x",
        "postgresql://me:pa 55",
        "postgresql://me/x:pa55@db/x",
        "postgresql://me/x:pa55%40db/x",
        "postgresql://me:55/x@db/x",
        "postgresql://me:pa55@db:pa55/x",
        "postgresql://me,you:pa55/x",
        "postgresql://[me:pa55@db/x",
    ],
)
def test_a_password_is_masked_wherever_it_stands(url):
    assert "55" not in masked_url(url).replace("5433", "").replace("5432", "")
    assert "55" not in repr(Address(url)).replace("5433", "").replace("5432", "")
    assert masked_url(url).startswith("postgresql://")
    given = pna.settings(environment="sandbox", store=url)
    assert given.store == url
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(given)


def test_an_address_without_a_password_is_shown_as_it_is():
    for url in (
        "postgresql://me@db:5432/x?sslmode=verify-full",
        "postgresql:///x?host=/run/postgresql",
        "http://proxy:3128",
        "postgresql://db:5432,db2:5433/x",
        "postgresql://me@[::1]:5432/x",
        "postgresql://db:5432/x?sslrootcert=C:/team.pem",
    ):
        assert masked_url(url) == url
    assert pickle.loads(pickle.dumps(Address("postgresql://me@db/x"))) == "postgresql://me@db/x"


@pytest.mark.parametrize(
    "bad",
    [
        "mysql://me:pa55@db/x",
        "postgresql+psycopg://me:pa55@db/x",
        "host=db user=me password=pa55",
        "postgresql:/me:pa55@db/x",  # what pathlib makes of a URL
        "postgres:me:pa55@db/x",
        "me:pa55@db/x",  # would be a folder of this name
        "//me:pa55@db/x",
        "sqlite:me:pa55@db/x",
        "me:pa/ss@pa55@db/x",
    ],
)
def test_what_is_no_address_does_not_become_a_file(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for call in (
        LookupStore.open,
        pna.LookupStore,
        lambda place: copy(place, "x.sqlite3"),
        lambda place: pna.settings(store=place),
    ):
        with pytest.raises(ConfigurationError, match=r"postgresql:// URL") as caught:
            call(bad)
        assert "pa55" not in str(caught.value)
    assert main(["store", "init", bad]) == 2
    assert "pa55" not in "".join(capsys.readouterr())
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_command_is_repeated_without_the_password(capsys):
    with pytest.raises(SystemExit):
        main(["store", "init", "sqlite:x", f"postgresql://me:{PASSWORD}@db/x"])
    said = capsys.readouterr().err
    assert "postgresql://me:***@db/x" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    "bad",
    [
        f"postgresql://me:pa/{PASSWORD}@127.0.0.1:1/x",
        f"postgresql://me:pa@{PASSWORD}@127.0.0.1:1/x",
        f"postgresql://me:123/{PASSWORD}@127.0.0.1:1/x",
        f"postgresql://me:{PASSWORD}%zz@127.0.0.1:1/x",
        f"postgresql://me:{PASSWORD}%40127.0.0.1:1/x",
        f"postgresql://me:{PASSWORD}/x",
        f"postgresql://me/x:{PASSWORD}@127.0.0.1:1/x",
        f"postgresql://me:{PASSWORD}@127.0.0.1:port/x",
        f"postgresql://me:{PASSWORD}@127.0.0.1:1/x?no_such_option=1",
        f"postgresql://me:{PASSWORD}@[::1/x",
    ],
)
def test_an_address_that_cannot_be_read_is_said_without_its_password(bad, vendor, capsys):
    configure(vendor, bad)
    with pytest.raises(
        ConfigurationError, match=r"no address of a PostgreSQL store.*%2F"
    ) as caught:
        FRAME.numberactive.enrich("phone")
    assert PASSWORD not in told(caught.value)
    assert PASSWORD not in repr(pna.doctor()) + pna.doctor()._repr_html_() + repr(pna.settings())
    assert vendor.calls == []
    assert main(["store", "init", bad]) == 2
    assert PASSWORD not in "".join(capsys.readouterr())


@server
@pytest.mark.parametrize("wrong", ["port", "role", "database", "password", "rights"])
def test_a_server_that_does_not_let_us_in_is_a_clear_error_and_buys_nothing(
    postgres, dsn, vendor, wrong, capsys
):
    bad, says = {
        "port": (dsn.replace(str(postgres.port), "1"), "refused"),
        "role": (dsn.replace("owner:", "nobody-of-that-name:"), "role.*does not exist"),
        "database": (dsn[: dsn.rindex("/")] + "/no-such-database", "database.*does not exist"),
        "password": (dsn.replace("owner:", "locked:"), "password authentication failed"),
        "rights": (dsn.replace("owner:", "stranger:"), "may not use"),
    }[wrong]
    with psycopg.connect(dsn, autocommit=True) as admin:
        for role in ("locked", "stranger"):
            admin.execute(f"DROP ROLE IF EXISTS {role}")
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'another'")
    configure(vendor, bad)
    with pytest.raises(StoreError, match=says) as caught:
        FRAME.numberactive.enrich("phone")
    assert "Check NUMBERACTIVE_STORE" in str(caught.value) or "owner" in str(caught.value)
    assert PASSWORD not in told(caught.value)
    with pytest.raises(StoreError):
        FRAME.numberactive.plan("phone")
    assert vendor.calls == []
    found = pna.doctor()
    assert not found.ready
    assert re.search(says, repr(found))
    for command in (["store", "init", bad], ["store", "copy", bad, "sqlite:x"], ["history"]):
        assert main(command) == 2
    said = capsys.readouterr()
    assert said.err.count("Error: ") == 3
    assert PASSWORD not in said.out + said.err


@server
def test_doctor_looks_at_an_empty_database_and_makes_nothing(dsn, vendor):
    configure(vendor, dsn)
    found = pna.doctor()
    assert found.ready
    assert "the first run makes them" in repr(found)
    with psycopg.connect(dsn) as db:
        assert db.execute("SELECT to_regclass('numberactive.meta')").fetchone() == (None,)
    FRAME.numberactive.enrich("phone")
    assert "the first run makes them" not in repr(pna.doctor())


@server
def test_doctor_names_the_rights_that_a_reader_lacks(dsn, vendor):
    """A run of this role would be refused, too, before anything is paid."""
    configure(vendor, dsn)
    FRAME.numberactive.enrich("phone")
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS reader")
        admin.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        admin.execute("GRANT USAGE ON SCHEMA numberactive TO reader")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA numberactive TO reader")
    configure(vendor, dsn.replace("owner:", "reader:"))
    found = pna.doctor()
    assert not found.ready
    assert "it lacks INSERT on" in repr(found)


@server
def test_what_a_store_says_of_itself_hides_its_password(dsn, vendor, capsys):
    configure(vendor, dsn)
    FRAME.numberactive.enrich("phone")
    with pna.LookupStore(dsn) as books:
        texts = [
            repr(books),
            books.location,
            books._repr_html_(),
            repr(books._store),
            repr(vars(books._store)),
        ]
    texts += [repr(pna.settings()), pna.settings()._repr_html_(), str(pna.settings().shown())]
    for command in (["doctor"], ["store", "init", dsn], ["history"]):
        assert main(command) == 0
    pna.show_versions()
    said = capsys.readouterr()
    assert PASSWORD not in "\n".join(texts) + said.out + said.err
    assert "owner:***@127.0.0.1" in said.out


# Servers and schemas.


@server
def test_a_store_of_another_version_or_program_is_refused_and_left_alone(dsn, vendor):
    LookupStore.open(dsn).close()
    configure(vendor, dsn)
    with psycopg.connect(dsn, autocommit=True) as admin:

        def refused(sql: str, kind: type[StoreError], says: str) -> None:
            admin.execute(sql)
            with pytest.raises(kind, match=says) as caught:
                FRAME.numberactive.enrich("phone")
            assert PASSWORD not in told(caught.value)

        refused(
            "UPDATE numberactive.meta SET value = '99' WHERE name = 'schema_version'",
            StoreVersionError,
            "Upgrade",
        )
        refused(
            "UPDATE numberactive.meta SET value = 'x' WHERE name = 'schema_version'",
            StoreError,
            "another program",
        )
        refused("DELETE FROM numberactive.meta", StoreError, "another program")
        refused(
            "ALTER TABLE numberactive.meta RENAME COLUMN name TO key",
            StoreError,
            "cannot be used.*name",
        )
        refused("DROP TABLE numberactive.meta", StoreError, "cannot be used.*already exists")
        assert admin.execute("SELECT count(*) FROM numberactive.lookups").fetchone() == (0,)
    assert vendor.calls == []


@pytest.fixture
def database(postgres, dsn):
    """Makes databases of other encodings, and drops them."""
    made = []
    with psycopg.connect(dsn, autocommit=True) as admin:

        def make(encoding: str) -> str:
            made.append(f"in_{encoding.lower()}")
            admin.execute(
                f"CREATE DATABASE {made[-1]} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
            )
            return dsn[: dsn.rindex("/") + 1] + made[-1]

        yield make
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@server
def test_a_database_that_cannot_hold_the_vendors_words_is_refused(database, vendor):
    configure(vendor, database("LATIN1"))
    with pytest.raises(StoreError, match="LATIN1.*createdb"):
        FRAME.numberactive.enrich("phone")
    assert vendor.calls == []


@server
def test_a_database_made_without_a_locale_keeps_words_and_its_errors_are_text(database, vendor):
    """SQL_ASCII is what initdb makes where LANG is not set."""
    dsn = database("SQL_ASCII")
    with LookupStore.open(dsn) as store:
        store.do(lambda db: db.execute("INSERT INTO meta VALUES ('msg', '查询成功 – ok')"))
        assert (
            store.do(
                lambda db: db.execute("SELECT value FROM meta WHERE name = 'msg'").fetchone()[0]
            )
            == "查询成功 – ok"
        )

        def fail(db: Any) -> None:
            db.execute(
                r"DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = convert_from(decode('e9ff', 'hex'), 'SQL_ASCII'); END $$"
            )

        with pytest.raises(StoreError, match="CharacterNotInRepertoire"):
            store.do(fail)
    configure(vendor, dsn)
    assert (
        FRAME.numberactive.enrich("phone")["phone_lookup_status"]
        .isin(["answered", "no_data"])
        .all()
    )


def test_a_refusal_in_another_language_and_encoding_is_still_an_error_of_ours():
    """Before a client has said what it reads, a server speaks as it was set up."""
    said = "FATAL: Authentifizierung für Benutzer »me« fehlgeschlagen".encode("latin-1")
    fields = b"SFATAL\0VFATAL\0C28P01\0M" + said + b"\0\0"

    def answer() -> None:
        while True:
            client, _ = listener.accept()
            with client:
                while client.recv(4096)[4:8] == SSL_REQUEST:
                    client.sendall(b"N")
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: suppressed(answer), daemon=True).start()
        with pytest.raises(StoreError, match="cannot be reached.*Benutzer") as caught:
            LookupStore.open(
                f"postgresql://me:{PASSWORD}@127.0.0.1:{listener.getsockname()[1]}/x?gssencmode=disable"
            )
        listener.shutdown(socket.SHUT_RDWR)
    assert PASSWORD not in str(caught.value)


SSL_REQUEST = (80877103).to_bytes(4, "big")


def suppressed(work: Any) -> None:
    with contextlib.suppress(OSError):
        work()


@server
def test_an_error_quotes_no_row(dsn):
    with LookupStore.open(dsn) as store:

        def twice(db: Any) -> None:
            for _ in range(2):
                db.execute(
                    "INSERT INTO lookups (environment, number, generation, packed) VALUES (1, 8118899532, 1, 3)"
                )

        with pytest.raises(StoreError, match="UniqueViolation: duplicate key") as caught:
            store.do(twice)
    assert caught.value.__cause__ is None
    assert "8118899532" not in "".join(traceback.format_exception(caught.value))


@server
def test_a_network_that_swallows_packets_is_noticed_and_the_address_may_say_otherwise(dsn):
    with LookupStore.open(dsn) as store:
        have = store.engine._open.info.get_parameters()
    assert (have["keepalives_idle"], have["tcp_user_timeout"], have["connect_timeout"]) == (
        "10",
        "25000",
        "10",
    )
    with LookupStore.open(f"{dsn}?keepalives_idle=77&application_name=team") as store:
        have = store.engine._open.info.get_parameters()
        assert (have["keepalives_idle"], have["tcp_user_timeout"], have["application_name"]) == (
            "77",
            "25000",
            "team",
        )


# Roles.


def guide_sql() -> list[str]:
    """The statements that the guide tells an owner to run."""
    page = ROOT / ".github" / "docs" / "howto" / "team-store.md"
    (block,) = re.findall(r"```sql\n(.*?)```", page.read_text(), re.S)
    return [statement for statement in block.split(";") if statement.strip()]


@pytest.fixture
def analyst(dsn):
    """The address of the role that the guide makes, word for word."""
    LookupStore.open(dsn).close()
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS analyst")
        for statement in guide_sql():
            owner.execute(statement)
        owner.execute("CREATE SCHEMA payroll CREATE TABLE salaries (amount INTEGER)")
        yield dsn.replace("owner:", "analyst:")
        owner.execute("DROP SCHEMA payroll CASCADE")
        owner.execute("DROP OWNED BY analyst")
        owner.execute("DROP ROLE analyst")


@server
def test_the_readmes_role_can_buy_copy_settle_and_forget(analyst, vendor, tmp_path):
    configure(vendor, str(tmp_path / "old.sqlite3"))
    FRAME.head(5).numberactive.enrich("phone")
    copy(str(tmp_path / "old.sqlite3"), analyst)
    configure(vendor, analyst)
    FRAME.numberactive.enrich("phone")
    assert vendor.ledger.total == 20
    FRAME.head(5).numberactive.enrich("phone", refresh=True)
    with warnings.catch_warnings(), pna.LookupStore() as books:
        warnings.simplefilter("error")
        assert books.spend("environment")["charged"].tolist() == [25]
        assert books.forget(FRAME["phone"].head(3)) == 3
        assert len(books) == 17 + 2


@server
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE numberactive.lookups",
        "DROP SCHEMA numberactive CASCADE",
        "TRUNCATE numberactive.events",
        "ALTER TABLE numberactive.lookups ADD COLUMN x INTEGER",
        "CREATE TABLE numberactive.mine (x INTEGER)",
        "SELECT * FROM payroll.salaries",
        "SELECT * FROM pg_authid",
    ],
)
def test_the_readmes_role_can_neither_drop_nor_read_anything_else(analyst, statement):
    with psycopg.connect(analyst) as limited, pytest.raises(psycopg.errors.InsufficientPrivilege):
        limited.execute(statement)


@server
def test_a_right_that_is_missing_is_said_before_anything_is_paid(dsn, analyst, vendor):
    configure(vendor, analyst)
    with psycopg.connect(dsn, autocommit=True) as owner:
        for right, table in (
            ("UPDATE", "lookups"),
            ("INSERT", "events"),
            ("DELETE", "workers"),
        ):
            owner.execute(f"REVOKE {right} ON numberactive.{table} FROM analyst")
            with pytest.raises(
                StoreError, match=f"lacks {right} on numberactive.{table}"
            ) as caught:
                FRAME.numberactive.enrich("phone")
            assert "team-store" in str(caught.value)
            owner.execute(f"GRANT {right} ON numberactive.{table} TO analyst")
        assert vendor.calls == []
        owner.execute(
            "REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA numberactive FROM analyst"
        )
        assert (
            FRAME.numberactive.plan("phone").to_buy == 20
        )  # who may only read can plan, and see the books
        assert len(pna.history()) == 0
    with pytest.raises(NumberActiveError, match="may not buy"):
        pna.lookup("08118899532")
    assert vendor.calls == []


@server
def test_a_store_on_an_old_server_is_refused(dsn, monkeypatch):
    monkeypatch.setattr(store_connection, "OLDEST", 10**9)
    with pytest.raises(StoreError, match="older than"):
        LookupStore.open(dsn)


def test_forgotten_numbers_stand_in_no_statement(dsn, monkeypatch):
    """The server's log and its list of activity show statements, and not their parameters."""
    seen = []
    execute = store_connection.Translated.execute

    def watched(self, sql, parameters=(), /):
        seen.append(sql)
        return execute(self, sql, parameters)

    with pna.LookupStore(dsn) as store:
        monkeypatch.setattr(store_connection.Translated, "execute", watched)
        assert store.forget(["08118899532", "08118899533"]) == 0
    assert any("UPDATE events" in sql for sql in seen)
    assert not [sql for sql in seen if "81188995" in sql]


@server
def test_a_plan_takes_no_turn_of_a_writer(dsn, vendor, monkeypatch):
    """It reads: also on a server that takes no writes, and while another writes for long."""
    configure(vendor, dsn)
    FRAME.head(5).numberactive.enrich("phone")
    monkeypatch.delattr(store_connection.Connection, "begin")
    assert FRAME.numberactive.plan("phone").to_buy == 15


@server
def test_doctor_names_a_standby(dsn, vendor, monkeypatch):
    """A run there would end at its first write."""
    configure(vendor, dsn)
    FRAME.head(5).numberactive.enrich("phone")
    execute = store_connection.Translated.execute

    def standby(self, sql, parameters=(), /):
        return execute(self, sql.replace("pg_is_in_recovery()", "true"), parameters)

    monkeypatch.setattr(store_connection.Translated, "execute", standby)
    found = pna.doctor()
    assert not found.ready
    assert "standby" in repr(found)
    with pytest.raises(StoreError, match="standby.*Nothing was bought"):
        FRAME.numberactive.enrich("phone")
    assert vendor.ledger.total == 5
