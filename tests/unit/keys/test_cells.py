"""Cells: opened in their own place with their own key, and nowhere else."""

from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from tallymark_server.keys import cells as cells_module
from tallymark_server.keys.cells import BLOCK, SEALS_MAX, WORN_AT, CellRefused, Cells
from tallymark_server.keys.folder import KeyFolder, KeysRefused
from tests.unit.keys.folders import cut_short_by
from tests.unit.keys.planted import PLANTED_BUGS, Planted
from tests.world.keys import cells_of_tests
from tests.world.secret_values import forms_of

NOW = 1_900_000_000_000
BODY = b'{"login_name":"planted-name-of-ana"}'

places = st.tuples(st.text(max_size=9), st.text(max_size=12))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def cells_in(path: Path) -> Cells:
    return Cells(KeyFolder.open(path))


@given(place=places, body=st.binary(max_size=200))
def test_a_cell_opens_as_it_was(place: tuple[str, str], body: bytes) -> None:
    cells = cells_of_tests()

    assert cells.open(*place, cells.seal(*place, body)) == body


@given(body=st.binary(max_size=60), data=st.data())
def test_no_bit_of_a_cell_can_be_flipped(body: bytes, data: st.DataObject) -> None:
    cells = cells_of_tests()
    number, _, rest = cells.seal("customers", "000ana", body).partition(".")
    content = bytearray(b64decode(rest))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8

    with pytest.raises(CellRefused):
        cells.open("customers", "000ana", f"{number}.{b64encode(content).decode()}")


@given(sealed_for=places, opened_in=places)
@example(sealed_for=("bills", "x"), opened_in=("bill", "sx"))
@example(sealed_for=("bills", "001x"), opened_in=("bills1", "x"))
@example(sealed_for=("", "billsbody"), opened_in=("bills", "body"))
def test_a_cell_opens_in_no_other_place(
    sealed_for: tuple[str, str], opened_in: tuple[str, str]
) -> None:
    cells = cells_of_tests()
    cell = cells.seal(*sealed_for, BODY)

    if sealed_for == opened_in:
        return
    with pytest.raises(CellRefused):
        cells.open(*opened_in, cell)


def test_a_cell_opens_with_the_key_of_its_number_only(path: Path) -> None:
    cells = cells_in(path)
    first = cells.seal("customers", "000ana", BODY)
    cells.rotate(NOW)
    second = cells.seal("customers", "000ana", BODY)

    assert (first[:2], second[:2]) == ("1.", "2.")
    assert cells.open("customers", "000ana", first) == BODY
    for cell in (f"2.{first[2:]}", f"1.{second[2:]}", f"02.{second[2:]}", f"\u0662.{second[2:]}"):
        with pytest.raises(CellRefused):
            cells.open("customers", "000ana", cell)


@pytest.mark.parametrize("bug", PLANTED_BUGS, ids=lambda bug: bug.__name__)
def test_the_checks_above_find_a_planted_bug(path: Path, bug: type[Planted]) -> None:
    cells = bug(KeyFolder.open(path))
    cell = cells.seal("customers", "000ana", BODY)
    cells.rotate(NOW)

    accepted = bug.misuse(cells, cell)

    assert accepted == BODY, "what the real cells refuse, this one opens"
    with pytest.raises(CellRefused):
        bug.misuse(cells_in(path), cell)


@pytest.mark.parametrize(
    "text",
    ["", ".", "1", "1.", "1.AAAA", "1.!", "1.\u00e9", "x.AAAA", '{"partition":0}', "9." + "A" * 60],
)
def test_what_is_no_cell_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CellRefused, match="table customers") as refused:
        cells_of_tests().open("customers", "000ana", text)

    assert text not in str(refused.value) or len(text) < 5
    assert "ana" not in str(refused.value)


def test_a_cell_tells_nothing_of_its_body() -> None:
    cell = cells_of_tests().seal("customers", "000ana", BODY)
    kept = cell.encode() + b64decode(cell.partition(".")[2])

    forms = forms_of("planted-name-of-ana")
    assert [form for form, content in forms.items() if content in kept] == []


def test_the_same_body_is_another_cell_each_time() -> None:
    cells = cells_of_tests()

    assert len({cells.seal("customers", "000ana", BODY) for _ in range(1000)}) == 1000


def test_a_restart_finds_every_key(path: Path) -> None:
    cells = cells_in(path)
    first = cells.seal("customers", "000ana", BODY)
    cells.rotate(NOW)
    second = cells.seal("customers", "000ana", BODY)

    again = cells_in(path)

    assert again.facts() == cells.facts()
    assert (again.oldest_id, again.current_id) == (1, 2)
    assert [again.open("customers", "000ana", cell) for cell in (first, second)] == [BODY, BODY]


def test_a_dropped_key_is_gone_and_says_what_is_missing(path: Path) -> None:
    cells = cells_in(path)
    cell = cells.seal("customers", "000ana", BODY)
    cells.rotate(NOW)

    cells.drop_before(2)

    assert sorted(file.name for file in path.glob("cells-*")) == ["cells-002.key"]
    for ring in (cells, cells_in(path)):
        assert [key.key_id for key in ring.facts()] == [2]
        with pytest.raises(CellRefused, match="with a key that is not in the folder of keys"):
            ring.open("customers", "000ana", cell)


def test_numbers_are_never_used_again(path: Path) -> None:
    for number in range(2, 5):
        cells = cells_in(path)
        cells.rotate(NOW)
        cells.drop_before(number)

    assert cells.current_id == 4


@pytest.mark.parametrize("writes", range(3))
def test_a_power_cut_at_any_write_of_a_rotation_leaves_keys_that_open_everything(
    path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    folder = KeyFolder.open(path)
    cells, write = Cells(folder), folder.write
    cell = cells.seal("customers", "000ana", BODY)
    written: list[str] = []

    def write_some(name: str, content: bytes) -> None:
        if len(written) == writes:
            message = "the power is cut"
            raise OSError(message)
        written.append(name)
        write(name, content)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write", write_some)
        if writes < 2:
            with pytest.raises(OSError, match="the power is cut"):
                cells.rotate(NOW)
        else:
            cells.rotate(NOW)

    after = cells_in(path)
    assert written == ["cells.json", "cells-002.key"][:writes]
    assert after.current_id == cells.current_id == (2 if writes == 2 else 1)
    assert after.open("customers", "000ana", cell) == BODY
    after.rotate(NOW)
    assert not after.is_worn


def test_a_key_that_could_not_be_destroyed_is_still_in_the_ring(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cells_in(path)
    cells.rotate(NOW)
    with cut_short_by(monkeypatch, "pathlib.Path.unlink"):
        cells.drop_before(2)

    assert cells.oldest_id == cells_in(path).oldest_id == 1
    cells.drop_before(2)
    assert cells.oldest_id == 2


def test_seals_are_counted_before_they_are_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells_module, "BLOCK", 3)
    monkeypatch.setattr(cells_module, "WORN_AT", 9)
    monkeypatch.setattr(cells_module, "SEALS_MAX", 11)
    made = 0
    for restart in range(3):  # each wastes what is left of its block
        cells = cells_in(path)
        assert not cells.is_worn, restart
        cells.seal("customers", "000ana", BODY)
        made += 1

    assert cells.is_worn
    for _ in range(2):
        cells.seal("customers", "000ana", BODY)
        made += 1
    with pytest.raises(CellRefused, match="cells key 1 has sealed all that it may"):
        cells.seal("customers", "000ana", BODY)

    assert made <= 11
    cells.rotate(NOW)
    assert not cells.is_worn
    cells.seal("customers", "000ana", BODY)


def test_the_bound_on_seals_is_that_of_nist() -> None:
    assert SEALS_MAX == 2**32, "SP 800-38D, section 8.3: random nonces of 96 bits"
    assert WORN_AT * 2 <= SEALS_MAX
    assert SEALS_MAX % BLOCK == 0


def test_a_count_from_an_older_backup_counts_as_worn(path: Path) -> None:
    cells = cells_in(path)
    before = (path / "cells.json").read_bytes()
    cells.rotate(NOW)
    (path / "cells.json").write_bytes(before)

    assert cells_in(path).is_worn


def test_nonces_are_random_and_of_96_bits() -> None:
    cells = cells_of_tests()
    seen = {b64decode(cells.seal("t", "k", b"").partition(".")[2])[:12] for _ in range(2000)}

    ones = sum(int.from_bytes(nonce, "big").bit_count() for nonce in seen)
    assert len(seen) == 2000
    assert abs(ones - 96_000) < 6 * (2000 * 96 / 4) ** 0.5, "six standard deviations"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(path: Path, size: int) -> None:
    cells_in(path)
    (path / "cells-001.key").write_bytes(bytes(size))

    with pytest.raises(KeysRefused, match=r"cells-001\.key does not have 32 bytes"):
        cells_in(path)


def test_keys_that_are_missing_are_not_made_again_beside_a_database(path: Path) -> None:
    cells_in(path)
    (path / "cells-001.key").unlink()

    with pytest.raises(KeysRefused, match="cells is missing; put the keys back"):
        Cells(KeyFolder.open(path, make_missing=False))


def test_the_format_is_what_the_documentation_says(path: Path) -> None:
    cell = cells_in(path).seal("customers", "000ana", BODY)
    content = b64decode(cell.removeprefix("1."))
    place = b"".join(len(part).to_bytes(4, "big") + part for part in (b"customers", b"body", b"1"))

    opened = AESGCM((path / "cells-001.key").read_bytes()).decrypt(
        content[:12], content[12:], place + b"000ana"
    )

    assert opened == BODY
