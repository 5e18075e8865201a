import { createPool } from 'mysql2';
import { inject, expect, test } from 'vitest';
import { SessionPool } from '../../../src/platform/mysql/session-pool.ts';

test('a pool ends without an error if a connection fails meanwhile: a process that is told to stop ends with code 0', async () => {
  const { DB_HOST: host, DB_PORT: port, DB_USER: user, DB_PASSWORD: password } = inject('servers');
  const mysql = createPool({ host, port: Number(port), user, password, database: 'missing' });
  const pool = new SessionPool(mysql, ['SELECT 1']);
  const opened = new Promise((resolve) => pool.getConnection(resolve));
  const ended = new Promise((resolve) => pool.end(resolve));
  expect(await opened).toMatchObject({ message: 'Pool is closed.' });
  expect(await ended).toBeUndefined();
});
