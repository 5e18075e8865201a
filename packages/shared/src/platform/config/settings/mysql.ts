import { matching } from '../formats.ts';
import { count, host, ownCertificate, password, secret, text, tls, optional } from '../setting-kinds.ts';

/** Settings of MySQL. */
export const mysqlSettings = {
  DB_URL: optional(
    secret(
      '`mysql://user:password@host:port/name`. Set it if your host gives a URL; `DB_HOST` and the others must not say anything else',
      {
        wanted: 'a URL',
        example: 'mysql://seckill:p%40ss@mysql.internal:3306/seckill',
      },
    ),
  ),
  DB_HOST: host('Host of MySQL or MariaDB. Set it if it is on another machine', '127.0.0.1'),
  DB_PORT: count('Port of MySQL. Set it if the server uses another port', 3306, 1, 65_535),
  DB_USER: text('User of MySQL. Set one with no more rights than the service needs', {
    default: 'root',
    wanted: 'a user name',
    example: 'seckill',
  }),
  DB_PASSWORD: password('Password of the MySQL user. Set it if the server asks for one'),
  DB_NAME: text('Database, created if missing. Set it if several services share a server', {
    default: 'seckill',
    read: matching(/^[A-Za-z0-9_$-]{1,48}$/),
    wanted: 'the name of a database: 1 to 48 letters, digits and _ $ -',
    example: 'flash-sale',
  }),
  // At least 5: a worker's services work side by side.
  DB_POOL_MAX: count(
    'MySQL connections of a process’s pool, at least 5. Raise it if `seckill_mysql_pool_waits_total` grows, lower it if MySQL runs out of connections',
    10,
    5,
    1_000,
  ),
  DB_TLS: tls(
    '`true`: connects to MySQL by TLS only, and checks its certificate and host name. Set it if others can read the network; if your own authority signs, to its certificates (PEM)',
  ),
  DB_TLS_CERT: ownCertificate('Own certificate and its key, PEM, one after the other. Set it if MySQL asks for one'),
};
