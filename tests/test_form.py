"""Every state of the look-up form, without a browser: messages as the page would send them, the vendor's ledger as judge."""

from __future__ import annotations

import time

import ipywidgets
import pytest

import pandas_numberactive as pna
from pandas_numberactive._jupyter.form import LookupForm
from pandas_numberactive.simulator import Faults, Simulator

PHONE = "8118899532"


@pytest.fixture
def form(as_production):
    as_production()
    return LookupForm(still=0.05)


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
    assert PHONE in form._shown.value
    assert PHONE not in form._past.value
    assert form.history["phone"].tolist() == ["8118****532"]
    assert form.history["active_level"].dtype == pna.ACTIVE_LEVEL


def test_a_stored_number_is_free_and_shown_at_once(form, vendor):
    pna.lookup(PHONE)
    form._field.value = PHONE
    press_enter(form)
    until(lambda: "in your store since" in said(form))
    assert form._place.children == ()
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
    ("text", "why"), [("0811CALLMEE", "letters"), ("", "blank"), ("+65 8118 8995", "another country")]
)
def test_what_is_no_number_says_why(form, vendor, text, why):
    form._field.value = "x"
    form._field.value = text
    press_enter(form)
    until(lambda: why in said(form))
    assert form._place.children == ()
    assert vendor.calls == []


def test_an_error_is_a_card_with_code_and_words_escaped_and_without_a_traceback(tmp_path):
    with Simulator(stand_in=True, app_key="k", secret="s", faults=Faults(handle={"http_403": 1.0})) as vendor:
        pna.configure(
            environment="production",
            base_url=vendor.base_url,
            app_key="k",
            secret="s",
            store=str(tmp_path / "s.sqlite3"),
        )
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

    async def nothing(national):
        return None

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
    pna.configure(environment="simulator", store=f"{tmp_path}/own.db")  # the one in memory is the whole process's
    form = LookupForm(still=0.01)
    form._field.value = PHONE
    press_enter(form)
    buy_button(form).click()
    until(lambda: "Made up by the simulator" in form._shown.value)
