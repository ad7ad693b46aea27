# It would shut down in good order at anything less, and there is nothing to keep.
stop=KILL

prepare() {
    printf '%s\n' "CREATE USER IF NOT EXISTS root@'127.0.0.1';" \
        "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;" >init.sql
    mariadb-install-db --no-defaults --datadir="$DIRECTORY/data" --skip-test-db \
        --auth-root-authentication-method=normal --innodb-log-file-size=16M
}

serve() {
    exec mariadbd --no-defaults --datadir="$DIRECTORY/data" --init-file="$DIRECTORY/init.sql" \
        --port="$PORT" --bind-address=127.0.0.1 --skip-name-resolve --max-connections=500 \
        --socket="$DIRECTORY/socket" --pid-file="$DIRECTORY/pid" \
        --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 --sync-binlog=0
}
