"""The list of tables."""

from tallymark_server.domain.state import CustomerRow, DirectoryRow, Row
from tallymark_server.storage.tables import all_tables
from tests.unit.domain.every_class import classes_of_domain


def test_every_row_class_of_the_domain_is_a_table() -> None:
    assert classes_of_domain(Row) - {Row, CustomerRow, DirectoryRow} == set(all_tables())


def test_every_table_has_a_name_of_its_own_that_needs_no_quotes_in_sql() -> None:
    names = [row.table for row in all_tables()]

    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names)
    assert "journal" not in names
