import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { migrate } from '@flash-sale/shared/platform/mysql/migrate.ts';
import { redisTls } from '@flash-sale/shared/platform/config/tls.ts';
import { connectRedis, type ConnectionUse } from '@flash-sale/shared/platform/redis/client.ts';
import { freePort } from '../../../infra/src/services/ports.ts';
import { createAuthority, type Certificate } from '@flash-sale/shared/testing/certificates.ts';
import { startService } from '../testing/service.ts';
import { AS_OPERATOR, openTestContext } from '../testing/support.ts';
import { openOwnMysql, openOwnRedis, type OwnServer } from '../testing/own-servers.ts';

const authority = createAuthority('authority of this test');
const folder = mkdtempSync(join(tmpdir(), 'flash-sale-tls-'));

/** Writes the files that a server reads its certificate from. */
function filesOf(name: string, { cert, key }: Certificate): Record<'ca' | 'cert' | 'key', string> {
  const write = (part: string, text: string): string => {
    const path = join(folder, `${name}-${part}.pem`);
    writeFileSync(path, text);
    return path;
  };
  return { ca: write('ca', authority.cert), cert: write('cert', cert), key: write('key', key) };
}

let redisPort: number;
let redis: OwnServer;
let mysql: OwnServer;
let mysqlOfOtherName: OwnServer;

/** The settings that lead to both servers by TLS. */
const tlsEnv = () => ({
  ...redis.env,
  ...mysql.env,
  REDIS_ADDR: `localhost:${redisPort}`,
  REDIS_TLS: authority.cert,
  DB_HOST: 'localhost',
  DB_TLS: authority.cert,
});

beforeAll(async () => {
  redisPort = await freePort();
  const redisFiles = filesOf('redis', authority.issue('localhost'));
  const mysqlFlags = (hostName: string): string[] => {
    const { ca, cert, key } = filesOf(`mysql-${hostName}`, authority.issue(hostName));
    return [`--ssl-ca=${ca}`, `--ssl-cert=${cert}`, `--ssl-key=${key}`];
  };
  [redis, mysql, mysqlOfOtherName] = await Promise.all([
    openOwnRedis(
      [
        `--tls-port ${redisPort}`,
        '--tls-auth-clients optional',
        `--tls-ca-cert-file ${redisFiles.ca}`,
        `--tls-cert-file ${redisFiles.cert}`,
        `--tls-key-file ${redisFiles.key}`,
      ].flatMap((flag) => flag.split(' ')),
    ),
    openOwnMysql(mysqlFlags('localhost')),
    openOwnMysql(mysqlFlags('mysql.elsewhere.test')),
  ]);
}, 90_000);

afterAll(async () => {
  await Promise.all([redis?.close(), mysql?.close(), mysqlOfOtherName?.close()]);
  rmSync(folder, { recursive: true });
});

/** The reason why a connection to Redis was refused; undefined if it answers. */
async function redisProblem(env: Record<string, string>, use: ConnectionUse = 'request'): Promise<string | undefined> {
  const client = connectRedis(loadConfig({ ...tlsEnv(), ...env }), use);
  try {
    return await new Promise<string | undefined>((resolve) => {
      client.once('error', (error: Error) => resolve(error.message));
      client.once('ready', () => resolve(undefined));
    });
  } finally {
    client.disconnect();
  }
}

async function mysqlProblem(env: Record<string, string>): Promise<string | undefined> {
  const db = connectDb(loadConfig({ ...tlsEnv(), ...env, DB_NAME: 'mysql' }), 'general');
  try {
    await sql`SELECT 1`.execute(db);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await db.destroy();
  }
}

describe('Redis by TLS', () => {
  it.each(['request', 'producer', 'background', 'blocking'] as const)('answers on a connection for %s', async (use) => {
    expect(await redisProblem({}, use)).toBeUndefined();
  });

  it('is refused if another authority signed its certificate', async () => {
    expect(await redisProblem({ REDIS_TLS: createAuthority('another').cert })).toMatch(/certificate/i);
  });

  it('is refused if no authority is named and the machine knows none for it', async () => {
    expect(await redisProblem({ REDIS_TLS: 'true' })).toMatch(/certificate/i);
  });

  it('is refused if its certificate is for another host', async () => {
    expect(await redisProblem({ REDIS_ADDR: `127.0.0.1:${redisPort}` })).toMatch(/does not match certificate/);
  });

  it('is accepted at an address that a cluster announces if its certificate has a name that was given', async () => {
    const problemAtAddress = (REDIS_ADDR: string) =>
      new Promise<string | undefined>((resolve) => {
        const tls = redisTls(loadConfig({ ...tlsEnv(), REDIS_ADDR, REDIS_CLUSTER: 'true' }))!;
        const client = new Redis({ host: '127.0.0.1', port: redisPort, tls, maxRetriesPerRequest: 0 });
        const settle = (problem?: string): void => {
          client.disconnect();
          resolve(problem);
        };
        client.once('error', ({ message }) => settle(message));
        client.once('connect', () => settle());
      });
    expect(await problemAtAddress(`elsewhere.test:1,localhost:${redisPort}`)).toBeUndefined();
    expect(await problemAtAddress('elsewhere.test:1,127.0.0.1:2')).toMatch(/does not match certificate/);
  });

  it('is not used in plain text', async () => {
    // It waits for a command that it understands, until the client gives up.
    expect(await redisProblem({ REDIS_ADDR: redis.env['REDIS_ADDR']! })).toBeDefined();
  });

  it('gets our certificate if it asks for one, and refuses us without', async () => {
    const own = new Redis({ host: '127.0.0.1', port: Number(redis.env['REDIS_ADDR']!.split(':')[1]) });
    try {
      await own.config('SET', 'tls-auth-clients', 'yes');
      expect(await redisProblem({})).toMatch(/certificate required|alert|ECONNRESET|closed/i);
      const { cert, key } = authority.issue('our-own-name');
      expect(await redisProblem({ REDIS_TLS_CERT: `${cert}\n${key}` })).toBeUndefined();
    } finally {
      await own.config('SET', 'tls-auth-clients', 'optional');
      own.disconnect();
    }
  });
});

describe('MySQL by TLS', () => {
  it('answers over an encrypted connection', async () => {
    const db = connectDb(loadConfig({ ...tlsEnv(), DB_NAME: 'mysql' }), 'general');
    const { rows } = await sql<{ Value: string }>`SHOW SESSION STATUS LIKE 'Ssl_cipher'`.execute(db);
    await db.destroy();
    expect(rows[0]!.Value).toMatch(/^TLS_|GCM|CHACHA/);
  });

  it('is refused if another authority signed its certificate', async () => {
    expect(await mysqlProblem({ DB_TLS: createAuthority('another').cert })).toMatch(/certificate/i);
  });

  it('is refused if its certificate is for another host', async () => {
    expect(await mysqlProblem({ DB_PORT: mysqlOfOtherName.env['DB_PORT']! })).toMatch(/does not match certificate/);
  });

  it('is not used in plain text, even if it has no TLS', async () => {
    const { DB_PORT, DB_USER, DB_PASSWORD } = inject('servers');
    const plain = { DB_PORT, DB_USER, DB_PASSWORD };
    // Newer servers create their own certificate, which our authority has not signed.
    expect(await mysqlProblem(plain)).toMatch(/does not support secure connection|certificate/i);
  });
});

it('a whole service sells with TLS only: api, worker, queues and migrations', async () => {
  await migrate(loadConfig({ ...tlsEnv(), DB_NAME: 'tls' }));
  const context = await openTestContext({ ...tlsEnv(), DB_NAME: 'tls' });
  // Nothing is left that would answer in plain text.
  const own = new Redis({ host: '127.0.0.1', port: Number(redis.env['REDIS_ADDR']!.split(':')[1]) });
  await own.config('SET', 'port', '0');
  const service = await startService(context, { apis: 1, workers: 1 });
  try {
    const post = async (path: string, body: object, headers = {}) => {
      const answer = await fetch(new URL(path, service.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return (await answer.json()) as Record<string, string>;
    };
    const nowMs = Date.now();
    const sale = await post(
      '/api/v1/admin/products',
      {
        name: 'by TLS',
        price: 1,
        stock: 5,
        seckill_stock: 5,
        start_time: new Date(nowMs - 1_000).toISOString(),
        end_time: new Date(nowMs + 3_600_000).toISOString(),
      },
      AS_OPERATOR,
    );
    const shopper = { user_id: 'alice', product_id: sale['id'] };
    const { token } = await post('/api/v1/seckill/token', shopper);
    const { order_no: orderNo } = await post('/api/v1/seckill/buy', { ...shopper, token });
    const order = await fetch(new URL(`/api/v1/orders/${orderNo}?wait=20`, service.url));
    expect(await order.json()).toMatchObject({ order_no: orderNo, status: 'pending_payment' });
  } finally {
    await service.stop();
    await own.config('SET', 'port', redis.env['REDIS_ADDR']!.split(':')[1]!);
    own.disconnect();
    await context.close();
  }
}, 60_000);
