-- How far the requests were looked through that are old enough to be removed.

CREATE TABLE purge_marks (
    partition INTEGER NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (partition, key)
) STRICT, WITHOUT ROWID;
