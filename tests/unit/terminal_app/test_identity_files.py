"""Key, certificate and the request for the next one: whole at any time, whatever is interrupted."""

import ssl
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tallymark_protocol.certificate_request import ClientKey
from tallymark_terminal.home import Home, HomeUnusable
from tallymark_terminal.identity import CertificateAttempt, Enrolment, Identity
from tallymark_terminal.private_files import Switch
from tests.doubles.authority import Authority
from tests.doubles.terminal_access import TerminalAccess

from .power_cut import PowerCut, PowerSupply

NOW = 1_900_000_000.0


class Server:
    """Answers requests for certificates, the same one alike."""

    def __init__(self) -> None:
        self.access = TerminalAccess(now=lambda: NOW)
        self.asked: dict[str, bytes] = {}
        self.answers: dict[str, Enrolment] = {}

    def answer(self, attempt: CertificateAttempt) -> Enrolment:
        asked = self.asked.setdefault(attempt.request_id, attempt.certificate_request)
        assert asked == attempt.certificate_request
        if attempt.request_id not in self.answers:
            self.answers[attempt.request_id] = self.access.enrolment(asked)
        return self.answers[attempt.request_id]

    def knows(self, identity: Identity) -> bool:
        return (
            identity.key.key_hash() in self.access.ends
            and identity.certificate.fits(identity.key)
            and identity.certificate.ca_certificates_pem == self.access.authority.certificate_pem
        )


class Terminal:
    """One run of the program after the other, with the same folder."""

    def __init__(self, path: Path, server: Server) -> None:
        self.home = Home(path)
        self.files = self.home.identity_files
        self.server = server
        self.ids = iter(f"request-{number}" for number in range(1_000))

    def enrol(self) -> Identity:
        attempt = self.files.attempt("enrol", new_id=next(self.ids))
        return self.files.keep_enrolment(attempt, self.server.answer(attempt), server="shop:7422")

    def renew(self) -> Identity:
        attempt = self.files.attempt("renew till-1", new_id=next(self.ids))
        return self.files.keep_renewal(attempt, self.server.answer(attempt).certificate)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def terminal(tmp_path: Path, server: Server) -> Terminal:
    return Terminal(tmp_path / "terminal", server)


def cut_everywhere(
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[int], Terminal],
    work: Callable[[Terminal], object],
    check: Callable[[Terminal], None],
) -> int:
    """Interrupt the work before each of its steps, check, and return how many there are."""
    cut_before = 0
    while True:
        terminal = prepare(cut_before)
        with monkeypatch.context() as patched:
            supply = PowerSupply(patched)
            supply.cut_before = cut_before
            try:
                work(terminal)
            except PowerCut:
                is_done = False
            else:
                is_done = True
        check(terminal)
        if is_done:
            return cut_before
        cut_before += 1


def test_identity_is_read_back_and_private(terminal: Terminal) -> None:
    written = terminal.enrol()

    read = terminal.home.read_identity()

    assert replace(read, key=written.key) == written
    assert read.key.key_hash() == written.key.key_hash()
    assert stat.S_IMODE(terminal.home.path.stat().st_mode) == 0o700
    for path in terminal.home.path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_files_are_called_as_people_expect(terminal: Terminal) -> None:
    identity = terminal.enrol()

    folder = terminal.home.path
    assert (folder / "client.pem").read_text() == identity.certificate.certificate_pem
    assert (folder / "ca.pem").read_text() == identity.certificate.ca_certificates_pem
    key = ClientKey.from_pem((folder / "client.key").read_bytes())
    assert key.key_hash() == identity.key.key_hash()
    assert not list(folder.glob("*.new.*"))
    assert not (folder / "request.json").exists()


def test_key_shows_in_no_repr(terminal: Terminal) -> None:
    identity = terminal.enrol()

    body = identity.key.to_pem().decode().splitlines()[1]
    assert body not in repr(identity) + repr(identity.for_tls)


@pytest.mark.parametrize("name", ["enrol", "renew till-1"])
def test_unanswered_request_is_repeated_to_the_byte(terminal: Terminal, name: str) -> None:
    first = terminal.files.attempt(name, new_id="request-1")
    second = Home(terminal.home.path).identity_files.attempt(name, new_id="request-2")

    assert second == first
    assert second.request_id == "request-1"


def test_another_purpose_gets_another_request_and_key(terminal: Terminal) -> None:
    first = terminal.files.attempt("enrol a", new_id="request-1")
    second = terminal.files.attempt("enrol b", new_id="request-2")

    assert second.request_id == "request-2"
    assert second.certificate_request != first.certificate_request


def test_key_is_on_the_disk_before_anything_is_asked(terminal: Terminal) -> None:
    attempt = terminal.files.attempt("enrol", new_id="request-1")

    key = ClientKey.from_pem((terminal.home.path / "client.new.key").read_bytes())
    assert terminal.server.answer(attempt).certificate.fits(key)


def test_refused_request_is_not_made_again(terminal: Terminal) -> None:
    refused = terminal.files.attempt("enrol", new_id="request-1")

    terminal.files.forget(refused)

    assert terminal.files.attempt("enrol", new_id="request-2").request_id == "request-2"


def test_renewal_changes_the_key_and_nothing_else(terminal: Terminal) -> None:
    before = terminal.enrol()

    after = terminal.renew()

    assert after.key.key_hash() != before.key.key_hash()
    assert replace(after, certificate=before.certificate, key=before.key) == before
    assert terminal.server.knows(after)


def test_answer_that_two_processes_got_is_kept_once(terminal: Terminal, server: Server) -> None:
    terminal.enrol()
    other = Home(terminal.home.path).identity_files
    attempts = [files.attempt("renew", new_id="request-9") for files in (terminal.files, other)]
    certificate = server.answer(attempts[0]).certificate

    kept = [
        files.keep_renewal(attempt, certificate)
        for files, attempt in zip((terminal.files, other), attempts, strict=True)
    ]

    assert kept[0].key.key_hash() == kept[1].key.key_hash()
    assert server.knows(terminal.home.read_identity())


@pytest.mark.parametrize("had_identity", [False, True])
def test_enrolment_interrupted_anywhere_is_done_by_the_same_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, had_identity: bool
) -> None:
    def prepare(number: int) -> Terminal:
        terminal = Terminal(tmp_path / str(number), Server())
        if had_identity:
            terminal.enrol()
            terminal.files.attempt("another", new_id="request-0")
        return terminal

    def check(terminal: Terminal) -> None:
        if had_identity:
            assert terminal.server.knows(terminal.home.read_identity())
        again = Terminal(terminal.home.path, terminal.server)
        again.ids = terminal.ids
        assert terminal.server.knows(again.enrol())

    steps = cut_everywhere(monkeypatch, prepare, Terminal.enrol, check)

    assert steps > 20


def interrupt_renewals(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Interrupt a renewal before each of its steps, and look at what is left."""
    was_renewed: list[bool] = []

    def prepare(number: int) -> Terminal:
        terminal = Terminal(folder / str(number), Server())
        terminal.enrol()
        return terminal

    def check(terminal: Terminal) -> None:
        enrolled_key, *_ = terminal.server.access.ends
        identity = Home(terminal.home.path).read_identity()
        was_renewed.append(identity.key.key_hash() != enrolled_key)
        assert terminal.server.knows(identity)

        again = Terminal(terminal.home.path, terminal.server)
        again.ids = terminal.ids
        renewed = again.renew()

        assert terminal.server.knows(renewed)
        assert renewed.key.key_hash() != identity.key.key_hash()
        # The enrolment, and each renewal once however often it was asked for.
        assert len(terminal.server.answers) == (3 if was_renewed[-1] else 2)

    steps = cut_everywhere(monkeypatch, prepare, Terminal.renew, check)

    assert steps > 20
    assert was_renewed == sorted(was_renewed)
    assert set(was_renewed) == {False, True}


def test_renewal_interrupted_anywhere_leaves_an_identity_that_the_server_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupt_renewals(monkeypatch, tmp_path)


def finish_with_the_mark_first(switch: Switch) -> None:
    """Put the new files in place in the wrong order: a crash leaves a foreign key."""
    for name in ("client.pem", "client.key", "ca.pem", "terminal.json"):
        if switch.new(name).exists():
            path = switch.new(name)
            path.replace(path.with_name(name))


def test_interruptions_find_a_switch_that_puts_its_files_in_place_in_the_wrong_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Switch, "finish", finish_with_the_mark_first)

    with pytest.raises(HomeUnusable):
        interrupt_renewals(monkeypatch, tmp_path)


def test_certificate_for_another_key_is_not_taken(terminal: Terminal, server: Server) -> None:
    before = terminal.enrol()
    attempt = terminal.files.attempt("renew", new_id="request-1")
    foreign = server.access.enrolment(ClientKey.generate().certificate_request()).certificate

    with pytest.raises(HomeUnusable, match="does not fit"):
        terminal.files.keep_renewal(attempt, foreign)

    assert terminal.home.read_identity().key.key_hash() == before.key.key_hash()


@pytest.mark.parametrize("pem", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_answer_that_cannot_be_read_is_not_taken(
    terminal: Terminal, server: Server, pem: str
) -> None:
    terminal.enrol()
    attempt = terminal.files.attempt("renew", new_id="request-1")
    certificate = server.answer(attempt).certificate

    with pytest.raises(HomeUnusable):
        terminal.files.keep_renewal(attempt, replace(certificate, certificate_pem=pem))
    if pem:
        with pytest.raises(HomeUnusable):
            terminal.files.keep_renewal(attempt, replace(certificate, ca_certificates_pem=pem))

    assert server.knows(terminal.home.read_identity())


def test_folder_without_a_terminal_says_to_enrol_and_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(HomeUnusable, match="enrol"):
        Home(tmp_path).read_identity()

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["client.key", "terminal.json"])
def test_file_that_others_may_read_is_not_used(terminal: Terminal, name: str) -> None:
    terminal.enrol()
    (terminal.home.path / name).chmod(0o644)

    with pytest.raises(HomeUnusable, match="chmod 600"):
        terminal.home.read_identity()


@pytest.mark.parametrize("name", ["client.key", "client.pem", "ca.pem", "terminal.json"])
@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b"\x00", b"[" * 100_000, b"-----BEGIN PRIVATE KEY-----\nAA"]
)
def test_damaged_file_is_reported_without_what_it_holds(
    terminal: Terminal, name: str, content: bytes
) -> None:
    terminal.enrol()
    (terminal.home.path / name).write_bytes(content)

    with pytest.raises(HomeUnusable, match="enrol again") as unusable:
        terminal.home.read_identity()

    assert "PRIVATE KEY" not in str(unusable.value)
    assert unusable.value.__cause__ is None


def test_certificate_over_a_key_that_is_none_is_reported(terminal: Terminal) -> None:
    terminal.enrol()
    path = terminal.home.path / "client.pem"
    certificate = ssl.PEM_cert_to_DER_cert(path.read_text())
    point = certificate.index(b"\x03\x42\x00\x04") + 4
    off_the_curve = certificate[:point] + bytes(64) + certificate[point + 64 :]
    path.write_text(ssl.DER_cert_to_PEM_cert(off_the_curve))

    with pytest.raises(HomeUnusable, match="enrol again"):
        terminal.home.read_identity()


def test_key_of_another_certificate_is_reported(terminal: Terminal) -> None:
    terminal.enrol()
    (terminal.home.path / "client.key").write_bytes(ClientKey.generate().to_pem())

    with pytest.raises(HomeUnusable, match="enrol again"):
        terminal.home.read_identity()


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"request_id": "r"}', b"\xff", b"[" * 100_000]
)
def test_damaged_request_is_replaced_by_a_new_one(terminal: Terminal, content: bytes) -> None:
    terminal.files.attempt("enrol", new_id="request-1")
    (terminal.home.path / "request.json").write_bytes(content)

    assert terminal.files.attempt("enrol", new_id="request-2").request_id == "request-2"


def test_authorities_may_change_with_a_renewal(terminal: Terminal, server: Server) -> None:
    terminal.enrol()
    attempt = terminal.files.attempt("renew", new_id="request-1")
    both = server.access.authority.certificate_pem + Authority("the next one").certificate_pem

    terminal.files.keep_renewal(
        attempt, replace(server.answer(attempt).certificate, ca_certificates_pem=both)
    )

    assert terminal.home.read_identity().certificate.ca_certificates_pem == both
