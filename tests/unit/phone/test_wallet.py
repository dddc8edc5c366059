import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallymark_phone.pending_requests import RequestDamaged
from tallymark_phone.private_files import FolderTooOpen, write_private_file
from tallymark_phone.registrations import Session
from tallymark_phone.trust import Trust
from tallymark_phone.wallet import Account, Wallet, WalletDamaged
from tallymark_protocol.device_key import DevicePrivateKey, DevicePublicKey
from tallymark_protocol.errors import Refused, UnknownOutcome
from tallymark_protocol.reasons import Reason
from tests.doubles.authority import Authority

ACCOUNT = Account(
    server="shop.example:7000", login_name="ana", device_id="d" * 34, device_name="Ana's phone"
)
SESSION = Session(token="a-secret-token", expires_at=datetime(2030, 6, 1, tzinfo=UTC))
LOST = UnknownOutcome(None, message="lost")
KEY = DevicePrivateKey.generate()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "phones" / "ana"


@pytest.fixture
def wallet(home: Path) -> Wallet:
    wallet = Wallet(home)
    wallet.prepare()
    return wallet


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_an_empty_wallet_is_nobodys(wallet: Wallet) -> None:
    assert wallet.account() is None
    assert wallet.session() is None
    assert wallet.watched_event() == 0


def test_what_was_kept_is_there_in_the_next_run(wallet: Wallet, home: Path) -> None:
    wallet.save_account(ACCOUNT)
    wallet.save_session(SESSION)
    wallet.save_watched_event(7)

    again = Wallet(home)

    assert again.account() == ACCOUNT
    assert again.session() == SESSION
    assert again.watched_event() == 7


def test_what_a_phone_begins_with_is_there_in_the_next_run(wallet: Wallet, home: Path) -> None:
    trust = Trust(ca_certificates_pem=Authority().certificate_pem)

    wallet.begin(ACCOUNT, session=SESSION, device_key=KEY, trust=trust)
    again = Wallet(home)
    kept = again.device_key()

    assert kept is not None
    assert kept.public() == KEY.public()
    assert again.trust().ca_certificates_pem == trust.ca_certificates_pem
    assert again.trust().source == str(home / "ca.pem")
    assert (again.account(), again.session()) == (ACCOUNT, SESSION)
    assert mode(home / "device-key.pem") == 0o600


def test_whoever_trusts_the_system_keeps_no_authorities(wallet: Wallet, home: Path) -> None:
    wallet.save_trust(Trust(ca_certificates_pem=Authority().certificate_pem))
    wallet.save_trust(Trust())

    assert wallet.trust() == Trust()
    assert not (home / "ca.pem").exists()


def test_a_damaged_key_is_named_and_its_content_is_not(wallet: Wallet, home: Path) -> None:
    assert wallet.device_key() is None
    (home / "device-key.pem").write_text("half of a Secret", "utf-8")

    with pytest.raises(WalletDamaged, match=r"device-key\.pem") as damaged:
        wallet.device_key()

    assert "Secret" not in str(damaged.value)


def test_the_folder_is_its_owners_and_so_is_each_file(wallet: Wallet, home: Path) -> None:
    before = os.umask(0)
    try:
        wallet.save_account(ACCOUNT)
        wallet.save_session(SESSION)
        with pytest.raises(UnknownOutcome), wallet.pending.request("RegisterCard", "2031-05"):
            raise LOST
    finally:
        os.umask(before)

    assert mode(home) == mode(home / "pending") == 0o700
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {mode(path) for path in files} == {0o600}


def test_an_empty_folder_that_was_open_is_closed(home: Path) -> None:
    home.mkdir(parents=True)
    home.chmod(0o755)

    Wallet(home).prepare()

    assert mode(home) == 0o700


def test_an_open_folder_with_content_is_refused_and_not_touched(home: Path) -> None:
    home.mkdir(parents=True)
    home.chmod(0o755)
    (home / "notes.txt").touch()

    with pytest.raises(FolderTooOpen, match="chmod 700"):
        Wallet(home).prepare()

    assert mode(home) == 0o755


def test_the_session_token_is_in_a_file_of_its_own(wallet: Wallet, home: Path) -> None:
    wallet.save_account(ACCOUNT)
    wallet.save_session(SESSION)

    assert "a-secret-token" not in (home / "account.json").read_text("utf-8")
    assert "a-secret-token" in (home / "session.json").read_text("utf-8")


def test_no_repr_shows_the_session_token(wallet: Wallet) -> None:
    wallet.save_session(SESSION)

    assert "a-secret-token" not in repr(wallet.session()) + repr(wallet)


@pytest.mark.parametrize("content", ["{", "[]", '{"token": 1}', '{"other": ""}', "", "[" * 100_000])
def test_a_damaged_file_is_named_and_its_content_is_not(
    wallet: Wallet, home: Path, content: str
) -> None:
    for name in ("account.json", "session.json"):
        (home / name).write_text(content, "utf-8")

    with pytest.raises(WalletDamaged, match=r"account\.json"):
        wallet.account()
    with pytest.raises(WalletDamaged, match=r"session\.json"):
        wallet.session()


def test_a_write_that_fails_leaves_the_old_content_and_no_draft(home: Path) -> None:
    home.mkdir(parents=True)
    path = home / "file"
    write_private_file(path, b"old")

    with pytest.raises(TypeError):
        write_private_file(path, "no bytes")  # type: ignore[arg-type] # that is the failure

    assert path.read_bytes() == b"old"
    assert list(home.iterdir()) == [path]


def test_forgetting_makes_it_nobodys_phone(wallet: Wallet, home: Path) -> None:
    wallet.begin(
        ACCOUNT,
        session=SESSION,
        device_key=KEY,
        trust=Trust(ca_certificates_pem=Authority().certificate_pem),
    )
    wallet.checkpoints.note(f"tmc1:0:1:{'ab' * 16}", seen_at=SESSION.expires_at)

    wallet.forget()

    assert wallet.account() is None
    assert not list(home.iterdir())


def test_a_request_without_an_answer_is_repeated_with_its_id(wallet: Wallet, home: Path) -> None:
    with (
        pytest.raises(UnknownOutcome),
        wallet.pending.request("RegisterCard", "2031-05") as first_id,
    ):
        raise LOST

    with Wallet(home).pending.request("RegisterCard", "2031-05") as second_id:
        pass

    assert second_id == first_id


def test_the_id_is_on_disk_before_the_request_is_sent(wallet: Wallet, home: Path) -> None:
    with wallet.pending.request("RegisterCard", "2031-05") as request_id:
        (path,) = (home / "pending").iterdir()
        assert json.loads(path.read_bytes())["request_id"] == request_id

    assert not list((home / "pending").iterdir())


def test_another_request_has_another_id(wallet: Wallet) -> None:
    with (
        wallet.pending.request("RegisterCard", "2031-05") as first_id,
        wallet.pending.request("RegisterCard", "2031-06") as second_id,
    ):
        pass

    assert first_id != second_id


def test_after_an_answer_the_same_request_is_a_new_one(wallet: Wallet) -> None:
    with wallet.pending.request("DisputeProcess", "p1") as first_id:
        pass
    with pytest.raises(Refused), wallet.pending.request("DisputeProcess", "p1") as second_id:
        raise Refused(Reason.PROCESS_NOT_FOUND)
    with wallet.pending.request("DisputeProcess", "p1") as third_id:
        pass

    assert len({first_id, second_id, third_id}) == 3


def test_a_repeat_with_another_secret_is_explained_and_forgotten(
    wallet: Wallet, home: Path
) -> None:
    with pytest.raises(Refused, match="another password"), wallet.pending.request("AddDevice"):
        raise Refused(Reason.REQUEST_ID_REUSED)

    assert not list((home / "pending").iterdir())


def test_a_request_with_other_content_takes_the_place_of_an_unanswered_one(wallet: Wallet) -> None:
    def request_id_of(content: str) -> str:
        with (
            pytest.raises(UnknownOutcome),
            wallet.pending.request("ConfirmProcess", "p1", content=content) as request_id,
        ):
            raise LOST
        return request_id

    yes, yes_again, no = (request_id_of(content) for content in ("yes", "yes", "no"))

    assert yes == yes_again != no
    assert wallet.pending.unanswered_content("ConfirmProcess", "p1") == "no"
    assert wallet.pending.is_unanswered("ConfirmProcess", "p1")
    assert not wallet.pending.is_unanswered("ConfirmProcess", "p2")
    assert wallet.pending.unanswered_content("ConfirmProcess", "p2") is None


def test_an_unanswered_request_has_its_key_again_and_another_has_another(wallet: Wallet) -> None:
    def request_of(name: str) -> tuple[str, DevicePublicKey]:
        with (
            pytest.raises(UnknownOutcome),
            wallet.pending.request_with_key("RegisterCustomer", name) as (request_id, key),
        ):
            raise LOST
        return request_id, key.public()

    first, again, other = (request_of(name) for name in ("ana", "ana", "ben"))

    assert first == again
    assert other[0] != first[0]
    assert other[1] != first[1]


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_a_request_whose_key_is_lost_is_another_request(
    wallet: Wallet, home: Path, damage: str
) -> None:
    with (
        pytest.raises(UnknownOutcome),
        wallet.pending.request_with_key("RegisterCustomer", "ana") as (first_id, first_key),
    ):
        raise LOST
    (path,) = (home / "pending").glob("*.pem")
    path.unlink()
    if damage == "empty":
        path.touch()

    with wallet.pending.request_with_key("RegisterCustomer", "ana") as (second_id, second_key):
        pass

    assert second_id != first_id
    assert second_key.public() != first_key.public()
    assert not list((home / "pending").iterdir())


def test_values_of_another_kind_are_damage_and_found_at_once(wallet: Wallet, home: Path) -> None:
    wallet.save_account(replace(ACCOUNT, login_name="\ud800"))
    (home / "session.json").write_text(f'{{"token": 5, "expires_at": "{SESSION.expires_at}"}}')
    (home / "watched.json").write_text('{"event": null}')

    with pytest.raises(WalletDamaged, match=r"account\.json"):
        wallet.account()
    with pytest.raises(WalletDamaged, match=r"session\.json"):
        wallet.session()
    with pytest.raises(WalletDamaged, match=r"watched\.json"):
        wallet.watched_event()


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, "\xff"])
def test_a_damaged_request_is_told_and_not_made_a_second_time(
    wallet: Wallet, home: Path, content: str
) -> None:
    with pytest.raises(UnknownOutcome), wallet.pending.request("RegisterCard"):
        raise LOST
    (path,) = (home / "pending").iterdir()
    path.write_bytes(content.encode("latin-1"))

    with (
        pytest.raises(RequestDamaged, match="nobody knows what became of the request"),
        wallet.pending.request("RegisterCard"),
    ):
        pytest.fail("a second request was made")

    assert path.read_bytes() == content.encode("latin-1")
