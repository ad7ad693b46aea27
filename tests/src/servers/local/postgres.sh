stop=QUIT

prepare() {
    initdb -D data -U postgres -A trust --no-sync --locale=C.UTF-8 -E UTF8
}

serve() {
    exec postgres -D data -p "$PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300
}
