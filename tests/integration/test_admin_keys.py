from collections.abc import Iterator
from pathlib import Path

import pytest

from tallymark.v1 import operator_service_pb2 as contract
from tallymark_admin import rotations
from tallymark_admin.commands import keys
from tallymark_admin.server_connection import OperatorConnection
from tallymark_protocol.errors import Refused
from tallymark_protocol.reasons import Reason
from tests.doubles.operator_server import Lost, served
from tests.doubles.operator_service import OperatorServiceDouble

from .admin_program import AdminOfDouble

KINDS = {"signing": 1, "cells": 2, "tls": 3}


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminOfDouble]:
    monkeypatch.setattr(keys, "POLL_SECONDS", 0)
    with served(OperatorServiceDouble()) as server:
        admin = AdminOfDouble(tmp_path, server)
        assert admin.init().exit_code == 0
        yield admin


def numbers_of(admin: AdminOfDouble, kind: str) -> list[int]:
    """Return the numbers of the keys of a kind that the server has."""
    return [number for found, number in admin.server.service.server_keys if found == KINDS[kind]]


def test_keys_of_every_kind_are_listed_and_those_that_sign_codes_with_their_public_half(
    admin: AdminOfDouble,
) -> None:
    rows = admin.rows("keys", "list")

    assert [row["kind"] for row in rows] == ["SIGNING", "CELLS", "TLS"]
    signing, cells, _ = rows
    assert signing["public_key"]["algorithm"] == "ED25519"
    assert (signing["epoch"], signing["in_use"]) == (9, True)
    assert (cells["public_key"], cells["epoch"]) == (None, None)
    assert "01" * 32 in admin.succeed("keys", "list")


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_followed_by_a_new_one(admin: AdminOfDouble, kind: str) -> None:
    printed = admin.succeed("keys", "rotate", kind)

    assert printed.startswith(f"Key 2 of kind {kind} is in use, after key 1.\n")
    assert numbers_of(admin, kind) == [1, 2]
    admin.succeed("keys", "rotate", kind)
    assert numbers_of(admin, kind) == [1, 2, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_a_rotation_whose_answer_was_lost_makes_one_key(admin: AdminOfDouble, kind: str) -> None:
    admin.server.guard.fates = [None, Lost()]

    lost = admin.run("keys", "rotate", kind)
    again = admin.succeed("keys", "rotate", kind)

    assert lost.exit_code == 3
    assert again.startswith(f"Key 2 of kind {kind} is in use, after key 1.\n")
    assert numbers_of(admin, kind) == [1, 2]


def test_a_rotation_that_forgets_its_try_would_be_found(
    admin: AdminOfDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the key in use is read anew by each try."""
    monkeypatch.setattr(rotations, "replace_private_file", lambda path, _: path.touch())

    with pytest.raises(AssertionError):
        test_a_rotation_whose_answer_was_lost_makes_one_key(admin, "signing")


def test_a_rotation_that_was_refused_is_not_remembered(admin: AdminOfDouble) -> None:
    admin.server.guard.fates = [None, Refused(Reason.CALLER_NOT_ALLOWED, needed="operator")]

    refused = admin.run("keys", "rotate", "signing")
    admin.server.service.server_keys.clear()
    admin.server.service.use_key(KINDS["signing"], 7)
    printed = admin.succeed("keys", "rotate", "signing")

    assert refused.exit_code == 1
    assert printed.startswith("Key 8 of kind signing is in use, after key 7.\n")


def test_cells_are_waited_for_until_none_is_left(admin: AdminOfDouble) -> None:
    admin.server.service.cells = 1000

    printed = admin.succeed("keys", "rotate", "cells")

    assert printed.endswith("Everything is sealed with it.\n")
    assert [row["cells_left"] for row in admin.rows("keys", "list")] == [0, 0, 0, 0]


def test_cells_need_not_be_waited_for_and_the_list_shows_how_many_are_left(
    admin: AdminOfDouble,
) -> None:
    admin.server.service.cells = 1000

    printed = admin.succeed("keys", "rotate", "cells", "--no-wait")

    assert "sealed" not in printed
    (left,) = (row["cells_left"] for row in admin.rows("keys", "list") if row["cells_left"])
    assert left == 1000


def test_a_wait_that_was_broken_off_goes_on_and_makes_no_second_key(
    admin: AdminOfDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.server.service.cells = 1000

    async def interrupted(_: OperatorConnection) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keys, "_wait_until_sealed", interrupted)
        broken_off = admin.run("keys", "rotate", "cells")
    again = admin.succeed("keys", "rotate", "cells")

    assert broken_off.exit_code == 130
    assert again.endswith("Everything is sealed with it.\n")
    assert numbers_of(admin, "cells") == [1, 2]


def test_a_key_that_may_be_stolen_is_given_up_and_followed(admin: AdminOfDouble) -> None:
    revoke = ("keys", "revoke", "1", "--note", "The backup was stolen.")

    printed = admin.succeed(*revoke)

    assert printed == "Key 1 is given up. Codes are signed with key 2.\n"
    assert admin.succeed(*revoke) == printed
    assert numbers_of(admin, "signing") == [2]
    unknown = admin.run("keys", "revoke", "9", "--note", "The backup was stolen.")
    assert unknown.exit_code == 1
    assert "There is no such key" in unknown.stderr


def test_a_server_without_a_key_of_a_kind_is_told(admin: AdminOfDouble) -> None:
    del admin.server.service.server_keys[contract.KEY_KIND_TLS, 1]

    result = admin.run("keys", "rotate", "tls")

    assert result.exit_code == 1
    assert "no key of kind tls" in result.stderr
