"""What the server writes beside its database for others to read."""

import json
import logging
import os
from pathlib import Path

from tallymark_protocol.enrolment_file import EnrolmentFile
from tallymark_server.app import App
from tallymark_server.domain.model.recovery import Recovery
from tallymark_server.settings import Settings
from tallymark_server.tls.authority import Authority

__all__ = ["remove_ready_file", "write_files"]

_log = logging.getLogger(__name__)


def remove_ready_file(settings: Settings) -> None:
    """Remove the file of a server that has ended: nobody else serves this data now."""
    if settings.ready_file is not None:
        settings.ready_file.unlink(missing_ok=True)


def write_files(
    settings: Settings,
    app: App,
    authority: Authority,
    recovery: Recovery | None,
    *,
    metrics_port: int | None = None,
) -> None:
    """Write the authority's certificate, the first operator's code, and the ready file."""
    ca_file = settings.data / "ca.pem"
    _replace(ca_file, authority.certificates_pem, mode=0o644)
    _log.info("phones trust the authority in %s", ca_file)
    _write_operator_code(settings.data / "operator-enrolment-code", app, authority)
    if settings.ready_file is not None:
        facts = {
            "port": app.port,
            "terminal_port": app.terminal_port,
            "operator_port": app.operator_port,
            "metrics_port": metrics_port,
            "ca_file": str(ca_file.absolute()),
            "pid": os.getpid(),
            "open_recovery": recovery.recovery_id if recovery else None,
        }
        _replace(settings.ready_file, json.dumps(facts), mode=0o644)


def _write_operator_code(path: Path, app: App, authority: Authority) -> None:
    """Keep the first operator's code in a file for the owner only, while it can be used."""
    if not app.operator_code:
        path.unlink(missing_ok=True)
        return
    enrolment = EnrolmentFile(
        enrolment_code=app.operator_code, ca_certificates_pem=authority.certificates_pem
    )
    _replace(path, f"{enrolment.to_text()}\n", mode=0o600)
    _log.info("an operator enrols with the code in %s", path)


def _replace(path: Path, text: str, *, mode: int) -> None:
    """Write the file anew, so that a reader sees the whole of it or the one before."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.rename(path)
