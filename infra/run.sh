#!/bin/sh
# infra/run.sh start|all COMMAND…: installs what is missing, then runs the command under Node.js 24.
# Every npm script starts with this, so each works on a fresh checkout with Node.js 20.
# npm sends its signals to this shell only. The trap comes first: a signal right after the start of
# the setup would end the shell alone, and leave the setup behind.
trap 'kill $! 2>/dev/null; exit 143' INT TERM HUP
"$npm_node_execpath" infra/src/setup/main.mjs "$1" &
wait $! || exit
trap - INT TERM HUP
shift
# What one command has compiled, the next one need not compile again. It holds code that runs, so it
# is in a folder that only the owner of the checkout can write to.
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$PWD/node_modules/.cache/compiled}"
exec "$@"
