"""Copies the write-ahead log into the database, where a disk that refuses is noticed.

SQLite would do it by itself behind a commit, but keeps the error of such a copy to itself: a server
would go on over a database file that takes nothing more, and find out at some later start.
"""

import sqlite3

__all__ = ["PAGES_PER_CHECKPOINT", "Checkpoints", "checkpoint_all"]

PAGES_PER_CHECKPOINT = 2000  # 16 MB: a checkpoint after some thousand commands.


class Checkpoints:
    """Tells when the log has grown, and copies it then.

    SQLite does not say how many pages a commit wrote, so they are reckoned from its rows. Those of
    one command are on as many pages; of a whole batch, several share one.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take over from SQLite, which copies nothing by itself from now on."""
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._rows = connection.total_changes
        self._pages = 0

    def after_commit(self, connection: sqlite3.Connection) -> None:
        """Copy the log if it has grown enough, and sync the database.

        Raises:
            sqlite3.Error: the disk refused. What was committed is in the log all the same.

        """
        rows, self._rows = connection.total_changes - self._rows, connection.total_changes
        self._pages += min(rows, 50 + rows // 4)
        if self._pages >= PAGES_PER_CHECKPOINT:
            self._pages = 0
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def checkpoint_all(connection: sqlite3.Connection) -> bool:
    """Copy the whole log and sync the database; False when somebody else keeps it from that.

    What a start finds in the log was perhaps never synced: the server before may have been killed
    between writing and syncing. It can be read all the same, as long as the machine runs, so it has
    to be made durable before anybody is told of it.

    Raises:
        sqlite3.Error: the disk refused.

    """
    is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    return not is_busy
