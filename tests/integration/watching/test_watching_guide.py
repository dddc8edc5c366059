"""docs/watching.md, the dashboard and the alerts speak of the metrics that a server has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from tallymark_server.keyring import Keyring
from tallymark_server.storage.sqlite import SqliteStore
from tallymark_server.watching import logs
from tallymark_server.watching.pauses import Pauses
from tests.integration.watching.scraping import Scraped, metrics_of
from tests.world.actions import ADMIT
from tests.world.serving import world
from tests.world.shop import open_shop

DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (DOCS / "watching.md").read_text()
DASHBOARD = json.loads((DOCS / "grafana" / "tallymark.json").read_text())
ALERTS = (DOCS / "prometheus" / "tallymark-alerts.yml").read_text()

_NAME = re.compile(r"\b(?:tallymark|process|python)_[a-z_]+\b")
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture
async def scraped(keyring: Keyring, tmp_path: Path) -> Scraped:
    """Return what a server shows after a scan."""
    database = tmp_path / "tallymark.sqlite3"
    store = await SqliteStore.open(database, keyring.cells)
    async with world(store, keyring) as served:
        shop = await open_shop(served)
        await shop.scan(ADMIT, complete_on_instruction=True)
        seen = generate_latest(metrics_of(served, database, Pauses()))
    await store.close()
    return Scraped(seen.decode())


def types_of(scraped: Scraped) -> dict[str, str]:
    """Return the names and types of all metrics, also of those that have no sample yet."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", scraped.text, flags=re.MULTILINE))


def rows_of_the_guide(section: str) -> Iterator[list[str]]:
    """Yield the cells of the rows whose first cell is one name in backticks."""
    text = GUIDE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    for line in re.findall(r"^\| `\w+` \|.+\|$", text, flags=re.MULTILINE):
        yield [cell.strip() for cell in line.strip("|").split("|")]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the title and each query of every panel."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def named_in(text: str) -> set[str]:
    return {_SUFFIX.sub("", name) for name in _NAME.findall(text)}


async def test_the_guide_has_each_metric_with_its_type_and_labels(scraped: Scraped) -> None:
    told = {row[0].strip("`"): row for row in rows_of_the_guide("Metrics")}
    labels: dict[str, set[str]] = {name: set() for name in types_of(scraped)}
    for sample in scraped.samples:
        name = sample.name if sample.name in labels else _SUFFIX.sub("", sample.name)
        labels[name] |= sample.labels.keys() - {"le"}

    assert {name: row[1] for name, row in told.items()} == types_of(scraped)
    for name, row in told.items():
        assert labels[name] <= set(row[2].split(", ")), name
        assert row[3], name


async def test_the_dashboard_shows_the_metrics_that_exist_and_all_of_the_servers_own(
    scraped: Scraped,
) -> None:
    shown = {name for _, expression in expressions() for name in named_in(expression)}

    assert shown <= types_of(scraped).keys()
    assert {name for name in types_of(scraped) if name.startswith("tallymark_")} <= shown


async def test_the_alerts_are_about_metrics_that_exist(scraped: Scraped) -> None:
    queries = re.findall(r"expr: (?:\|\n)?(.+?)\n +(?:for|labels):", ALERTS, flags=re.DOTALL)

    assert len(queries) == ALERTS.count("- alert:")
    assert {name for query in queries for name in named_in(query)} <= types_of(scraped).keys()


async def test_labels_in_queries_have_values_that_a_server_shows(scraped: Scraped) -> None:
    states = {sample.labels["state"] for sample in scraped.samples if "state" in sample.labels}
    kinds = {sample.labels["kind"] for sample in scraped.samples if "kind" in sample.labels}
    queries = ALERTS + "".join(expression for _, expression in expressions())

    assert set(re.findall(r'state="(\w+)"', queries)) <= states
    assert set(re.findall(r'kind="(\w+)"', queries)) <= kinds


def test_the_dashboard_can_be_provisioned() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}

    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps([list(expressions()), panels])))

    assert DASHBOARD["uid"] == "tallymark"
    assert "id" not in DASHBOARD, "Grafana gives one"
    assert used - {"__rate_interval"} <= variables
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        sources = [panel, *panel.get("targets", ())] if panel["type"] != "row" else []
        assert {source["datasource"]["uid"] for source in sources} <= {"${datasource}"}


def test_the_guide_has_each_field_of_a_log_line() -> None:
    told = {row[0].strip("`") for row in rows_of_the_guide("Log lines")}

    assert told == {"time", "level", "logger", "message", *logs.FIELDS, "exc_info"}
