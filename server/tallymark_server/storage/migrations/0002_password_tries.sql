-- Wrong passwords in a row, counted before a password is compared.

CREATE TABLE password_tries (
    partition INTEGER NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (partition, key)
) STRICT, WITHOUT ROWID;
