# It would shut down in good order at anything less, and there is nothing to keep.
stop=KILL

prepare() {
    printf '%s\n' "CREATE USER IF NOT EXISTS root@'127.0.0.1';" \
        "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;" >init.sql
    mysqld --no-defaults --datadir="$DIRECTORY/data" --initialize-insecure \
        --innodb-redo-log-capacity=16M
}

serve() {
    exec mysqld --no-defaults --datadir="$DIRECTORY/data" --init-file="$DIRECTORY/init.sql" \
        --port="$PORT" --bind-address=127.0.0.1 --skip-name-resolve --max-connections=500 \
        --socket="$DIRECTORY/socket" --pid-file="$DIRECTORY/pid" --mysqlx=OFF \
        --secure-file-priv= --innodb-redo-log-capacity=16M --innodb-flush-log-at-trx-commit=0 \
        --sync-binlog=0
}
