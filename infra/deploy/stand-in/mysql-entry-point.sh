#!/bin/sh
# Like that of the image mysql: makes an empty data folder a server with a database and its user, and becomes the user mysql.
set -eu
data=/var/lib/mysql
mkdir -p "$data" /var/lib/mysql-files
chown 999:999 "$data" /var/lib/mysql-files
if [ ! -d "$data/mysql" ]; then
  mysqld --no-defaults --initialize-insecure --user=mysql --datadir="$data"
  cat > /tmp/accounts.sql <<END
CREATE DATABASE IF NOT EXISTS $MYSQL_DATABASE;
CREATE USER IF NOT EXISTS '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON $MYSQL_DATABASE.* TO '$MYSQL_USER'@'%';
ALTER USER root@localhost IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
END
  set -- --init-file=/tmp/accounts.sql "$@"
fi
exec mysqld --no-defaults --user=mysql --datadir="$data" --socket=/tmp/mysql.sock "$@"
