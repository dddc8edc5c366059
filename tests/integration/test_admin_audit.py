"""An auditor finds every edit, removal, exchange and cut, as far as a checkpoint was kept."""

import json
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallymark.v1 import checkpoint_pb2
from tallymark_admin.main import program
from tallymark_protocol.journal_chain import ChainedEntry
from tests.doubles.operator_access import entry_message
from tests.doubles.operator_server import Lost, served
from tests.doubles.operator_service import OperatorServiceDouble
from tests.unit.protocol.journals import chained, checkpoint_at, journal_of

from .admin_program import AdminOfDouble

ENTRIES = 450
"""More than two pages."""

Change = Callable[[list[ChainedEntry]], list[ChainedEntry]]


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[AdminOfDouble]:
    with served(OperatorServiceDouble()) as server:
        admin = AdminOfDouble(tmp_path, server)
        assert admin.init().exit_code == 0
        serve_journal(admin, journal_of(ENTRIES))
        yield admin


def serve_journal(admin: AdminOfDouble, entries: list[ChainedEntry]) -> None:
    admin.server.service.journal = [entry_message(entry) for entry in entries]


def keep_checkpoint(admin: AdminOfDouble, name: str = "kept.checkpoint") -> Path:
    path = admin.folder / name
    admin.succeed("audit", "checkpoint", "--out", path)
    return path


def verdict(admin: AdminOfDouble, *options: str | Path) -> Any:
    """Verify and return what is printed as JSON, with the exit code."""
    result = admin.run("audit", "verify", "--json", *options)
    return json.loads(result.stdout) | {"exit_code": result.exit_code}


def problems(admin: AdminOfDouble, *options: str | Path) -> list[tuple[str, str]]:
    """Verify and return place and fault of each problem."""
    found = verdict(admin, *options)
    assert found["exit_code"] == (1 if found["problems"] else 0)
    assert found["is_good"] is not bool(found["problems"])
    return [(each["place"], each["fault"]) for each in found["problems"]]


def test_a_checkpoint_is_shown_and_kept_signed(admin: AdminOfDouble) -> None:
    path = keep_checkpoint(admin)

    short = str(checkpoint_at(journal_of(ENTRIES), ENTRIES))
    shown = admin.succeed("audit", "checkpoint")
    assert re.search(rf"^checkpoint +{short}$", shown, flags=re.MULTILINE)
    assert re.search(r"^is_genuine +yes$", shown, flags=re.MULTILINE)
    kept = json.loads(path.read_text())
    assert set(kept) == {"sequence", "chainHash", "signedAt", "signature", "auditKey"}
    assert json.loads(admin.succeed("audit", "checkpoint", "--json")) == kept


def test_another_audit_key_than_the_first_is_told_loudly(admin: AdminOfDouble) -> None:
    keep_checkpoint(admin)
    admin.server.service.audit_key = Ed25519PrivateKey.generate()

    result = admin.run("audit", "checkpoint")

    assert result.exit_code == 1
    assert "WARNING: " in result.stderr
    assert "never changes" in result.stderr
    assert problems(admin) == [("checkpoint " + short_of(admin), "signature")]


def short_of(admin: AdminOfDouble) -> str:
    return str(checkpoint_at(journal_of(ENTRIES), len(admin.server.service.journal)))


def test_a_checkpoint_with_a_wrong_signature_is_told_and_not_kept(admin: AdminOfDouble) -> None:
    service = admin.server.service
    service.checkpoint = service.sign_journal()
    service.checkpoint.signature = bytes(64)
    path = admin.folder / "kept.checkpoint"

    result = admin.run("audit", "checkpoint", "--out", path)

    assert result.exit_code == 1
    assert "the signature of tmc1:0:450:" in result.stderr
    assert not path.exists()
    assert not (admin.home / "audit-key.json").exists()


@pytest.mark.parametrize("command", [["checkpoint"], ["verify"], ["export", "journal.jsonl"]])
def test_a_checkpoint_of_no_known_form_is_told(
    admin: AdminOfDouble, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(admin.folder)
    admin.server.service.checkpoint = checkpoint_pb2.SignedCheckpoint(sequence=ENTRIES)

    result = admin.run("audit", *command)

    assert result.exit_code == 1
    assert "has a form that this program does not know" in result.stderr


def test_a_journal_is_exported_whole_as_json_lines(admin: AdminOfDouble) -> None:
    path = admin.folder / "journal.jsonl"

    printed = admin.succeed("audit", "export", path)

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert printed == f"{path}: 0 entries were there, {ENTRIES} added.\n"
    assert [int(line["sequence"]) for line in lines] == list(range(1, ENTRIES + 1))
    assert set(lines[0]) <= {*["sequence", "decidedAt", "command", "caller"]} | {
        *["processId", "state", "payload", "chainHash"]
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kept_bytes", [0, 7, 5_000, 60_000])
def test_an_export_goes_on_where_it_was_cut_off(admin: AdminOfDouble, kept_bytes: int) -> None:
    path = admin.folder / "journal.jsonl"
    admin.succeed("audit", "export", path)
    whole = path.read_bytes()
    path.write_bytes(whole[:kept_bytes])

    admin.succeed("audit", "export", path)

    assert path.read_bytes() == whole


def test_an_export_whose_page_was_lost_goes_on(admin: AdminOfDouble) -> None:
    path = admin.folder / "journal.jsonl"
    admin.server.guard.fates = [None, None, Lost()]

    lost = admin.run("audit", "export", path)
    printed = admin.succeed("audit", "export", path)

    assert lost.exit_code == 3
    assert printed == f"{path}: 200 entries were there, 250 added.\n"
    assert problems(admin, "--journal", path) == []


def test_an_export_adds_what_came_since(admin: AdminOfDouble) -> None:
    path = admin.folder / "journal.jsonl"
    serve_journal(admin, journal_of(ENTRIES)[:300])
    admin.succeed("audit", "export", path)
    serve_journal(admin, journal_of(ENTRIES))

    assert admin.succeed("audit", "export", path).endswith("300 entries were there, 150 added.\n")
    assert admin.succeed("audit", "export", path).endswith("450 entries were there, 0 added.\n")


def test_an_export_does_not_mix_two_histories(admin: AdminOfDouble) -> None:
    path = admin.folder / "journal.jsonl"
    serve_journal(admin, journal_of(300))
    admin.succeed("audit", "export", path)
    before = path.read_bytes()
    serve_journal(admin, journal_of(ENTRIES, seed=2))

    result = admin.run("audit", "export", path)

    assert result.exit_code == 1
    assert "does not go on where" in result.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["precious", "precious\n", '{"sequence": "x"}\n', "\n"])
def test_a_file_of_something_else_is_left_alone(admin: AdminOfDouble, content: str) -> None:
    path = admin.folder / "journal.jsonl"
    path.write_text(content)

    result = admin.run("audit", "export", path)

    assert result.exit_code == 1
    assert "Name another file" in result.stderr
    assert path.read_text() == content


def test_a_journal_as_it_was_written_is_good(admin: AdminOfDouble) -> None:
    checkpoint = keep_checkpoint(admin)

    result = admin.run("audit", "verify", "--checkpoint", checkpoint)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "450 entries, without a gap, each tied to the one before.",
        "They fit the checkpoint of entry 450.",
        f"They end with {short_of(admin)}.",
    ]


def test_an_empty_journal_is_good(admin: AdminOfDouble) -> None:
    serve_journal(admin, [])

    found = verdict(admin)

    assert (found["entries"], found["end"], found["is_good"]) == (0, None, True)


def test_without_a_checkpoint_it_is_said_what_cannot_be_found(admin: AdminOfDouble) -> None:
    result = admin.run("audit", "verify")

    assert result.exit_code == 0
    assert "No checkpoint was given, so nobody can tell" in result.stderr


def edited(entries: list[ChainedEntry]) -> list[ChainedEntry]:
    return [*entries[:221], replace(entries[221], payload='{"amount":1}'), *entries[222:]]


def removed(entries: list[ChainedEntry]) -> list[ChainedEntry]:
    return [*entries[:221], *entries[222:]]


def exchanged(entries: list[ChainedEntry]) -> list[ChainedEntry]:
    return [*entries[:221], entries[222], entries[221], *entries[223:]]


def cut_off(entries: list[ChainedEntry]) -> list[ChainedEntry]:
    return entries[:300]


def rewritten(entries: list[ChainedEntry]) -> list[ChainedEntry]:
    """Edit an entry and tie all from it on anew, as whoever has the database can."""
    return chained(edited(entries))


CHANGES: list[tuple[Change, str, str]] = [
    (edited, "entry 222", "edited"),
    (removed, "entry 222", "missing"),
    (exchanged, "entry 222", "out of order"),
    (cut_off, "entry 301", "cut off"),
    (rewritten, "entry 450", "rewritten"),
]


@pytest.mark.parametrize(("change", "place", "fault"), CHANGES)
@pytest.mark.parametrize("form", ["signed", "short"])
def test_every_change_is_found_with_a_checkpoint_kept_elsewhere(
    admin: AdminOfDouble, change: Change, place: str, fault: str, form: str
) -> None:
    checkpoint = keep_checkpoint(admin) if form == "signed" else short_of(admin)
    serve_journal(admin, change(journal_of(ENTRIES)))
    exported = admin.folder / "journal.jsonl"
    admin.run("audit", "export", exported)

    from_server = problems(admin, "--checkpoint", checkpoint)
    if change is exchanged:  # a server that lists by number shows no exchange
        from_server.append((place, fault))
    assert (place, fault) in from_server


@pytest.mark.parametrize(("change", "place", "fault"), CHANGES)
def test_every_change_of_a_file_is_found(
    admin: AdminOfDouble, change: Change, place: str, fault: str
) -> None:
    checkpoint = keep_checkpoint(admin)
    path = admin.folder / "journal.jsonl"
    serve_journal(admin, change(journal_of(ENTRIES)))
    admin.succeed("audit", "export", path)

    assert (place, fault) in problems(admin, "--journal", path, "--checkpoint", checkpoint)


@pytest.mark.parametrize(("change", "place", "fault"), CHANGES[3:])
def test_an_auditor_who_forgets_the_checkpoints_would_be_found(
    admin: AdminOfDouble, monkeypatch: pytest.MonkeyPatch, change: Change, place: str, fault: str
) -> None:
    """The planted bug: the checkpoints are read, and nothing is held against them."""
    monkeypatch.setattr("tallymark_admin.commands.verification.read_checkpoints", lambda _: [])

    with pytest.raises(AssertionError):
        test_every_change_of_a_file_is_found(admin, change, place, fault)


@pytest.mark.parametrize("change", [cut_off, rewritten])
def test_a_changed_end_is_not_found_without_a_checkpoint(
    admin: AdminOfDouble, change: Change
) -> None:
    serve_journal(admin, change(journal_of(ENTRIES)))

    assert problems(admin) == []


def test_earlier_checkpoints_narrow_down_what_was_rewritten(admin: AdminOfDouble) -> None:
    entries = journal_of(ENTRIES)
    kept = [str(checkpoint_at(entries, number)) for number in (100, 200, 400)]
    options = [option for text in kept for option in ("--checkpoint", text)]
    serve_journal(admin, rewritten(entries))

    (problem,) = verdict(admin, *options)["problems"]

    assert (problem["place"], problem["fault"]) == ("entry 400", "rewritten")
    assert "after 200" in problem["text"]


def test_a_server_that_hides_the_end_it_has_signed_is_found(admin: AdminOfDouble) -> None:
    service = admin.server.service
    service.checkpoint = service.sign_journal()
    service.journal = service.journal[:300]

    assert problems(admin) == [("entry 301", "cut off")]


def test_a_line_that_is_no_entry_is_told(admin: AdminOfDouble) -> None:
    path = admin.folder / "journal.jsonl"
    admin.succeed("audit", "export", path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:9], b"scribble\n", *lines[10:], lines[-1][:40]]))

    assert problems(admin, "--journal", path) == [
        ("line 10", "unreadable"),
        ("line 451", "unreadable"),
        ("entry 10", "missing"),
    ]


def test_a_file_is_verified_without_any_server_or_operator(
    admin: AdminOfDouble, tmp_path: Path
) -> None:
    checkpoint, path = keep_checkpoint(admin), admin.folder / "journal.jsonl"
    admin.succeed("audit", "export", path)
    calls_before = admin.server.guard.calls

    result = CliRunner().invoke(
        program,
        [
            *("--home", str(tmp_path / "nobody"), "audit", "verify"),
            *("--journal", str(path), "--checkpoint", str(checkpoint)),
        ],
    )

    assert result.exit_code == 0, result.output
    assert admin.server.guard.calls == calls_before


def test_a_forged_checkpoint_is_told_and_not_believed(admin: AdminOfDouble) -> None:
    path = keep_checkpoint(admin)
    forged = json.loads(path.read_text()) | {"sequence": "449"}
    path.write_text(json.dumps(forged))

    assert [fault for _, fault in problems(admin, "--checkpoint", path)] == ["signature"]


def test_short_checkpoints_of_receipts_may_stand_in_a_file(admin: AdminOfDouble) -> None:
    entries = journal_of(ENTRIES)
    path = admin.write("receipts", *(str(checkpoint_at(entries, number)) for number in (7, 90)))

    found = verdict(admin, "--checkpoint", path)
    told = admin.succeed("audit", "verify", "--checkpoint", path)

    assert found["is_good"]
    assert len(found["checkpoints"]) == 2
    assert "They fit all 2 checkpoints, up to that of entry 90." in told


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (None, "neither a checkpoint (tmc1:...) nor a file"),
        ("", "holds no checkpoint"),
        ("tmc1:0:5:abc\n", "a checkpoint is tmc1:"),
        ("{", "is no signed checkpoint"),
        ('{"sequence": 5}', "no signed checkpoint"),
        ("tmc1:1:5:" + "0" * 32, "another partition"),
    ],
)
def test_what_is_no_checkpoint_is_wrong_use(
    admin: AdminOfDouble, content: str | None, advice: str
) -> None:
    path = admin.folder / "kept.checkpoint"
    if content is not None:
        path.write_text(content)

    result = admin.run("audit", "verify", "--checkpoint", path)

    assert result.exit_code == 2
    assert advice in result.stderr.replace("\n", " ")


def test_a_damaged_note_of_the_audit_key_is_told(admin: AdminOfDouble) -> None:
    keep_checkpoint(admin)
    (admin.home / "audit-key.json").write_text("{")

    result = admin.run("audit", "checkpoint")

    assert result.exit_code == 2
    assert "audit-key.json is damaged" in result.stderr
