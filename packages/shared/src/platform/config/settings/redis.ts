import { sentinelsFormat } from '../formats.ts';
import {
  count,
  endpoints,
  flag,
  keyText,
  ownCertificate,
  password,
  secret,
  text,
  tls,
  optional,
} from '../setting-kinds.ts';

/** Settings of Redis. */
export const redisSettings = {
  REDIS_URL: optional(
    secret(
      '`redis://user:password@host:port/number`, `rediss://` for TLS. Set it for a user (ACL) or a database number, or if your host gives a URL; `REDIS_ADDR` and the others must not say anything else. With `REDIS_SENTINELS` the host is the name of the master, else `mymaster`',
      { wanted: 'a URL', example: 'rediss://default:p%40ss@redis.internal:6379/0' },
    ),
  ),
  REDIS_ADDR: text('`host:port` of Redis. Set several, separated by commas, for a cluster', {
    ...endpoints,
    default: '127.0.0.1:6379',
    example: 'redis.internal:6379',
  }),
  REDIS_PASSWORD: password('Password of the Redis user. Set it if the server asks for one'),
  REDIS_CLUSTER: flag('Turn it on if the addresses are those of a Redis Cluster'),
  REDIS_SENTINELS: optional(
    text(
      '`host:port` of each Redis Sentinel, separated by commas; `user:password@` before the first if they ask for it. Set it if Sentinels name the master; `REDIS_ADDR` is then not used',
      {
        read: sentinelsFormat,
        isHidden: true,
        wanted:
          'host:port, or several separated by commas; user:password@ before the first, in which what is not a letter or digit is percent-encoded',
        example: 'sentinel-0:26379,sentinel-1:26379,[fd00::3]:26379',
      },
    ),
  ),
  REDIS_TLS: tls(
    '`true`: connects to Redis by TLS only, and checks its certificate and host name. Set it if others can read the network; if your own authority signs, to its certificates (PEM)',
  ),
  REDIS_TLS_CERT: ownCertificate('Own certificate and its key, PEM, one after the other. Set it if Redis asks for one'),
  REDIS_PREFIX: keyText('Start of every Redis key. Set it if several services share a Redis'),
  REDIS_TIMEOUT_MS: count(
    'A Redis call of a request that takes longer answers `unavailable`, ms. Raise it if Redis is slow or far away',
    900,
    50,
    10_000,
  ),
  SHARDS: count(
    'Shards that new sales are spread over. Raise it if one Redis is full and you move to a cluster',
    1,
    1,
    1_024,
  ),
};
