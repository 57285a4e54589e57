"""Every state of the look-up form, without a browser: messages as the page would send them, the vendor's ledger as judge."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from datetime import UTC, datetime

import ipywidgets
import pytest

import pandas_numberactive as pna
from pandas_numberactive._jupyter.form import (
    QUIET_SECONDS,
    STILL_SECONDS,
    LookupForm,
    Offer,
    _past,
)
from pandas_numberactive._pandas.lookup import Lookup, lookup_card
from pandas_numberactive._purchase.flow import RetryPolicy
from pandas_numberactive.simulator import Faults, Simulator

PHONE = "8118899532"
OTHER = "8123456789"


def answer(phone=PHONE, status="answered", **given):
    """A look-up as the store or the vendor would have it."""
    usual = {
        "telco_type": "prepaid" if status == "answered" else None,
        "active_level": "high" if status == "answered" else None,
        "frequency_grade": "low" if status == "answered" else None,
        "looked_up_at": datetime(2026, 11, 3, tzinfo=UTC),
        "charged": True,
        "source": "new",
        "request_id": "3ce9f0c7",
        "code": None,
        "msg": "",
        "reason": None,
        "environment": "production",
    }
    return Lookup(phone=phone, status=status, **{**usual, **given})


async def nothing(national):
    return None


@pytest.fixture
def form(as_production):
    as_production()
    return LookupForm(still=0.05)


@contextlib.contextmanager
def faulty_bank(tmp_path, faults, **options):
    """Configure a stand-in for production that has these faults."""
    with Simulator(stand_in=True, app_key="k", secret="s", faults=faults) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
            **options,
        )
        yield vendor


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def said(form):
    return form._said.value


def press_enter(form):
    form._field._handle_custom_msg({"event": "submit"}, [])


def buy_button(form):
    until(lambda: form._place.children)
    return form._place.children[0]


def idle(form):
    until(lambda: not form._busy and not form._check.disabled)


def test_it_is_a_core_widget_with_a_label_and_no_secret_field(form):
    assert isinstance(form, ipywidgets.Widget)
    assert isinstance(form, pna.LookupForm)
    assert form._field.description == "Phone number"
    assert 'role="status" aria-live="polite"' in said(form)
    inside = [form, *form.children, *form.children[0].children]
    assert len(inside) > 5
    assert not [widget for widget in inside if isinstance(widget, ipywidgets.Password)]


def test_check_is_free_and_buy_names_the_number_and_its_price(form, vendor):
    form._field.value = "0811-8899-532"
    form._check.click()
    button = buy_button(form)
    assert button.description == "Buy 8118899532 for IDR 500"
    assert "Telkomsel" in said(form)
    assert vendor.calls == []
    button.click()
    until(lambda: form.value is not None)
    idle(form)
    assert vendor.ledger.charged_phones() == {PHONE: 1}
    assert form._place.children == ()
    assert "8118****532" in form._shown.value
    assert PHONE not in form._shown.value + form._past.value + said(form)
    assert form.history["phone"].tolist() == ["8118****532"]
    assert form.history["active_level"].dtype == pna.ACTIVE_LEVEL


def test_a_stored_number_is_free_and_shown_at_once(form, vendor):
    pna.lookup(PHONE)
    form._field.value = PHONE
    press_enter(form)
    until(lambda: "in your store since" in said(form))
    assert buy_button(form).description == "Buy 8118899532 again for IDR 500"
    assert form.value.source == "stored"
    assert vendor.ledger.total == 1


def test_double_click_charges_once(form, vendor):
    form._field.value = PHONE
    press_enter(form)
    button = buy_button(form)
    button.click()
    button.click()
    until(lambda: form.value is not None)
    idle(form)
    button.click()
    assert vendor.ledger.total == 1


def test_a_changed_field_disarms_and_an_old_button_buys_nothing(form, vendor):
    form._field.value = PHONE
    press_enter(form)
    old = buy_button(form)
    form._field.value = PHONE + "1"
    assert form._place.children == ()
    old.click()
    assert form._busy is False
    form._field.value = PHONE
    old.click()
    assert form._busy is False
    assert vendor.calls == []


def test_late_keystrokes_after_enter_are_what_is_read(form):
    form._field.value = "0811889"
    press_enter(form)  # the page sends Enter before the last keys
    for end in ("08118899", "081188995", "0811889953", "08118899532"):
        form._field.value = end
    assert buy_button(form).description.startswith("Buy 8118899532 ")


@pytest.mark.parametrize(
    ("text", "why"),
    [("0811CALLMEE", "letters"), ("", "blank"), ("+65 8118 8995", "another country")],
)
def test_what_is_no_number_says_why(form, vendor, text, why):
    form._field.value = "x"
    form._field.value = text
    press_enter(form)
    until(lambda: why in said(form))
    assert "cell" not in said(form)
    assert form._place.children == ()
    assert vendor.calls == []


def test_an_error_is_a_card_with_code_and_words_escaped_and_without_a_traceback(tmp_path):
    with faulty_bank(tmp_path, Faults(handle={"http_403": 1.0})):
        form = LookupForm(still=0.01)
        form._field.value = PHONE
        press_enter(form)
        buy_button(form).click()
        until(lambda: "http_403" in form._shown.value)
        idle(form)
        assert "Traceback" not in form._shown.value
        assert form.value is None
        form._field.value = "08123456789"
        press_enter(form)
        buy_button(form)  # the form lives on


def test_words_of_the_vendor_are_escaped(tmp_path):
    async def bad(national):
        raise pna.errors.VendorError("<script>alert(1)</script>", code="<b>", msg="<img src=x>")

    pna.configure(environment="simulator", store=":memory:")
    form = LookupForm(buy=bad, peek=nothing, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    buy_button(form).click()
    until(lambda: "alert" in form._shown.value)
    assert "<script>" not in form._shown.value
    assert "<img" not in form._shown.value


def test_without_keys_it_explains_and_offers_the_simulator():
    form = LookupForm(still=0.01)
    assert "NUMBERACTIVE_APP_KEY" in form._shown.value
    assert "simulator" in form._shown.value
    form._field.value = PHONE
    press_enter(form)
    until(lambda: "Nothing was sent" in said(form))
    assert form._place.children == ()


def test_the_simulators_answers_say_that_they_are_made_up(tmp_path):
    pna.configure(
        environment="simulator", store=f"{tmp_path}/own.db"
    )  # the one in memory is the whole process's
    form = LookupForm(still=0.01)
    form._field.value = PHONE
    press_enter(form)
    buy_button(form).click()
    until(lambda: "Made up by the simulator" in form._shown.value)


def test_a_buy_button_comes_half_a_second_after_the_last_change(as_production):
    as_production()
    assert LookupForm()._still == STILL_SECONDS == 0.5
    form = LookupForm(still=0.3)
    form._field.value = PHONE[:-1]
    press_enter(form)
    form._field.value = PHONE
    changed = time.monotonic()
    buy_button(form)
    assert time.monotonic() - changed >= 0.3


@pytest.mark.parametrize(
    ("typed", "told"), [(PHONE[:-1], "Read as 811889953 "), (PHONE[:4], "fewer than 9")]
)
def test_enter_held_down_buys_nothing_and_keys_that_it_overtook_are_read(
    as_production, typed, told
):
    """Each Enter puts the button off, so that no repeat of the key can press it."""
    as_production()
    form, seen = LookupForm(still=0.3), []
    form._said.observe(lambda line: seen.append((line["new"], form._place.children)), "value")
    form._field.value = typed
    form._changed_at = 0.0  # long ago
    for times in range(1, 4):
        press_enter(form)
        pressed = time.monotonic()
        until(
            lambda count=times: sum(told in line for line, _ in seen) == count
        )  # what was read is shown at once
    form._field.value = PHONE  # sent by the page before Enter, and late
    assert buy_button(form).description.startswith(f"Buy {PHONE} ")
    assert time.monotonic() - pressed >= 0.3
    assert all(buttons == () for _, buttons in seen)


def test_what_was_checked_is_what_stands_in_the_field(as_production):
    """The field changes while the store is read: the check begins again, and no Enter is lost."""
    as_production()
    seen = []

    async def changing(national):
        seen.append(national)
        form._field.value = OTHER

    form = LookupForm(peek=changing, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    assert buy_button(form).description == f"Buy {OTHER} for IDR 500"
    assert seen == [PHONE, OTHER]


def test_only_the_newest_check_shows_its_outcome(as_production):
    as_production()
    begun, slow, ended = threading.Event(), threading.Event(), threading.Event()

    async def peek(national):
        if national == PHONE:
            begun.set()
            await asyncio.to_thread(slow.wait, 10)
            ended.set()
            return answer()
        return None

    form = LookupForm(peek=peek, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    assert begun.wait(10)
    assert "Checking" in said(form)
    form._field.value = OTHER
    press_enter(form)
    button = buy_button(form)
    slow.set()
    until(ended.is_set)
    form._field.value = OTHER + "1"
    press_enter(form)  # a round behind the slow one: what it had to show, it has shown
    until(lambda: form._place.children and form._place.children[0] is not button)
    assert form.value is None
    assert form._shown.value == ""


def test_a_change_while_the_button_is_put_there_takes_it_away(as_production, monkeypatch):
    as_production()
    form, seen, real = LookupForm(peek=nothing, still=0.01), [], ipywidgets.Button

    def button(**options):
        form._field.value = OTHER  # as another thread may, just then
        return real(**options)

    monkeypatch.setattr(ipywidgets, "Button", button)
    form._place.observe(lambda place: seen.append(len(place["new"])), "children")
    form._field.value = PHONE
    press_enter(form)
    until(lambda: seen == [1, 0])
    until(lambda: "was changed: check again" in said(form))


def test_keys_that_come_when_the_button_has_just_come_disarm_it(as_production):
    """The page was slow: they were typed before Enter, and the number is another one."""
    as_production()
    form = LookupForm(still=0.01)
    form._field.value = PHONE[:-1]
    press_enter(form)
    buy_button(form)
    form._field.value = PHONE
    assert form._place.children == ()
    assert "was changed: check again" in said(form)


def test_what_was_said_goes_with_the_text_it_was_said_about(form):
    form._field.value = PHONE
    press_enter(form)
    buy_button(form)
    assert PHONE in said(form)
    form._field.value = PHONE + "1"
    assert "was changed: check again" in said(form)


def test_while_busy_nothing_else_is_bought_and_nothing_is_checked(as_production):
    as_production()
    go, bought = threading.Event(), []

    async def slowly(national):
        bought.append(national)
        await asyncio.to_thread(go.wait, 10)
        return answer(national)

    form = LookupForm(buy=slowly, peek=nothing, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    old = buy_button(form)
    old.click()
    until(lambda: bought)
    assert form._check.disabled
    assert form._place.children == ()
    old.click()
    form._field.value = OTHER
    press_enter(form)
    form._check.click()
    until(lambda: "Asking for 8118****532" in said(form))
    go.set()
    idle(form)
    assert form.value.phone == PHONE
    assert "8118****532: answered. It is in the history below." in said(form)
    assert form._shown.value == ""  # no answer stands under another number
    assert "8118****532" in form._past.value
    press_enter(form)
    assert buy_button(form).description.startswith(f"Buy {OTHER}")
    assert bought == [PHONE]


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (answer(status="quarantined"), "about another number"),
        (answer(status="failed", code="100401", msg="no balance"), "was charged"),
        (answer(status="no_data"), "no data"),
    ],
    ids=["quarantined", "failed, charged", "no data"],
)
def test_what_is_paid_and_final_is_shown_and_not_offered_again(as_production, stored, words):
    as_production()

    async def peek(national):
        return stored

    form = LookupForm(peek=peek, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    until(lambda: "in your store since 3 Nov 2026: free" in said(form))
    assert words in form._shown.value
    until(lambda: form._answered == form._asked)
    again = ["Buy 8118899532 again for IDR 500"] if stored.status == "no_data" else []
    until(lambda: [button.description for button in form._place.children] == again)
    assert form.value is stored


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "not answered yet"),
        ("uncertain", "may have been charged"),
        ("failed", "without"),
    ],
)
def test_what_is_not_final_says_so_before_it_is_asked_again(as_production, state, words):
    as_production()

    async def peek(national):
        return answer(status=state, charged=False if state == "failed" else None)

    form = LookupForm(peek=peek, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    assert buy_button(form).description == "Buy 8118899532 for IDR 500"
    assert words in said(form)
    assert "Not in your store" not in said(form)


@pytest.fixture
def begun(as_production):
    """Give a form, and a look-up of PHONE that the vendor has not answered yet."""
    with Simulator(
        stand_in=True, app_key="made-up-key", secret="made-up-secret", pending_times=10**6
    ) as vendor:
        as_production()
        pna.configure(base_url=vendor.base_url, poll_for=0.05)
        assert pna.lookup(PHONE).status == "pending"
        yield LookupForm(still=0.01)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"base_url": "http://127.0.0.1:9"}, "only at the host that gave it"),
        ({"app_key": "another-made-up-key"}, "only with the app key that it was begun with"),
    ],
    ids=["host", "key"],
)
def test_what_these_settings_cannot_ask_is_not_offered(begun, setting, words):
    """Buy would send nothing, and the words about it are true."""
    pna.configure(**setting)
    begun._field.value = PHONE
    press_enter(begun)
    until(lambda: words in said(begun))
    until(lambda: begun._answered == begun._asked)
    assert "Nothing was sent" in said(begun)
    assert "IDR" not in said(begun)
    assert begun._place.children == ()


def test_what_another_host_held_is_offered_at_its_own(begun):
    """The reason in the store is of an earlier call, with other settings."""
    own = pna.settings().base_url
    pna.configure(base_url="http://127.0.0.1:9")
    assert pna.lookup(PHONE).reason == "other_host"
    pna.configure(base_url=own)
    begun._field.value = PHONE
    press_enter(begun)
    buy_button(begun)
    assert "asks the same requestId again" in said(begun)


@pytest.mark.parametrize(
    "reason", ["request_id_too_old", "request_id_collision", "handle_reply_lost"]
)
def test_what_only_a_person_can_settle_is_not_offered(as_production, reason):
    """Buy would send nothing."""
    as_production()

    async def peek(national):
        return answer(national, status="uncertain", charged=None, source=None, reason=reason)

    form = LookupForm(peek=peek, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    until(lambda: "LookupStore().resolve" in said(form))
    until(lambda: form._answered == form._asked)
    assert form._place.children == ()


def test_other_settings_than_the_button_was_made_with_buy_nothing(form, vendor):
    form._field.value = PHONE
    press_enter(form)
    old = buy_button(form)
    pna.configure(unit_price=900)
    old.click()
    assert "check again" in said(form)
    assert form._place.children == ()
    press_enter(form)
    assert buy_button(form).description == "Buy 8118899532 for IDR 900"
    assert vendor.calls == []


def test_an_unforeseen_error_is_a_card_and_the_form_lives_on(as_production):
    as_production()
    broken = [True]

    async def buy(national):
        if broken.pop():
            raise RuntimeError("<b>out of order</b>")

    form = LookupForm(buy=buy, peek=nothing, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    buy_button(form).click()
    until(lambda: "Unexpected: RuntimeError" in form._shown.value)
    assert "<b>out" not in form._shown.value
    assert "Nothing that was paid is lost" in form._shown.value
    idle(form)
    press_enter(form)
    buy_button(form)


def test_history_is_typed_newest_first_and_holds_a_number_once(as_production):
    as_production()

    async def buy(national):
        return answer(national)

    form = LookupForm(buy=buy, peek=nothing, still=0.01)
    empty = form.history.dtypes
    for phone in (PHONE, OTHER, PHONE):
        form._field.value = ""
        form._field.value = phone
        press_enter(form)
        buy_button(form).click()
        until(lambda: form.value is not None and not form._busy)
        form.value = None
    history = form.history
    assert history["phone"].tolist() == ["8118****532", "8123****789"]
    assert history["environment"].tolist() == ["production"] * 2
    assert (history.dtypes == empty).all()
    assert history["charged"].dtype == "boolean"
    assert form._past.value.index("8118****532") < form._past.value.index("8123****789")


def test_the_past_says_of_each_look_up_what_it_cost(as_production):
    as_production()
    free = answer(OTHER, status="failed", charged=False, source=None)
    rows = re.findall("<td[^>]*>([^<]*)</td>", _past([answer(), free, answer(source="stored")]))
    assert rows[3::4] == ["charged", "free", "free: stored"]


def test_the_past_says_where_each_answer_is_from(as_production):
    as_production()
    where = ["production"]

    async def peek(national):
        return answer(national, environment=where[-1])

    form = LookupForm(peek=peek, still=0.01)
    form._field.value = PHONE
    press_enter(form)
    until(lambda: "Looked up here (production)" in form._past.value)
    where.append("simulator")
    press_enter(form)
    until(lambda: "Looked up here (production, simulator)" in form._past.value)
    assert (
        form._past.value.count(">simulator</td>") == form._past.value.count(">production</td>") == 1
    )
    assert form.history["environment"].tolist() == ["simulator", "production"]


def test_a_form_as_text_holds_no_number(form):
    """A widget's own repr begins with its children, and a notebook keeps the first 110 characters of it."""
    form._field.value = PHONE
    assert PHONE not in repr(form)
    if hasattr(form, "_repr_mimebundle_"):  # ipywidgets 8; version 7 shows the repr
        assert PHONE not in form._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize(
    "status", "answered no_data failed uncertain quarantined pending not_bought".split()
)
def test_a_card_has_every_fact_and_escapes_what_comes_from_outside(status):
    wild = "<img src=x onerror=alert(1)>"
    shown = lookup_card(answer(status=status, request_id=wild, code=wild, msg=wild, reason=wild))
    assert "<img" not in shown
    assert "requestId &lt;img" in shown
    assert "8118****532" in shown
    assert PHONE not in shown
    for fact in ("3 Nov 2026", "charged", "new", "production"):
        assert fact in shown
    if status == "answered":
        assert all(f">{word}</span>" in shown for word in ("high", "low", "prepaid"))
    elif status != "no_data":
        assert f"8118****532: {status.replace('_', ' ')}" in shown


@pytest.mark.parametrize(
    ("charged", "word"), [(True, "charged"), (False, "free"), (None, "charge unknown")]
)
def test_a_card_says_whether_it_was_charged(charged, word):
    assert f", {word}, " in lookup_card(answer(charged=charged))


def test_a_card_without_a_request_id_does_not_name_one():
    assert "requestId" not in lookup_card(answer(request_id=None))


# --- Enter, once more, in the field


def armed(form, phone=PHONE):
    """Check a number with Enter, and wait until its offer may be bought by Enter."""
    form._field.value = phone
    press_enter(form)
    button = buy_button(form)
    until(lambda: form._shown_at is not None)
    until(lambda: time.monotonic() - form._shown_at >= form._still)
    return button


def test_enter_once_more_buys_the_number_on_the_button(form, vendor):
    """The keyboard alone is enough, and it never leaves the field."""
    armed(form)
    press_enter(form)
    until(lambda: form.value is not None)
    idle(form)
    assert vendor.ledger.charged_phones() == {PHONE: 1}


def test_python_never_moves_the_focus(as_production, vendor, monkeypatch):
    """A focused button takes the next space that somebody types into another cell."""
    as_production()
    moved = []
    for kind in (ipywidgets.Text, ipywidgets.Button):
        monkeypatch.setattr(kind, "focus", lambda self: moved.append(self), raising=False)
    form = LookupForm(still=0.01)
    armed(form).click()
    until(lambda: form.value is not None)
    idle(form)
    pna.configure(unit_price=900)
    armed(form, OTHER)
    pna.configure(unit_price=500)
    press_enter(form)
    until(lambda: "settings were changed" in said(form))
    assert moved == []
    assert vendor.ledger.total == 1


def test_enter_before_the_offer_stood_for_half_a_second_checks_again(as_production, vendor):
    """A key held down, or pressed twice in a hurry, buys nothing."""
    as_production()
    form = LookupForm(still=0.3)
    form._field.value = PHONE
    press_enter(form)
    first = buy_button(form)
    form._shown_at = time.monotonic()  # however slow this test is
    press_enter(form)
    until(lambda: form._place.children not in ((), (first,)))
    assert vendor.calls == []


def test_keys_that_enter_overtook_withdraw_the_purchase(as_production, vendor):
    """The page sends Enter before the last keys: the number is not the one on the button."""
    as_production()
    form = LookupForm(still=0.3)
    armed(form, PHONE[:-1])
    press_enter(form)
    form._field.value = PHONE
    confirmed = time.monotonic()
    until(lambda: time.monotonic() - confirmed > 0.4)
    assert form._busy is False
    assert vendor.calls == []


def test_enter_many_times_charges_once(form, vendor):
    armed(form)
    for _ in range(20):
        press_enter(form)
    until(lambda: form.value is not None)
    idle(form)
    assert vendor.ledger.total == 1


def test_enter_and_the_button_together_charge_once(as_production, vendor):
    as_production()
    form = LookupForm(still=0.1)
    button = armed(form)
    press_enter(form)
    button.click()
    until(lambda: form.value is not None)
    idle(form)
    assert form._offer is None
    assert vendor.ledger.total == 1


def test_enter_never_buys_a_stored_number_again(form, vendor):
    """A newer answer is for the mouse alone."""
    pna.lookup(PHONE)
    armed(form)
    before = form._asked
    press_enter(form)
    assert form._asked == before + 1
    assert "again" in buy_button(form).description
    assert vendor.ledger.total == 1


def test_buy_again_buys_a_newer_answer(form, vendor):
    pna.lookup(PHONE)
    armed(form).click()
    until(lambda: vendor.ledger.total == 2)
    idle(form)
    assert form.value.source == "new"


def test_an_enter_from_before_the_offer_was_seen_buys_nothing(as_production, vendor):
    """A cell blocks the loop that reads the page: an Enter waits there, older than the offer."""
    as_production()
    form = LookupForm(still=0.2)

    async def kernel():
        form._field.value = PHONE
        press_enter(form)
        blocked_until = time.monotonic() + 10
        while not form._place.children or time.monotonic() < form._asked_at + 0.8:
            assert time.monotonic() < blocked_until
            time.sleep(0.01)
        await asyncio.sleep(0)
        press_enter(form)  # was pressed while the cell ran

    asyncio.run(kernel())
    until(lambda: form._place.children)
    assert form._busy is False
    assert vendor.calls == []


# --- what a saved notebook keeps


def saved_state(form):
    """All that a notebook can save of the form: the state of its widgets that are not closed."""
    widgets = [form, *form.children, *form.children[0].children, *form._place.children]
    return " ".join([form._past.value, *(str(widget.get_state()) for widget in widgets)])


def test_a_minute_after_the_last_action_nothing_is_left_to_save(as_production, vendor):
    """An offer that nobody took: the number, its button and the words about it go."""
    as_production()
    assert LookupForm()._quiet == QUIET_SECONDS == 60
    form = LookupForm(still=0.01, quiet=0.3)
    button = armed(form)
    assert PHONE in saved_state(form)
    until(lambda: "Cleared after a minute" in said(form))
    assert PHONE not in saved_state(form)
    assert button.comm is None  # closed
    press_enter(form)
    until(lambda: "blank" in said(form))
    assert vendor.calls == []


def test_an_answer_goes_after_a_minute_and_its_history_stays(as_production):
    as_production()

    async def buy(national):
        return answer(national)

    form = LookupForm(buy=buy, peek=nothing, still=0.01, quiet=0.4)
    armed(form).click()
    until(lambda: ">high<" in form._shown.value)
    assert PHONE not in saved_state(form)
    until(lambda: form._shown.value == "")
    kept = saved_state(form)
    assert "8118****532" in kept
    assert not [level for level in ("high", "low", "prepaid") if f">{level}<" in kept]
    assert form.history["active_level"].tolist() == ["high"]


def test_a_withdrawn_button_names_no_number(form):
    """nbclient and papermill save closed widgets, too, as they last were."""
    button = armed(form)
    assert PHONE in button.description
    form._field.value = ""
    until(lambda: button.comm is None)
    assert button.description == ""


def test_a_purchase_empties_the_field_for_the_next_number(form, vendor):
    armed(form).click()
    assert form._field.value == ""
    until(lambda: form.value is not None)


def test_a_failed_purchase_gives_the_number_back(as_production):
    as_production()

    async def buy(national):
        raise pna.errors.VendorError("no", code="1", msg="no")

    form = LookupForm(buy=buy, peek=nothing, still=0.01)
    armed(form, "0811 8899 532").click()
    idle(form)
    assert form._field.value == "0811 8899 532"


# --- a form's own cap


def test_a_form_buys_no_more_than_its_cap(as_production, vendor):
    as_production()
    form = LookupForm(still=0.01, max_charges=1)
    armed(form).click()
    until(lambda: form.value is not None)
    idle(form)
    form._field.value = OTHER
    press_enter(form)
    until(lambda: "all that max_charges allows" in said(form))
    assert form._place.children == ()
    assert vendor.ledger.total == 1


def test_a_failure_without_charge_leaves_the_cap(as_production):
    as_production()

    async def buy(national):
        return answer(national, status="failed", charged=False)

    form = LookupForm(buy=buy, peek=nothing, still=0.01, max_charges=1)
    armed(form).click()
    idle(form)
    armed(form, OTHER)


@pytest.mark.parametrize("again", [False, True])
def test_what_was_never_sent_leaves_the_cap(as_production, again):
    """The vendor refuses the connection: the card says that nothing was sent or charged."""
    with Simulator(stand_in=True, app_key="made-up-key", secret="made-up-secret") as vendor:
        as_production()
        pna.configure(base_url=vendor.base_url)
        if again:
            pna.lookup(PHONE)
    form = LookupForm(still=0.01, max_charges=1)
    armed(form).click()
    idle(form)
    assert "Nothing was sent or charged" in form._shown.value
    assert form._charges == 0
    armed(form, OTHER)


@pytest.fixture
def refused(tmp_path, request):
    """Give a form with a cap of one, whose look-up of PHONE the vendor refuses at one step."""
    faults = Faults(script={request.param: ["http_403"]})
    with faulty_bank(tmp_path, faults):
        form = LookupForm(still=0.01, max_charges=1)
        armed(form).click()
        idle(form)
        assert "http_403" in form._shown.value
        yield form


@pytest.mark.parametrize("refused", ["handle"], indirect=True)
def test_a_refused_key_leaves_the_cap(refused):
    """The look-up was not begun."""
    armed(refused, OTHER)


@pytest.mark.parametrize("refused", ["query"], indirect=True)
def test_a_begun_lookup_counts_after_an_error(refused):
    """It has a requestId, so it may be charged. Its answer is fetched without another count."""
    assert refused._charges == 1
    armed(refused).click()
    until(lambda: refused.value is not None)
    idle(refused)
    refused._field.value = OTHER
    press_enter(refused)
    until(lambda: "all that max_charges allows" in said(refused))


def failing(found, kind=pna.errors.VendorError, charged=0):
    """Return a purchase that ends with an error, and leaves this look-up and these charges."""

    async def buy(national, **_):
        error = kind("The run stopped.")
        error.partial = found
        error.report = pna.RunReport(charged=charged)
        raise error

    return buy


@pytest.mark.parametrize(
    "buy",
    [
        failing(answer(status="pending", charged=None, reason="poll_for")),
        failing(answer(status="uncertain", charged=None, reason="lost_reply")),
        failing(answer(status="failed", charged=True, code="100401")),
        failing(answer(status="failed", charged=None, code="100401")),
        failing(answer(status="quarantined", charged=False, reason="wrong_phone")),
        failing(answer(status="failed", charged=False)),  # from before: the store was not read
        failing(answer(status="not_bought", charged=False)),
        failing(None),
        failing(answer(status="failed", charged=False, reason="x"), charged=1),
        failing(answer(status="failed", charged=False, reason="x"), pna.errors.StoreError),
        failing(answer(status="failed", charged=False, reason="x"), RuntimeError),
    ],
)
def test_what_may_be_charged_counts_after_an_error(as_production, buy):
    """Only a look-up that its own run read back as free is refunded."""
    as_production()
    form = LookupForm(buy=buy, peek=nothing, still=0.01, max_charges=1)
    armed(form).click()
    idle(form)
    form._field.value = OTHER
    press_enter(form)
    until(lambda: "all that max_charges allows" in said(form))


def test_a_begun_lookup_that_ends_free_with_an_error_leaves_the_cap(as_production):
    """It was counted while it was open, and is counted no more."""
    as_production()
    begun = answer(status="pending", charged=None, source=None)
    ends = failing(answer(status="failed", charged=False, code="100402"))
    seen = []

    async def buy(national):
        seen.append(national)
        return begun if len(seen) == 1 else await ends(national)

    async def peek(national):
        return begun if seen and national == PHONE else None

    form = LookupForm(buy=buy, peek=peek, still=0.01, max_charges=1)
    for times in (1, 2):
        armed(form).click()
        until(lambda count=times: len(seen) == count)
        idle(form)
    armed(form, OTHER)


@pytest.fixture
def held(tmp_path, monkeypatch, request):
    """Give a form with a cap of one, whose first look-up of PHONE ends without a reply to query."""
    monkeypatch.setattr(RetryPolicy, "delay", lambda *_: 0.0)
    faults = Faults(script={f"query:{PHONE}": [request.param] * RetryPolicy().query_attempts})
    with faulty_bank(tmp_path, faults, unit_price=500) as vendor:
        form = LookupForm(still=0.01, max_charges=1)
        armed(form).click()
        until(lambda: form.value is not None)
        idle(form)
        yield form, vendor


LOST_AFTER_THE_CHARGE = pytest.mark.parametrize(
    "held", ["http_500_after", "drop_after", "truncated"], indirect=True
)


@LOST_AFTER_THE_CHARGE
def test_a_held_lookup_counts_under_a_forms_cap(held):
    """The vendor may have charged it: a second number would be a second charge."""
    form, vendor = held
    assert form.value.status == "uncertain"
    form._field.value = OTHER
    press_enter(form)
    until(lambda: "all that max_charges allows" in said(form))
    assert form._place.children == ()
    assert vendor.ledger.charged_phones() == {PHONE: 1}


@LOST_AFTER_THE_CHARGE
def test_a_form_at_its_cap_fetches_what_it_holds(held):
    """It asks the same requestId, and counts it once."""
    form, vendor = held
    armed(form).click()
    until(lambda: form.value.status == "answered")
    idle(form)
    assert form._charges == 1
    assert vendor.ledger.charged_phones() == {PHONE: 1}
    form._field.value = OTHER
    press_enter(form)
    until(lambda: "all that max_charges allows" in said(form))


@pytest.mark.parametrize("ending", [{"status": "failed"}, {"status": "no_data"}])
def test_a_held_lookup_that_was_free_leaves_the_cap(as_production, ending):
    """The vendor said so in the end: the place is there for another number."""
    as_production()
    found = [answer(**ending, charged=False), answer(status="pending", charged=None, source=None)]
    seen = []

    async def buy(national):
        seen.append(found.pop())
        return seen[-1]

    async def peek(national):
        return seen[-1] if seen and national == PHONE else None

    form = LookupForm(buy=buy, peek=peek, still=0.01, max_charges=1)
    for times in (1, 2):
        armed(form).click()
        until(lambda count=times: len(seen) == count)
        idle(form)
    armed(form, OTHER)


def test_a_lookup_that_another_call_holds_needs_room(as_production):
    """A form at its cap does not fetch what it has not counted."""
    as_production()

    async def peek(national):
        return answer(national, status="pending", charged=None, source=None)

    form = LookupForm(peek=peek, still=0.01, max_charges=0)
    form._field.value = PHONE
    press_enter(form)
    until(lambda: "all that max_charges allows" in said(form))
    assert form._place.children == ()


@pytest.mark.parametrize("cap", [-1, 1.5, "1", True])
def test_a_cap_is_a_whole_number(cap):
    with pytest.raises(pna.errors.ConfigurationError, match="whole number"):
        LookupForm(max_charges=cap)


def test_waiting_shows_the_seconds(as_production, monkeypatch):
    as_production()
    monkeypatch.setattr("pandas_numberactive._jupyter.form.TICK_SECONDS", 0.02)
    go = threading.Event()

    async def slowly(national):
        await asyncio.to_thread(go.wait, 10)
        return answer(national)

    form, seen = LookupForm(buy=slowly, peek=nothing, still=0.01), []
    form._said.observe(lambda line: seen.append(line["new"]), "value")
    armed(form).click()
    until(lambda: any("... 0 s" in line for line in seen))
    go.set()
    idle(form)
    assert 'role="status"' not in next(line for line in seen if "... 0 s" in line)


def test_an_offer_prints_no_number():
    """It is a local of each frame that buys."""
    assert "8118899" not in repr(Offer("8118899532", "0811 8899 532", pna.settings()))
