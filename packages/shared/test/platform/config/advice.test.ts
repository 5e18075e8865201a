import { describe, expect, test } from 'vitest';
import { settingsAdvice } from '../../../src/platform/config/advice.ts';
import { ConfigSchema } from '../../../src/platform/config/config.ts';
import { createAuthority } from '../../../testing/certificates.ts';

const NAMES = Object.keys(ConfigSchema);
const { cert: CERT } = createAuthority('one').issue('a');
/** Must not occur in any message. */
const SECRET = 'hunter2';

describe('advice on settings', () => {
  test.each([
    ['DB_PASWORD', 'DB_PASSWORD'],
    ['REDIS_ADDRESS', 'REDIS_ADDR'],
    ['redis_addr', 'REDIS_ADDR'],
    ['TRUSTED_PROXYS', 'TRUSTED_PROXIES'],
    ['ADMIN_TOKENS', 'ADMIN_TOKEN'],
    ['DB_PASSWORD_FIEL', 'DB_PASSWORD_FILE'],
    ['RATE_LIMIT_PER_USER', 'RATE_LIMIT_'],
  ])('names the setting that is probably meant by %s, and not its value', (name, setting) => {
    const advice = settingsAdvice({ [name]: SECRET });
    expect(advice).toHaveLength(1);
    expect(advice[0]).toMatch(new RegExp(`^${name} is no setting`));
    expect(advice[0]).toContain(`The nearest name: ${setting}`);
    expect(advice[0]).not.toContain(SECRET);
  });

  test('says nothing about correct settings and about variables of other programs', () => {
    const all = Object.fromEntries(NAMES.map((name) => [name, 'x']));
    const files = Object.fromEntries(NAMES.map((name) => [`${name}_FILE`, 'x']));
    const kubernetes = {
      REDIS_SERVICE_HOST: '10.0.0.1',
      REDIS_PORT: 'tcp://10.0.0.1:6379',
      DB_PORT_3306_TCP_ADDR: '10.0.0.1',
    };
    const others = {
      PATH: '/bin',
      HOME: '/root',
      TZ: 'UTC',
      API_PROCESSES: '2',
      WORKER_PROCESSES: '2',
      npm_config_cache: 'x',
    };
    expect(settingsAdvice({ ...all, DB_TLS: 'true', REDIS_TLS: 'true', ...kubernetes, ...others })).toEqual([]);
    expect(settingsAdvice(files)).toEqual([]);
  });

  test('says that a certificate is not used if TLS is off', () => {
    expect(settingsAdvice({ DB_TLS_CERT: 'x' }).join()).toContain('DB_TLS=true');
    expect(settingsAdvice({ REDIS_TLS_CERT: 'x', REDIS_TLS: 'false' }).join()).toContain('REDIS_TLS=true');
    expect(settingsAdvice({ REDIS_TLS_CERT: 'x', REDIS_URL: 'rediss://a' })).toEqual([]);
    expect(settingsAdvice({ REDIS_TLS_CERT: 'x', REDIS_TLS: CERT })).toEqual([]);
  });

  test('says that everybody is trusted', () => {
    expect(settingsAdvice({ TRUSTED_PROXIES: '10.0.0.0/8, ::/0' }).join()).toContain('TRUSTED_PROXIES');
    expect(settingsAdvice({ TRUSTED_PROXIES: '10.0.0.0/8' })).toEqual([]);
  });
});
