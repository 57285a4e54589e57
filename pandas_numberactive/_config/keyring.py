"""The keys in the system's keyring. Importing it is left to the moment that it is asked."""

from __future__ import annotations

import importlib
from typing import Any

from pandas_numberactive._config.checks import CHECKS, VARIABLES
from pandas_numberactive._display.public import public
from pandas_numberactive.errors import ConfigurationError, missing_extra

KEYRING_SERVICE = "pandas-numberactive"


def from_keyring(name: str) -> tuple[str | None, str]:
    """Return what is kept under a name, or None, and where it was found. Never raises."""
    try:
        keyring = importlib.import_module("keyring")
    except Exception:
        return None, "not found"
    try:
        found = keyring.get_password(KEYRING_SERVICE, name)
        return (
            (CHECKS[name](name, found), "keyring") if found else (None, "not found (keyring asked)")
        )
    except Exception as error:
        return None, f"not found (keyring: {type(error).__name__})"


def require_keyring() -> Any:
    """Return the keyring module, if it can keep something here.

    Raises MissingExtraError without the extra `keyring`.
    """
    try:
        keyring = importlib.import_module("keyring")
    except ImportError as error:
        raise missing_extra("keyring", "keyring") from error
    backend = getattr(keyring, "get_keyring", lambda: None)()
    if getattr(backend, "priority", 1) <= 0:  # its stand-ins, which keep nothing
        raise ConfigurationError(
            f"This system has no keyring: set {VARIABLES['app_key']} and {VARIABLES['secret']} "
            "instead."
        )
    return keyring


@public
def save_to_keyring(app_key: str, secret: str) -> None:
    """Keep both in the system's keyring. Raises MissingExtraError without the extra `keyring`."""
    keys = {"app_key": app_key, "secret": secret}
    said = {name: CHECKS[name](name, value) for name, value in keys.items()}
    keyring = require_keyring()
    try:
        for name, value in said.items():
            keyring.set_password(KEYRING_SERVICE, name, value)
    except Exception as error:
        raise ConfigurationError(
            f"The system's keyring did not take the keys ({type(error).__name__}); set "
            f"{VARIABLES['app_key']} and {VARIABLES['secret']} instead."
        ) from None
