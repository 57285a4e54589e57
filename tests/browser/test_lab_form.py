"""The look-up form as a person uses it, in a real JupyterLab; the vendor's ledger is the judge."""

from __future__ import annotations

import os
import random
import re
from typing import Any

import pytest

from pandas_numberactive._phones.mask import mask
from pandas_numberactive.simulator import Faults
from tests.browser.lab import button, click_at_once, expect, said

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]  # the browser's pipes at exit

PHONE = "8118899532"
MASKED = "8118****532"
FORM = "form = pna.LookupForm()\nform"


def field(book: Any) -> Any:
    return book.page.get_by_label("Phone number")


def numbers(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"811{rng.randrange(10**6, 10**7)}" for _ in range(count)]


def test_check_is_free_buy_charges_once_and_a_stored_number_is_free(notebook, bank):
    book = notebook(FORM)
    book.run_all()
    field(book).fill("0811-8899-532")
    button(book, "Check").click()
    said(book, "Not in your store")
    assert bank.ledger.handles == 0
    expect(button(book, f"Buy {PHONE} for IDR 500")).to_be_visible()
    button(book, f"Buy {PHONE}").dblclick()
    said(book, f"{MASKED}: ")
    expect(book.page.get_by_text("requestId")).to_be_visible()
    assert bank.ledger.charged_phones() == {PHONE: 1}
    field(book).fill("+62 811 8899 532")
    field(book).press("Enter")
    said(book, "in your store since")
    expect(book.page.get_by_role("button", name=re.compile("^Buy(?!.*again)"))).to_have_count(0)
    expect(book.page.get_by_text(MASKED).last).to_be_visible()  # the history
    assert book.ask(
        "print(form.history.shape, form.value.source, form.history.dtypes['active_level'].ordered)"
    ) == ("(1, 9) stored True")
    assert bank.ledger.total == 1


def test_the_keyboard_alone_is_enough(notebook, bank):
    """Enter checks, Enter once more buys, and the keyboard stays in the field."""
    book = notebook(FORM)
    book.run_all()
    field(book).focus()
    book.page.keyboard.type(PHONE)
    book.page.keyboard.press("Enter")
    expect(button(book, f"Buy {PHONE}")).to_be_visible()
    expect(field(book)).to_be_focused()
    assert bank.ledger.handles == 0
    ready = "import time; print(time.monotonic() - (form._shown_at or 1e9) >= 0.5)"
    while book.ask(ready) != "True":  # the offer stood for half a second of a free kernel
        pass
    book.page.keyboard.press("Enter")
    said(book, f"{MASKED}: ")
    expect(field(book)).to_be_focused()
    assert bank.ledger.charged_phones() == {PHONE: 1}
    book.page.keyboard.type("8123456789")
    expect(book.page.get_by_role("button", name=re.compile("^Buy"))).to_have_count(0)
    book.page.keyboard.press("Tab")  # to Check
    expect(button(book, "Check")).to_be_focused()
    book.page.keyboard.press("Enter")
    expect(button(book, "Buy 8123456789")).to_be_visible()
    expect(button(book, "Check")).to_be_focused()
    assert bank.ledger.total == 1


TIMES = int(os.environ.get("NUMBERACTIVE_TYPING_TIMES", "2"))  # 20 in the long form
CODE = "ddf = 3\ndd = ddf + 1  # dd and spaces \ntotal = dd * 7 \nprint( 'x y z', total ) \n"
TYPED = (CODE * 3)[:200]
BUSY = "import time; time.sleep({})"
CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
CELL_TEXT = (
    "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.getSource()"
)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_typing_code_in_another_cell_buys_nothing(notebook, bank, busy):
    """Check with the mouse, then 200 characters of code into a cell: it holds exactly these."""
    book = notebook(FORM, "# typed below")
    book.run_all()
    editor = book.page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(1)
    for phone in numbers(TIMES, 7):
        field(book).fill(phone)
        if busy:
            book.start_cell(BUSY.format(4))
        button(book, "Check").click()
        editor.click()
        book.page.keyboard.press("Control+A")
        book.page.keyboard.press("Delete")
        book.page.keyboard.type(TYPED, delay=8)
        expect(button(book, f"Buy {phone}")).to_be_visible(timeout=30_000)
        book.page.keyboard.type(" dd ", delay=50)
        book.ask("pass")  # all that was sent is handled
        assert book.page.evaluate(CELL_TEXT) == f"{TYPED} dd "
        assert book.page.evaluate(CELLS) == 2
        assert bank.ledger.handles == 0


@pytest.mark.parametrize("keys", [("Enter",) * 3, ("Enter", "Tab", "Space", "Enter")], ids=str)
def test_enter_in_a_hurry_buys_no_number_that_was_not_typed(notebook, bank, keys):
    """Enter overtakes the keys before it; numbers begin with one another on purpose."""
    book = notebook(FORM)
    book.run_all()
    typed = [PHONE[:9], PHONE, f"{PHONE}1"]
    for phone in typed:
        field(book).fill("")
        field(book).press_sequentially(phone, delay=8)
        for key in keys:
            book.page.keyboard.press(key)
    said(book, typed[-1])
    assert bank.ledger.handles == 0


def test_twenty_numbers_typed_fast_are_exactly_those_twenty(notebook, bank):
    book = notebook(FORM)
    book.run_all()
    wanted = numbers(20, 1)
    for phone in wanted:
        field(book).fill("")
        field(book).press_sequentially(phone, delay=8)
        field(book).press("Enter")
        click_at_once(book, f"Buy {phone}")
        said(book, f"{mask(phone)}: ")
    assert dict(bank.ledger.charged_phones()) == dict.fromkeys(wanted, 1)
    assert set(bank.ledger.asked_phones()) == set(wanted)


def test_keys_hammered_at_machine_speed_never_buy_half_a_number(notebook, bank):
    book = notebook(FORM)
    book.run_all()
    typed = numbers(20, 2)
    for phone in typed:
        field(book).fill("")
        field(book).press_sequentially(phone, delay=8)
        for key in ("Enter", "Tab", "Enter", "Space"):
            book.page.keyboard.press(key)
    said(book, typed[-1])
    assert set(bank.ledger.asked_phones()) <= set(typed)
    assert set(bank.ledger.charged_phones().values()) <= {1}


def test_an_error_is_a_card_with_what_to_do_and_its_text_is_escaped(notebook, bank):
    bank.faults = Faults(script={"handle": ["code"] * 9}, code=11008)
    book = notebook(FORM)
    book.run_all()
    field(book).fill(PHONE)
    field(book).press("Enter")
    button(book, f"Buy {PHONE}").click()
    expect(book.page.get_by_text("code 11008").first).to_be_visible()
    expect(book.page.get_by_text("Traceback")).to_have_count(0)
    assert bank.ledger.total == 0
    field(book).fill("021 555 0199")
    field(book).press("Enter")
    said(book, "Nothing was sent")


def test_it_works_while_a_cell_awaits(notebook, bank):
    waiting = "import asyncio, os\nwhile not os.path.exists('go'):\n    await asyncio.sleep(0.02)\nprint('went on')"
    book = notebook(FORM, waiting)
    book.start_all()
    field(book).fill(PHONE)
    field(book).press("Enter")
    button(book, f"Buy {PHONE}").click()
    said(book, f"{MASKED}: ")
    assert bank.ledger.charged_phones() == {PHONE: 1}
    (book.server.folder / "go").touch()
    expect(book.page.locator(".jp-OutputArea-output pre", has_text="went on")).to_be_visible()
    (book.server.folder / "go").unlink()


def test_during_a_blocking_cell_nothing_is_charged_twice_and_nothing_is_lost(notebook, bank):
    blocking = (
        "import time, os\nwhile not os.path.exists('go2'):\n    time.sleep(0.02)\nprint('went on')"
    )
    book = notebook(FORM, blocking)
    book.ask("pass")
    book.start_all()
    field(book).fill(PHONE)
    for _ in range(3):
        field(book).press("Enter")
        button(book, "Check").click()
    (book.server.folder / "go2").touch()
    expect(book.page.locator(".jp-OutputArea-output pre", has_text="went on")).to_be_visible()
    buy = button(book, f"Buy {PHONE}")
    expect(buy).to_be_visible()
    (book.server.folder / "go2").unlink()
    book.start_cell(blocking)
    buy.dblclick()  # they wait for the cell, or run beside it, as the kernel is able to
    (book.server.folder / "go2").touch()
    said(book, f"{MASKED}: ")
    expect(book.page.get_by_text("requestId")).to_be_visible()
    assert bank.ledger.charged_phones() == {PHONE: 1}
    (book.server.folder / "go2").unlink()


def test_after_a_restart_the_dead_form_charges_nothing(notebook, bank):
    book = notebook(FORM)
    book.run_all()
    field(book).fill(PHONE)
    field(book).press("Enter")
    buy = button(book, f"Buy {PHONE}")
    expect(buy).to_be_visible()
    book.forgiven += ("Cannot send",)
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.info"
    )
    if buy.count():
        buy.click()
    book.ask("print('a round trip')")
    assert bank.ledger.handles == 0


def test_a_saved_notebook_holds_no_secret_and_masks_the_past(notebook, bank):
    book = notebook(FORM)
    book.run_all()
    for phone in (PHONE, "8123456789"):
        field(book).fill(phone)
        field(book).press("Enter")
        button(book, f"Buy {phone}").click()
        said(book, f"{mask(phone)}: ")
    field(book).fill("")
    field(book).press("Enter")
    said(book, "Nothing was sent")
    saved = book.save()
    assert "application/vnd.jupyter.widget-state+json" in saved
    assert "8118****532" in saved
    assert PHONE not in saved
    assert "made-up-secret" not in saved
    assert "made-up-key" not in saved
