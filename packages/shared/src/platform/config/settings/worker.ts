import { listOf, matching, webUrlFormat } from '../formats.ts';
import { text, count, secret, optional, integer } from '../setting-kinds.ts';

/** Settings of worker processes: orders, order events and retention. */
export const workerSettings = {
  WORKER_CONCURRENCY: count(
    'Jobs of a shard that one worker process works on at once. Raise it for many sales at once, lower it to spare MySQL',
    16,
    1,
    1_000,
  ),
  EVENTS_URL: optional(
    text(
      'URL that order events are posted to. Set it in api and worker processes alike if another system must learn of orders. Default: no events',
      {
        read: webUrlFormat,
        wanted: 'an http or https URL without credentials',
        example: 'https://orders.example.com/events',
      },
    ),
  ),
  EVENTS_SECRET: optional(
    secret(
      'Secrets that sign order events, separated by commas: `whsec_` and 24 to 64 bytes in base64. Set it with `EVENTS_URL`, two of them to rotate',
      {
        read: listOf(matching(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/)),
        wanted: 'whsec_ and 24 to 64 bytes in base64, or several separated by commas',
        example: 'the output of: echo whsec_$(openssl rand -base64 32)',
      },
    ),
  ),
  RETENTION_DAYS: optional(
    integer(
      'Days after its end until a closed sale is archived and deleted. Set it to keep personal data no longer than you must. Default: never',
      2,
      36_500,
    ),
  ),
  ARCHIVE_DIR: optional(
    text(
      'Folder of the archives. Set it with `RETENTION_DAYS`, to one that outlives the worker processes and that all of them share',
      {
        wanted: 'the path of a folder',
        example: '/var/lib/flash-sale/archive',
      },
    ),
  ),
};
