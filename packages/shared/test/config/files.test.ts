import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigSchema, loadConfig, readSettingFiles, SECRET_SETTINGS } from '../../src/config/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'flash-sale-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
/** The path of a file with this content. */
function fileOf(content: string): string {
  const path = join(folder, String((count += 1)));
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

describe('a setting from a file', () => {
  test('is read for every secret setting, without the line break at its end', () => {
    // Fits the pattern of each.
    const value = `whsec_${'s'.repeat(40)}`;
    const pem = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----';
    for (const name of SECRET_SETTINGS) {
      const isPem = name.endsWith('_TLS_KEY');
      const tls = isPem ? { [name.replace('_KEY', '_CERT')]: pem } : {};
      const config = loadConfig({ ...tls, [`${name}_FILE`]: fileOf(`${isPem ? pem : value}\n`) });
      expect({ name, value: config[name] }).toEqual({ name, value: isPem ? pem : value });
    }
  });

  test('is read for any other setting too, and checked like one', () => {
    expect(loadConfig({ DB_USER_FILE: fileOf('shop\r\n') }).DB_USER).toBe('shop');
    expect(() => loadConfig({ SERVER_PORT_FILE: fileOf('no port') })).toThrow(/SERVER_PORT must be/);
  });

  test('keeps what is no line break at its end', () => {
    expect(loadConfig({ DB_PASSWORD_FILE: fileOf(' a b \n\n') }).DB_PASSWORD).toBe(' a b \n');
  });

  test('is refused where it cannot be read, is empty, or is given twice, and its content is not told', () => {
    expect(() => loadConfig({ ADMIN_TOKEN_FILE: join(folder, 'nowhere') })).toThrow(
      /ADMIN_TOKEN_FILE cannot be read: ENOENT/,
    );
    expect(() => loadConfig({ ADMIN_TOKEN_FILE: folder })).toThrow(/ADMIN_TOKEN_FILE cannot be read: EISDIR/);
    expect(() => loadConfig({ ADMIN_TOKEN_FILE: fileOf('\n') })).toThrow(/ADMIN_TOKEN_FILE is empty/);
    expect(() => loadConfig({ ADMIN_TOKEN: 'a', ADMIN_TOKEN_FILE: fileOf('b') })).toThrow(/are both set/);
    const short = { JWT_SECRET_FILE: fileOf('hunter2') };
    expect(() => loadConfig(short)).toThrow(/JWT_SECRET/);
    expect(() => loadConfig(short)).not.toThrow(/hunter2/);
  });

  test('takes the place of its path for the processes that are started', () => {
    const path = fileOf('from a file');
    expect(readSettingFiles({ DB_PASSWORD_FILE: path, OTHER_FILE: path })).toEqual({
      DB_PASSWORD: 'from a file',
      OTHER_FILE: path,
    });
  });

  test('cannot be mistaken for a setting of its own', () => {
    const names = Object.keys(ConfigSchema.properties);
    expect(names.filter((name) => name.endsWith('_FILE'))).toEqual([]);
  });
});

describe('TLS', () => {
  const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

  test('is off unless asked for, and then always verified: no setting turns that off', () => {
    expect(loadConfig({})).toMatchObject({ REDIS_TLS: false, DB_TLS: false });
    const names = Object.keys(ConfigSchema.properties).filter((name) => name.includes('TLS'));
    expect(names.filter((name) => /VERIFY|INSECURE|UNAUTHORIZED/.test(name))).toEqual([]);
  });

  test.each(['REDIS', 'DB'])(
    'takes the certificates of %s as text, and a certificate of our own with its key',
    (server) => {
      const given = { DB_HOST: 'mysql.test', [`${server}_TLS`]: 'true', [`${server}_TLS_CA`]: PEM };
      expect(loadConfig(given)).toMatchObject({ [`${server}_TLS`]: true, [`${server}_TLS_CA`]: PEM });
      expect(() => loadConfig({ ...given, [`${server}_TLS_CERT`]: PEM })).toThrow(/go together/);
      expect(() => loadConfig({ ...given, [`${server}_TLS_CA`]: '/etc/ca.pem' })).toThrow(
        new RegExp(`${server}_TLS_CA`),
      );
    },
  );

  test('of MySQL needs a host name, since mysql2 would check the certificate of an address against “localhost”', () => {
    expect(() => loadConfig({ DB_TLS: 'true' })).toThrow(/DB_TLS needs a name in DB_HOST/);
    expect(loadConfig({ DB_TLS: 'true', DB_HOST: 'mysql.test' }).DB_TLS).toBe(true);
  });
});

describe('time-outs of requests', () => {
  test('fit into each other', () => {
    expect(() => loadConfig({ HEADERS_TIMEOUT_MS: '20000' })).toThrow(/HEADERS_TIMEOUT_MS must not be longer/);
  });
});
