"""The errors that end a run early, each with what to do."""

from __future__ import annotations

from pandas_numberactive._vendor.verdicts import Verdict
from pandas_numberactive.errors import AuthenticationError, NumberActiveError, VendorError


def stopped_by_vendor(verdict: Verdict) -> VendorError:
    """The vendor said something after which no other number may be asked."""
    said = " ".join(
        part
        for part in (verdict.reason, verdict.code and f"code {verdict.code}", verdict.msg)
        if part
    )
    kind: type[VendorError]
    if verdict.reason in ("http_401", "http_403"):
        kind, hint = (
            AuthenticationError,
            "Check the app key, the secret, and whether this address is allowed.",
        )
    elif verdict.reason == "simulator_answer":
        kind, hint = VendorError, "A simulator answered in place of the vendor; check base_url."
    else:
        kind, hint = VendorError, "Check base_url, encoding and proxy."
    message = f"The vendor's reply stopped the run: {said}. {hint} Everything paid is stored."
    return kind(message, code=verdict.code, msg=verdict.msg)


def collision() -> VendorError:
    """Two numbers of this run have one requestId."""
    return VendorError(
        "The vendor gave one requestId to two numbers. Neither was queried, both are held as "
        "uncertain; "
        "ask the vendor before you go on."
    )


def as_ours(error: Exception) -> NumberActiveError:
    """What ended the run, as one of our errors; anything unforeseen keeps its cause."""
    if isinstance(error, NumberActiveError):
        return error
    unforeseen = NumberActiveError(
        f"The run ended on an unforeseen {type(error).__name__}; everything paid is kept. Please "
        "report it."
    )
    unforeseen.__cause__ = error
    return unforeseen
