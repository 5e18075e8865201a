#!/bin/sh
# Like that of the image redis: becomes the user redis.
set -eu
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown -R 998:998 .
  exec setpriv --reuid=998 --regid=998 --clear-groups "$@"
fi
exec "$@"
