import pytest

from tallymark_admin.forms import POINTS_FORM
from tallymark_admin.sheets import Sheet, WrongSheet, read_sheet

HEADER = "programme_id,login_name,grant_reference,points"
CELLS = {
    "programme_id": "stamps",
    "login_name": "anna",
    "grant_reference": "welcome",
    "points": "100",
}
LINE = ",".join(CELLS.values())


def read(content: bytes) -> Sheet:
    return read_sheet(content, columns=POINTS_FORM.columns)


FORMS_OF_A_FILE = (
    pytest.param(f"{HEADER}\n{LINE}\n".encode(), id="plain"),
    pytest.param(f"{HEADER}\n{LINE}".encode(), id="no line break at the end"),
    pytest.param(f"{HEADER}\r\n{LINE}\r\n".encode("utf-8-sig"), id="byte order mark and CRLF"),
    pytest.param(f"{HEADER}\r{LINE}\r".encode(), id="CR"),
    pytest.param(f"{HEADER}\n{LINE}\n".replace(",", ";").encode(), id="semicolons"),
    pytest.param(f"{HEADER}\n{LINE}\n".replace(",", "\t").encode(), id="tabs"),
    pytest.param(f"\n{HEADER}\n\n  \n,,,\n{LINE}\n\n".encode(), id="empty lines"),
    pytest.param(f"{HEADER},,\n{LINE},,\n".encode(), id="empty columns at the end"),
    pytest.param(f"{HEADER.upper()}\n{LINE}\n".encode(), id="header in capitals"),
    pytest.param(
        b'"programme_id", "login_name","grant_reference","points"\n"stamps",anna,"welcome",100\n',
        id="quotes",
    ),
    pytest.param(
        b"points,grant_reference,login_name,programme_id\n100,welcome,anna,stamps\n",
        id="another order",
    ),
)

WRONG_FILES = (
    pytest.param(b"", "The file is empty. The first line names the columns:", id="empty"),
    pytest.param(b"\n \n", "The file is empty.", id="blank"),
    pytest.param(
        b"programme_id,login_name,points\n",
        r"The header in line 1 is wrong \(missing: grant_reference\)",
        id="missing column",
    ),
    pytest.param(
        f"{HEADER},colour\n".encode(), r"line 1 is wrong \(not known: colour\)", id="unknown column"
    ),
    pytest.param(f"{HEADER},points\n".encode(), r"\(twice: points\)", id="column twice"),
    pytest.param(
        f"{LINE}\n".encode(), "missing: programme_id, login_name, grant_reference", id="no header"
    ),
    pytest.param(b'"programme_id,points\n', "missing: ", id="open quote in the header"),
    pytest.param(
        f"{HEADER}\n{LINE}\nstamps,J\u00fcrgen".encode("latin-1"),
        "Line 3 is not UTF-8. Save the file as UTF-8 CSV",
        id="Latin-1",
    ),
    pytest.param(f"{HEADER}\n".encode("utf-16"), "not UTF-8", id="UTF-16"),
)

BAD_LINES = (
    ("stamps,anna,welcome", "Give it 4 fields as the header has; it has 3"),
    ("stamps,anna,welcome,100,7", "Give it 4 fields as the header has; it has 5"),
    ('stamps,anna,"welcome,100', "Correct the quotes"),
    ('stamps,anna,"wel"come,100', "Correct the quotes"),
)


@pytest.mark.parametrize("content", FORMS_OF_A_FILE)
def test_all_usual_forms_of_a_file_are_read_alike(content: bytes) -> None:
    sheet = read(content)

    (line,) = sheet.lines
    assert sheet.cells_of(line) == CELLS


@pytest.mark.parametrize(("content", "message"), WRONG_FILES)
def test_a_file_that_cannot_be_imported_is_one_clear_error(content: bytes, message: str) -> None:
    with pytest.raises(WrongSheet, match=message):
        read(content)


@pytest.mark.parametrize(("text", "advice"), BAD_LINES)
def test_a_line_that_does_not_fit_spoils_no_other_line(text: str, advice: str) -> None:
    sheet = read(f"{HEADER}\n{LINE}\n{text}\n{LINE}\n".encode())

    first, bad, last = sheet.lines
    assert sheet.cells_of(first) == sheet.cells_of(last) == CELLS
    assert bad.number == 3
    with pytest.raises(WrongSheet, match=advice):
        sheet.cells_of(bad)


def test_a_quoted_field_keeps_delimiters_and_quotes() -> None:
    sheet = read(f'{HEADER}\nstamps,anna,"a, ""b""; c",100\n'.encode())

    assert sheet.cells_of(sheet.lines[0])["grant_reference"] == 'a, "b"; c'


def test_line_numbers_are_those_of_an_editor() -> None:
    sheet = read(f"\n{HEADER}\n\n{LINE}\r\n\r\n{LINE}".encode())

    assert [line.number for line in sheet.lines] == [4, 6]


def test_columns_of_an_errors_file_are_known() -> None:
    sheet = read(f"error_line,error_column,error,{HEADER}\n7,points,Oh no.,{LINE}\n".encode())

    assert CELLS.items() <= sheet.cells_of(sheet.lines[0]).items()


def test_a_file_of_something_else_is_refused_in_few_words() -> None:
    names = ",".join(f"{number:x>2000}" for number in range(500))

    with pytest.raises(WrongSheet, match="The header in line 1 is wrong") as refused:
        read(names.encode())

    assert len(str(refused.value)) < 1_000
