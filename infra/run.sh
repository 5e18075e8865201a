#!/bin/sh
# infra/run.sh start|all COMMAND…: installs what is missing, then runs the command under Node.js 24.
# Every npm script starts with this, so each works on a fresh checkout with Node.js 20.
"$npm_node_execpath" infra/src/setup/main.mjs "$1" &
# npm sends its signals to this shell only.
trap 'kill $!' INT TERM HUP
wait $! || exit
trap - INT TERM HUP
shift
exec "$@"
