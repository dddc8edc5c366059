"""The planted bug of races: SELECT, then UPDATE.

Commands that are decided together do not see each other's changes of one table: each decides on the
rows as they were read, and the last one to write wins.
"""

import pytest

from tallymark_server.domain.state import Row
from tallymark_server.lanes import lane
from tallymark_server.lanes.batch import Batch
from tests.doubles.mutant import Mutant, plant

__all__ = ["plant_stale_rows"]


def plant_stale_rows(table: type[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the lane decide on rows of this table as they were read."""
    others = f"key.table.table != {table.table!r}"
    unseen = f"{{key: row for key, row in decision.changes.items() if {others}}}"
    plant(
        Mutant(
            owner=Batch,
            name="take",
            text="self.used.update(decision.changes)",
            bug=f"self.used.update({unseen})",
        ),
        monkeypatch,
    )
    plant(
        Mutant(
            owner=lane.Lane,
            name="_run_batch",
            text="self._memory.learn(batch.used)",
            bug="self._memory.learn({**batch.used, **batch.changes})",
        ),
        monkeypatch,
    )
