import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../../../testing/certificates.ts';
import { ConfigSchema, loadConfig, readSettingFiles, SECRET_SETTINGS } from '../../../src/platform/config/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'flash-sale-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
/** The path of a file with this content. */
function fileOf(content: string | Buffer): string {
  const path = join(folder, String((count += 1)));
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

const SERVER_URLS: Readonly<Record<string, string>> = { DB_URL: 'mysql://u:p@h/n', REDIS_URL: 'rediss://u:p@h:1/2' };

describe('a setting from a file', () => {
  test('is read for every secret setting, without the line break at its end', () => {
    // Fits the pattern of each.
    const value = `whsec_${'s'.repeat(40)}`;
    const { cert, key } = createAuthority('settings').issue('redis.test');
    for (const name of SECRET_SETTINGS) {
      const text = name.endsWith('_TLS_CERT')
        ? `${cert.trim()}\n${key.trim()}`
        : name.endsWith('_URL')
          ? SERVER_URLS[name]!
          : value;
      const config = loadConfig({ [`${name}_FILE`]: fileOf(`${text}\n`) });
      expect({ name, value: config[name] }).toEqual({ name, value: text });
    }
  });

  test('is read for any other setting too, and checked like one', () => {
    expect(loadConfig({ DB_USER_FILE: fileOf('shop\r\n') }).DB_USER).toBe('shop');
    expect(() => loadConfig({ SERVER_PORT_FILE: fileOf('no port') })).toThrow(/SERVER_PORT is "no port"\. It must be/);
  });

  test.each([
    ['\n', ' a b \n\n', ' a b '],
    ['CRLF, as Windows ends lines', 'a b\r\n', 'a b'],
    ['a byte order mark, as Windows begins files', '\ufeffa b\r\n', 'a b'],
  ])('is read without %s', (_, content, value) => {
    expect(loadConfig({ DB_PASSWORD_FILE: fileOf(content) }).DB_PASSWORD).toBe(value);
  });

  test.each([
    ['UTF-16 with its mark', Buffer.from('\ufeffhunter2', 'utf16le')],
    ['UTF-16 without it', Buffer.from('hunter2', 'utf16le')],
    ['Latin-1', Buffer.from('hünter2', 'latin1')],
  ])('is refused in %s, since the server would only say "Access denied"', (_, content) => {
    expect(() => loadConfig({ DB_PASSWORD_FILE: fileOf(content) })).toThrow(/it is not UTF-8\. It must be .* in UTF-8/);
  });

  test('is refused and not shown if the secret is given instead of its path', () => {
    const given = { DB_PASSWORD_FILE: 'hunter2' };
    expect(() => loadConfig(given)).toThrow(/DB_PASSWORD_FILE is hidden.*Example: DB_PASSWORD_FILE=/);
    expect(() => loadConfig(given)).not.toThrow(/hunter2/);
  });

  test('is refused if it cannot be read, is empty, or is given twice, and its content is not shown', () => {
    expect(() => loadConfig({ ADMIN_TOKEN_FILE: join(folder, 'nowhere') })).toThrow(
      /ADMIN_TOKEN_FILE cannot be read: ENOENT.*Example: ADMIN_TOKEN_FILE=/,
    );
    expect(() => loadConfig({ ADMIN_TOKEN_FILE: folder })).toThrow(/ADMIN_TOKEN_FILE cannot be read: EISDIR/);
    expect(() => loadConfig({ ADMIN_TOKEN_FILE: fileOf('\n') })).toThrow(/ADMIN_TOKEN_FILE is empty/);
    expect(() => loadConfig({ ADMIN_TOKEN: 'a', ADMIN_TOKEN_FILE: fileOf('b') })).toThrow(/are both set/);
    const short = { JWT_SECRET_FILE: fileOf('hunter2') };
    expect(() => loadConfig(short)).toThrow(/JWT_SECRET/);
    expect(() => loadConfig(short)).not.toThrow(/hunter2/);
  });

  test('replaces its path in the environment of started processes', () => {
    const path = fileOf('from a file');
    expect(readSettingFiles({ DB_PASSWORD_FILE: path, OTHER_FILE: path })).toEqual({
      DB_PASSWORD: 'from a file',
      OTHER_FILE: path,
    });
  });

  test('is never taken for another setting', () => {
    const names = Object.keys(ConfigSchema);
    expect(names.filter((name) => name.endsWith('_FILE'))).toEqual([]);
  });
});

describe('TLS', () => {
  const { cert: PEM } = createAuthority('settings').issue('mysql.test');

  test('is off by default, and always verified if on: no setting turns that off', () => {
    expect(loadConfig({})).toMatchObject({ REDIS_TLS: false, DB_TLS: false });
    const names = Object.keys(ConfigSchema).filter((name) => name.includes('TLS'));
    expect(names.filter((name) => /VERIFY|INSECURE|UNAUTHORIZED/.test(name))).toEqual([]);
  });

  test.each(['REDIS', 'DB'])(
    'takes the certificates of %s as text, and a certificate of our own with its key',
    (server) => {
      const given = { DB_HOST: 'mysql.test', [`${server}_TLS`]: PEM };
      expect(loadConfig(given)).toMatchObject({ [`${server}_TLS`]: true, [`${server}_TLS_CA`]: PEM.trim() });
      expect(() => loadConfig({ ...given, [`${server}_TLS_CERT`]: PEM })).toThrow(/and its private key/);
      expect(() => loadConfig({ ...given, [`${server}_TLS`]: '/etc/ca.pem' })).toThrow(new RegExp(`${server}_TLS is`));
    },
  );

  test('of MySQL needs a host name, since mysql2 would check the certificate of an address against “localhost”', () => {
    expect(() => loadConfig({ DB_TLS: 'true' })).toThrow(/DB_TLS needs a name in DB_HOST/);
    expect(loadConfig({ DB_TLS: 'true', DB_HOST: 'mysql.test' }).DB_TLS).toBe(true);
  });
});
