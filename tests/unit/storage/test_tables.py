"""The list of tables."""

import importlib
import pkgutil

import tallymark_server.domain
from tallymark_server.domain.state import CustomerRow, DirectoryRow, Row
from tallymark_server.storage.tables import all_tables


def subclasses_of(row: type[Row]) -> set[type[Row]]:
    return {row}.union(*(subclasses_of(kind) for kind in row.__subclasses__()))


def test_every_row_class_of_the_domain_is_a_table() -> None:
    domain = tallymark_server.domain
    for module in pkgutil.walk_packages(domain.__path__, prefix=f"{domain.__name__}."):
        importlib.import_module(module.name)

    rows = {row for row in subclasses_of(Row) if row.__module__.startswith(domain.__name__)}

    assert rows - {Row, CustomerRow, DirectoryRow} == set(all_tables())


def test_every_table_has_a_name_of_its_own_that_needs_no_quotes_in_sql() -> None:
    names = [row.table for row in all_tables()]

    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names)
    assert "journal" not in names
