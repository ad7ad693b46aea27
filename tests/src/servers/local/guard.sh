# Runs a throw-away server until standard input ends, which it does with whoever started this.
#
# Comes after a server's own script, which defines the functions `prepare` and `serve` and the
# signal `stop`. From the environment: DIRECTORY, which is the server's alone, and PORT.

trap 'rm -rf "$DIRECTORY"' EXIT
# There may be nobody left to read its last words.
trap '' PIPE
cd "$DIRECTORY" || exit
export HOME="$DIRECTORY"

prepare </dev/null >log 2>&1 || { tail -n 20 log >&2; exit 1; }

exec 3<&0
serve </dev/null >log 2>&1 3<&- &
server=$!
{ read -r _ <&3; kill -s "$stop" "$server"; } >/dev/null 2>&1 &
lifeline=$!

wait "$server"
kill "$lifeline" 2>/dev/null
tail -n 20 log >&2
