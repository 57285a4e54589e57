"""The commands on one number and on this machine: lookup, verify, doctor, login, simulate."""

from __future__ import annotations

import getpass

import click

from pandas_numberactive._cli.codes import Exit
from pandas_numberactive._cli.doctor import doctor as diagnose
from pandas_numberactive._cli.phones import PHONE_VARIABLE, every_phone, one_phone
from pandas_numberactive._cli.words import at_terminal, example, plain, put_json, tell
from pandas_numberactive._config.checks import VARIABLES
from pandas_numberactive._config.keyring import require_keyring, save_to_keyring
from pandas_numberactive._config.settings import settings
from pandas_numberactive._phones.parse import explain, parse_phone
from pandas_numberactive.errors import ConfigurationError, InvalidPhoneError, NumberActiveError


@click.command(epilog=example("echo 08118899532 | numberactive lookup"))
@click.option("--refresh", is_flag=True, help="Buy one number again.")
@click.option("--max-age", metavar="AGE", help="Buy again what is older, such as 180D.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def lookup(refresh: bool, max_age: str | None, as_json: bool) -> int:
    """Look numbers up. Give them on standard input, one a line.

    A number that is stored is free, another one is charged once. They are read from standard
    input, or one from the variable NUMBERACTIVE_PHONE, to keep them out of the process list.
    """
    # Imported here because it loads pandas, which other commands need not.
    from pandas_numberactive._pandas.lookup import lookup as ask

    phones = _nationals(every_phone())
    if refresh and len(phones) > 1:
        raise ConfigurationError(
            f"--refresh buys one number again, and here are {len(phones):,}: the same command "
            "once more would buy finished ones again. Put a line with the word phone above them, "
            "and use: numberactive enrich - --refresh. Nothing was sent."
        )
    found = []
    for phone in phones:
        one = ask(phone, refresh=refresh, max_age=max_age)
        found.append(one)
        if not as_json:
            click.echo(str(one))  # at once: an error of the next number must not hide it
    if as_json:
        put_json([plain(one) | {"phone": one.masked} for one in found])
    final = all(one.status in ("answered", "no_data") for one in found)
    return Exit.COMPLETE if final else Exit.INCOMPLETE


def _nationals(phones: list[str]) -> list[str]:
    """Return each number once, all read before the first is asked."""
    limit = settings().max_digits
    out: dict[str, None] = {}
    for at, phone in enumerate(phones, start=1):
        national, reason = parse_phone(phone, max_digits=limit)
        if national is None:
            where = f"Line {at}: " if len(phones) > 1 else ""
            raise InvalidPhoneError(f"{where}{explain(reason or '')} Nothing was sent.")
        out[national] = None
    return list(out)


@click.command(epilog=example("echo 081211112222 | numberactive verify --max-charges 1"))
@click.option(
    "--phone", help=f"A number of your own; better on standard input or in {PHONE_VARIABLE}."
)
@click.option("--max-charges", type=int, help="Production: must be 1.")
def verify(phone: str | None, max_charges: int | None) -> int:
    """Check the assumptions about the vendor with one look-up."""
    # Imported here because it loads the client, which other commands need not.
    from pandas_numberactive._cli.verify import verify as check

    asked = phone or one_phone()
    try:
        found = check(asked, max_charges=max_charges)
    except NumberActiveError as error:
        error.report = None  # a check that could not be made has no bill to show
        raise
    click.echo(repr(found))
    return Exit.INCOMPLETE if found.refuted else Exit.COMPLETE


@click.command(epilog=example("numberactive doctor"))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> int:
    """Show what is configured, without spending. Exit code 1 where no run could start."""
    found = diagnose()
    if as_json:
        details = {"ready": found.ready, "warnings": found.warnings, **dict(found.lines)}
        put_json(details)
    else:
        click.echo(repr(found))
    return Exit.COMPLETE if found.ready else Exit.BROKEN


@click.command(epilog=example("numberactive login"))
def login() -> int:
    """Keep app key and secret in the system's keyring."""
    keys = f"{VARIABLES['app_key']} and {VARIABLES['secret']}"
    require_keyring()
    if not at_terminal():
        raise ConfigurationError(
            f"login asks for the keys in a terminal, and there is none: set {keys} instead."
        )
    try:
        app_key = input("App key: ").strip()
        secret = getpass.getpass("Secret (not shown): ").strip()
    except EOFError:
        raise ConfigurationError("Nothing was kept: login needs both keys.") from None
    save_to_keyring(app_key, secret)
    click.echo("Kept in the system's keyring.")
    return Exit.COMPLETE


@click.command(epilog=example("numberactive simulate --port 8900"))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8900, help="0 for any that is free.  [8900]"
)
@click.option("--latency", type=float, default=0.0, help="Seconds before each reply.")
@click.option(
    "--ledger",
    metavar="FILE",
    help="Write each charge to FILE, a line of JSON.",
)
@click.option("--app-key", default="simulator", show_default=True, help="The key it accepts.")
@click.option("--secret", default="simulator", show_default=True, help="The secret it accepts.")
def simulate(port: int, latency: float, ledger: str | None, app_key: str, secret: str) -> int:
    """Serve the simulator on the loopback.

    With other keys than its own it refuses each command, as a vendor refuses a wrong key.
    """
    # Imported here because only this command serves.
    from pandas_numberactive.simulator import serve_forever

    serve_forever(port, latency=latency, ledger_path=ledger, app_key=app_key, secret=secret)
    return Exit.COMPLETE


@click.command(epilog=example("numberactive completion bash > ~/.numberactive-complete"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that completes commands and options in your SHELL, to be sourced."""
    # Imported here because only this command needs it.
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    group = context.find_root().command
    click.echo(kind(group, {}, "numberactive", "_NUMBERACTIVE_COMPLETE").source())
    tell("# Load it from your shell's start-up file.")
    return Exit.COMPLETE
