"""The bench's witness from outside is told the contract, and is missed where it was not built."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pool import DescriptorPool

from bench import ghz


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("tallymark.v1.TerminalService", "ResolveCode"),
        ("bench.Bytes.admit", "ResolveCode"),
    ],
)
def test_ghz_is_told_of_server_and_echo(service: str, method: str) -> None:
    pool = DescriptorPool()
    for file in ghz.protoset().file:
        pool.Add(file)  # fails if one that it needs does not stand before it

    found = pool.FindServiceByName(service).methods_by_name[method]

    assert found.input_type.full_name == "tallymark.v1.ResolveCodeRequest"


def test_a_bench_without_ghz_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ghz, "GHZ", tmp_path / "ghz")

    (line,) = ghz.measure(is_quick=True)

    assert "`make ghz` needs Go" in line.note


@pytest.mark.skipif(not ghz.GHZ.exists(), reason="`make ghz` builds it, with Go")
def test_ghz_admits_everybody() -> None:
    lines = ghz.measure(is_quick=True, scale=ghz.Scale(customers=6, rounds=2))

    assert all(line.got > 0 for line in lines)
