"""When every operator is out, whoever may start the server lets another one in."""

from pathlib import Path

from tallymark.v1 import operator_service_pb2 as o
from tallymark_protocol.enrolment_file import EnrolmentFile
from tests.e2e.served import town


async def test_a_server_started_for_it_lets_a_new_operator_enrol_once(tmp_path: Path) -> None:
    code_file = tmp_path / "data" / "operator-enrolment-code"
    async with town(tmp_path):
        pass
    async with town(tmp_path) as again:
        assert not code_file.exists(), "the first one's code is used up"
        assert again.program.process.returncode is None

    async with town(tmp_path, options=("--enrol-operator", "second"), furnished=True) as rescued:
        code = EnrolmentFile.parse(code_file.read_text()).enrolment_code
        second = await rescued.enrol_operator(code)
        listed = await second.call("ListOperators", o.ListOperatorsRequest())
        journal = await second.call("ListJournal", o.ListJournalRequest(size=1000))

    assert [one.operator_id for one in listed.operators] == ["first", "second"]
    assert [one.caller for one in journal.entries if one.command == "CreateOperator"] == [
        "server/start",
        "server/start",
    ]
    async with town(tmp_path, options=("--enrol-operator", "second")):
        assert not code_file.exists()
