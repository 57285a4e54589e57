"""Cells as people and programs write them.

Every number is made up, none is a real person's.
{n} is a number's eleven digits, {a}, {b} and {c} its groups, {p} a part of one, {m} another number.
"""

from __future__ import annotations

READ = (  # read as {n}
    *("{n}", "0{n}", "62{n}", "+62{n}", "0062{n}", "+62 {a}-{b}-{c}", "(0{a}) {b}{c}"),
    *("0{a}-{b}-{c}", "0{a} {b} {c}", "0{a}.{b}.{c}", "+62 (0){a}-{b}{c}", "0{a}.{b}{c}"),
    *("620{n}", "+62 - {a} {b} {c}", "0{a}--{b}--{c}", "062{n}", "'0{n}", "{n}.0", "{n},00"),
    # what an export leaves
    *('="0{n}"', '=T("0{n}")', "\u00b40{n}", "0{n}_x000D_", "\u00c2\u00a00{n}", "\ufeff0{n}"),
    *("0{a}\u00b7{b}\u00b7{c}", "\u2018+62{n}", "0{n}\n", "_x0009_0{n}", "0{a}\u2013{b}\u2013{c}"),
    *("0{n}\0\0", "\u00ef\u00bb\u00bf0{n}", "\u00e2\u20ac\u02dc0{n}"),
    *('["0{n}"]', "['0{n}']", "('+62{n}',)", '{"phone": "0{n}"}', "{'no_hp': '0{a}-{b}-{c}'}"),
    # labels
    *("Tlp 0{n}", "Telp. 0{n}", "No. HP: 0{n}", "Kontak: 0{n}", "CP 0{n}", "M: +62 {a} {b} {c}"),
    *("Ph. 0{a} {b} {c}", "SMS/Call/WA 0{n}", "W/A 0{n}", "HP0{n}", "nohp:0{n}", "WA+62{n}"),
    *("hp1: 0{n}", "HP 2 0{n}", "No WA : 0{n}", "\u260e 0{n}", "\U0001f4f1\ufe0f +62{n}"),
    *("HP(1): 0{n}", "HP (1) 0{n}", "HP #1: 0{n}", "phone_1: 0{n}", "Kartu Halo: 0{n}"),
    *("No HP yang bisa dihubungi: 0{n}", "WA Bisnis 0{n}", "Indonesia (+62) {a} {b} {c}"),
    *("\U0001f1ee\U0001f1e9 +62{n}", "0{n} (hanya WA)"),
    *("Nomor HP 0{n}", "(WA) 0{n}", "telp/wa: 0{n}", "- 0{n}", "# 0{n}", "no_hp=0{n}"),
    # links and addresses
    *("https://wa.me/62{n}", "wa.me/62{n}?text=Halo%20123", "wa.me/+62{n}", "tel:+62{n}"),
    *("https://api.whatsapp.com/send?phone=62{n}&text=1", "62{n}@c.us", "sms:+62{n}"),
    *("62{n}:7@s.whatsapp.net", "WA: https://wa.me/62{n}", "whatsapp://send?phone=62{n}"),
    *("TEL;TYPE=CELL:+62{n}", "TEL;TYPE=WORK,VOICE:0{n}", "MECARD:TEL:0{n};N:Budi;;"),
    *("HTTPS://WA.ME/62{n}", "https://api.whatsapp.com/send?phone=%2B62{n}"),
    "BEGIN:VCARD\nVERSION:3.0\nFN:Budi\nTEL;TYPE=CELL:+62{n}\nEND:VCARD",
    "BEGIN:VCARD\nVERSION:4.0\nFN:Budi\nTEL;VALUE=uri;TYPE=cell:tel:+62{n}\nEND:VCARD",
    "BEGIN:VCARD\nFN:Budi\nTEL;CELL:0{n}\nTEL;WORK;FAX:0215550123\nEND:VCARD",
    # notes
    *("0{n} (WA)", "0{n} WA", "0{n} (aktif)", "0{n} / WA", "0{n}!", "0{n} - WA only", "0{n}(hp)"),
    *("No HP nasabah: 0{n}", "0{n} (nasabah)", "wa.me/62{n}/?text=Halo"),
    *("0{n} \U0001f4de", "0{n};", "0{n}.", "0{n} [WA]", "0{n} (WA/Telp)", "0{n}, WA", "0{n}wa"),
    # twice, or beside a landline
    *("0{n} / 0{n}", "0{n} / +62{n}", "0{n}\n0{n}", "0{a}-{b}-{c} 0{n}", "0{n} (0{n})"),
    *("021-5550123 / 0{a}-{b}-{c}", "0{n}, 0215550123", "(021) 5550123 / 0{n}", "0{n} +62{n}"),
    # prefixes
    *("00862{n}", "007 62 {a} {b} {c}", "00162{n}", "++62{n}", "+62+62{n}", "+62 62{n}"),
    *("+62 0{n}", "62 62{n}", "(+62) {a} {b} {c}"),
    # pairs
    *("08.{dots}", "08 {blanks}", "0{a} {b} 42 17"),
)

REFUSED = {  # with a reason that is true of the cell
    "0{n} / 0{m}": "several_numbers",
    "0{n} 0{m}": "several_numbers",
    "0{n} - 0{m}": "several_numbers",
    "0{a} {b} {c} 0{m}": "several_numbers",
    "0{n} ::: 0{m}": "several_numbers",
    "0{n}.0{m}": "several_numbers",
    "0{n} +62{m}": "several_numbers",
    "0{a} {b} {c} 33": "several_numbers",
    "0{n} 123": "several_numbers",
    "0{a}-{b}-{c} - 33": "several_numbers",
    "0{n} / 33": "several_numbers",
    "0{n} (2)": "several_numbers",
    "0{n} ext 12": "bad_characters",
    "0{n} pes. 12": "bad_characters",
    "0{n} jam 08.00-16.00": "bad_characters",
    "(021) 5550123 EXT. 123": "bad_characters",
    "0{n} (istri)": "bad_characters",
    "0{n} salah": "bad_characters",
    "0{n} (tidak aktif)": "bad_characters",
    "fax 0{n}": "bad_characters",
    "Budi 0{n}": "bad_characters",
    "O{n}": "bad_characters",
    "0{n}?": "bad_characters",
    "https://wa.me/819012345678": "not_indonesian",
    "wa.me/message/ABC123": "bad_characters",
    "BEGIN:VCARD\nFN:Budi\nTEL;TYPE=FAX:0{n}\nEND:VCARD": "bad_characters",
    "BEGIN:VCARD\nTEL:0{n}\nEND:VCARD / 0{m}": "several_numbers",
    '{"istri": "0{n}"}': "bad_characters",
    '["0{n}", "0{m}"]': "several_numbers",
    "\U0001f1f8\U0001f1ec {n}": "bad_characters",
    "\U0001f4f5 0{n}": "bad_characters",
    "\U0001f4e0 0{n}": "bad_characters",
    "+65 8118 8995": "not_indonesian",
    "0086 28 8118 8995": "not_indonesian",
    "021-5550123": "not_mobile",
    "021-5550123 / 021-5550124": "several_numbers",
    # masks
    "0{a}{b}...": "bad_characters",
    "0{a}-{b}-{p}..": "bad_characters",
    "0{a}{b}{p}--": "bad_characters",
    "0{a}{b}[...]": "bad_characters",
    "0{a}....{b}{p}": "bad_characters",
    "0{a} ---- {b}{p}": "bad_characters",
    "0{a}    {b}{p}": "bad_characters",
    "0{a}(..){b}{p}": "bad_characters",
    "...0{a}{b}{p}": "bad_characters",
    "0{a}--{b}{p}": "bad_characters",
    "0{a}\u2026{b}{p}": "bad_characters",
    "0{a}\u25cf\u25cf\u25cf{b}{p}": "bad_characters",
    "0{a}{b}{p}\u25cf\u25cf": "bad_characters",
    "0{a}****{c}": "bad_characters",
    "0{a}xxxx{c}": "bad_characters",
    "0{a}{b}{p}////": "bad_characters",
    "0{a}{b}{p},,": "bad_characters",
    "0{a}{b}{p}  ;  ;": "bad_characters",
    "0{a}{b}{p}.,": "bad_characters",
    ",,0{a}{b}{p}": "bad_characters",
    "- ,0{a}{b}{p}": "bad_characters",
    "0{a}{b}{p}\ufffd": "bad_characters",
    "0{a}{b}{p}\u2731\u2731": "bad_characters",
    "0{a}{b}{p}\u2612": "bad_characters",
    "0{a}{b}{p}\u28ff\u28ff": "bad_characters",
    # a customer's number, a taxpayer's, a landline's area or next line behind it
    "No. Pelanggan 0{n}": "bad_characters",
    "nomor nasabah {n}": "bad_characters",
    "Customer No. {n}": "bad_characters",
    "0{n} (No. pelanggan)": "bad_characters",
    "No. nasabah; {n}": "bad_characters",
    "Kartu: {n}": "bad_characters",
    '{"no_pelanggan": "{n}"}': "bad_characters",
    "08.120.003.4-567": "bad_characters",
    "81.200.034.5-678": "bad_characters",
    # a month, a year and a serial number
    "08-2024-00123": "bad_characters",
    "08 2024 00123": "bad_characters",
    "08.2024.00123": "bad_characters",
    "No. 8-2024-001234": "bad_characters",
    "(08) 1999-12345": "bad_characters",
    "( 08) 1999-12345": "bad_characters",
    "08-2024-0012": "bad_characters",
    "8120003 (021)": "several_numbers",
    "81200034 (021)": "several_numbers",
    "8312345-46": "several_numbers",
    "83123456 - 57": "several_numbers",
    "8312345-6-7": "several_numbers",
    "https://wa.me/62{n}/62{m}": "several_numbers",
    "https://api.whatsapp.com/send?phone=62{n}&phone=62{m}": "several_numbers",
    # amounts
    "(8120003456.00)": "not_a_number",
    "(812.000.345)": "not_a_number",
    "(8,120,003,456.00)": "not_a_number",
    "{a}.{b}.345,-": "bad_characters",
    "{n},-": "bad_characters",
    # brackets in brackets
    "[(62) 0{a}]{b}{c}": "bad_characters",
    # decimals and dates
    "( 62.0{n}": "not_a_number",
    "(62) .0{n}": "not_a_number",
    "08--12-2024--1030": "not_a_number",
    "HP: 08-\u201312-2024--1030": "not_a_number",
    "0.837469082": "not_a_number",
    ".837469082": "not_a_number",
    ",837469082": "not_a_number",
    "(.8120003456)": "not_a_number",
    "8261886.073": "not_a_number",
    "837.469082": "not_a_number",
    "0,837469082": "not_a_number",
    "8.81200034": "not_a_number",
    "62.8118899532": "not_a_number",
    "08-12-2024 1030": "not_a_number",
    "8-12-2024 10.30": "not_a_number",
    "08-12-24 1030": "not_a_number",
    "08-12-24 1030)": "not_a_number",
    "08-12-24 1 030)": "not_a_number",
    "08-12-24 103 0": "not_a_number",
    "08-12-24 103-0)": "not_a_number",
    "(08-12-24 1030)": "not_a_number",
    "08 - 12 - 2024 1030": "not_a_number",
    "08 - 12  2024 1030": "not_a_number",
    "HP: 08-12-2024 1030": "not_a_number",
    "08-12-20241030": "not_a_number",
    "08.12.2024103000": "not_a_number",
    "08.12.24.10.30:": "not_a_number",
    "08122024 1030": "not_a_number",
    "08/12/2024": "not_a_number",
    "08/12/2024 10:30": "not_a_number",
    "2024-12-08 10:30:00": "not_a_number",
    "08.12.24.10.30": "not_a_number",
    # rounded
    "628119000000.0": "precision_lost",
    "81234600000.0": "precision_lost",
    "8119000000,00": "precision_lost",
    "0811900000.0": "precision_lost",
    "6.28119E+11": "precision_lost",
}

BLANK = (
    *("0", "0000", "000000000000", "0,0", "0.0", "0-0", "kosong", "tdk ada", "belum ada", "nihil"),
    *("Tidak punya", "gak ada", "blm punya HP", "HP: tidak ada", "no phone", "unknown", "[null]"),
    *("\\N", "{}", "*", "xxx", "XXXX-XXXX", "#VALUE!", "#REF!", "#N/A", "########", "****", "N/A"),
    *("tidak", "blm", "data kosong", "engga ada", "xx", "HP: -", "#DIV/0!", "Err:502"),
    *("(null)", "undefined", "?", "--", "~", "TBA", "not available", "\u2014", '""', "_x000D_"),
)


def filled(template: str, number: str = "81390004217", other: str = "85790002468") -> str:
    """Return the template with the groups of one made-up number, and another number beside it."""
    pairs = [number[at : at + 2] for at in range(1, len(number), 2)]
    pieces = {"n": number, "a": number[:3], "b": number[3:7], "c": number[7:], "p": number[7:9]}
    pieces |= {"m": other, "dots": ".".join(pairs), "blanks": " ".join(pairs)}
    for name, digits in pieces.items():
        template = template.replace(f"{{{name}}}", digits)
    return template
