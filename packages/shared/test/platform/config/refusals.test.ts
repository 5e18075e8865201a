import { describe, expect, test } from 'vitest';
import { settingsAdvice } from '../../../src/platform/config/advice.ts';
import { ConfigError, ConfigSchema, loadConfig } from '../../../src/platform/config/config.ts';
import { createAuthority } from '../../../testing/certificates.ts';

type Env = Readonly<Record<string, string | undefined>>;

interface Setting {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly maximum?: number;
  readonly minimum?: number;
  readonly secret?: boolean;
  readonly read?: unknown;
  readonly example?: string;
}

const SETTINGS = Object.entries(ConfigSchema.properties as unknown as Record<string, Setting>);

/** The lines that say what does not fit. */
function problemsOf(env: Env): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').slice(1);
    throw error;
  }
}

/** Must be told in no message. */
const SECRET = 'hunter2';
const BLANK = ' \t';
const NOT_PEM = ['/etc/tls.pem', SECRET, `-----BEGIN CERTIFICATE-----\n${SECRET}\n-----END CERTIFICATE-----`];
const NOT_HOSTS = [
  'a:1',
  'http://a',
  'a/b',
  '/run/mysqld.sock',
  '[::1',
  '[a]',
  '10.0.0',
  '256.1.1.1',
  'a b',
  `u:${SECRET}@a`,
];
const NOT_ENDPOINTS = [
  'a',
  'a:',
  ':1',
  'a:0',
  'a:65536',
  'a:1,',
  'a:1,,b:2',
  'a:1;b:2',
  'redis://a:1',
  'host:p/2',
].concat([
  '::1:6379',
  '[::1]',
  '/run/redis.sock',
  `redis://:${SECRET}@a:1`,
  `:${SECRET}@a:1`,
  `redis://u:x/${SECRET}@a:1`,
]);
const NOT_WEB = ['a', 'ftp://a', 'http://', '//a', 'https:a', `https://u:${SECRET}@a`, 'https://a:99999', 'file:///a'];

/** What does not fit, for each setting whose text has a form of its own. */
const WRONG: Readonly<Record<string, readonly string[]>> = {
  SERVER_HOST: NOT_HOSTS,
  OPS_HOST: NOT_HOSTS,
  DB_HOST: NOT_HOSTS,
  REDIS_TLS_SERVER_NAME: NOT_HOSTS,
  DB_NAME: ['drop table', 'a`b', 'd'.repeat(49), 'a/b', 'ü'],
  DB_PASSWORD: [`${SECRET}\nsecond line`],
  REDIS_PASSWORD: [`${SECRET}\r\nsecond line`],
  REDIS_SENTINEL_PASSWORD: [`${SECRET}\nsecond line`],
  REDIS_ADDR: NOT_ENDPOINTS,
  REDIS_SENTINELS: NOT_ENDPOINTS,
  REDIS_USERNAME: ['a b'],
  REDIS_SENTINEL_USERNAME: ['a b'],
  REDIS_SENTINEL_MASTER: ['my master'],
  REDIS_PREFIX: ['{shop}:', 'a b', 'x'.repeat(65)],
  DB_TLS_CA: NOT_PEM,
  DB_TLS_CERT: NOT_PEM,
  DB_TLS_KEY: NOT_PEM,
  REDIS_TLS_CA: NOT_PEM,
  REDIS_TLS_CERT: NOT_PEM,
  REDIS_TLS_KEY: NOT_PEM,
  CORS_ORIGINS: [
    ...NOT_WEB,
    '*',
    'null',
    'shop.test',
    'https://a/b',
    'https://a?b',
    'https://a,',
    'https://a https://b',
  ],
  JWKS_URL: NOT_WEB,
  EVENTS_URL: NOT_WEB,
  PUBLIC_URL: [...NOT_WEB, 'https://a?b', 'https://a#b', 'https://a/b?', 'https://a/api', 'https://a/docs/'].concat([
    'https://a/%2e%2e',
    'https://a/b//c',
    'https://a/b c',
    'https://a/admin/queues',
    `https://a/?token=${SECRET}`,
  ]),
  JWT_ISSUER: ['a,', 'a b', ',a'],
  JWT_AUDIENCE: ['a,', 'a b'],
  JWT_AUDIENCE_CLAIM: ['client id', 'a"b', 'x'.repeat(201)],
  JWT_SUBJECT_CLAIM: ['a\\b', 'ü'],
  JWT_CLOCK_TOLERANCE_SECONDS: ['301', '-1', '1.5'],
  JWT_SECRET: [SECRET, `${SECRET}${'\n'.repeat(40)}`],
  ADMIN_TOKEN: [` ${SECRET}`, `${SECRET} `, `${SECRET} ${SECRET}`, `${SECRET}ü`, `${SECRET}\t`],
  VIEWER_TOKEN: [` ${SECRET}`, `${SECRET} `],
  TOKEN_SECRETS: [SECRET, `${'s'.repeat(16)},${SECRET}`, `${SECRET.repeat(3)},`, `${SECRET} ${SECRET.repeat(3)}`],
  TRUSTED_PROXIES: [
    'everybody',
    '10.0.0.0/99',
    '10.0.0.0/-1',
    '10.0.0/8',
    '::/129',
    '10.0.0.1:80',
    '10.0.0.0/8;::1',
    'a.test',
  ],
  CURRENCY: ['eur', 'EURO', '€', 'JPY', 'KWD'],
  STRIPE_SECRET_KEY: [`${SECRET} ${SECRET}`],
  STRIPE_WEBHOOK_SECRET: [`${SECRET} ${SECRET}`],
  EVENTS_SECRET: [SECRET, `whsec_${SECRET}`],
};

/** Which are refused under their own names, with messages of their own. */
const SERVER_URLS = new Set(['DB_URL', 'REDIS_URL']);

function wrongValues([
  name,
  { type, enum: choices, minimum, maximum, read },
]: (typeof SETTINGS)[number]): readonly string[] {
  if (type === 'integer') {
    const texts = [
      'x',
      '1.5',
      '5s',
      '5 MB',
      '1_000',
      '1,000',
      '0x10',
      '1e3',
      '+5',
      'true',
      'NaN',
      BLANK,
      '9'.repeat(20),
    ];
    return [...texts, String(maximum! + 1), String(minimum! - 1), `u:${SECRET}@5`];
  }
  if (type === 'boolean') return ['perhaps', 'yes', '2', 'on', BLANK];
  if (choices !== undefined) return ['none of them', choices[0]!.toUpperCase() === choices[0] ? 'rs256' : 'X', BLANK];
  return read === undefined ? [BLANK] : [...WRONG[name]!, BLANK];
}

describe('a setting that does not fit', () => {
  test.each(SETTINGS.filter(([name]) => !SERVER_URLS.has(name)).map((setting) => [setting[0], setting] as const))(
    '%s: says what was given, what is wanted and an example, and never a secret',
    (name, setting) => {
      const isHidden = setting[1].secret === true || name.includes('_TLS_C');
      // An empty text, for example a secret without its outer blanks, is one of those that fit.
      const wrong = wrongValues(setting).filter((value) => !(value === BLANK && isHidden));
      expect(wrong.length).toBeGreaterThan(isHidden ? -1 : 0);
      for (const value of wrong) {
        const problems = problemsOf({ [name]: value });
        const line =
          problems.find((problem) => problem.startsWith(`  ${name} is `)) ?? `${JSON.stringify(value)} was taken`;
        expect(line).toMatch(/ is (?:".*"|hidden \(\d+ characters\))\. It must be .+\. Example: [A-Z0-9_]+=.+$/);
        expect(line).toContain(`Example: ${name}=`);
        expect(problems.join('\n')).not.toContain(SECRET);
        expect(line.includes('hidden (')).toBe(isHidden);
      }
    },
  );

  test.each(
    SETTINGS.filter(([, { example = '…' }]) => !/…|output of/.test(example)).map(([name, { example }]) => [
      name,
      example!,
    ]),
  )('%s: takes its own example', (name, example) => {
    expect(problemsOf({ [name]: example }).filter((line) => line.includes('It must be'))).toEqual([]);
  });

  test('shows no secret under another name', () => {
    const lines = problemsOf({ DB_PASSWORD: SECRET, DB_PORT: SECRET, REDIS_ADDR: `${SECRET}!` });
    expect(lines).toHaveLength(2);
    expect(lines.join('\n')).not.toContain(SECRET);
  });

  test.each<[Env]>([
    [{ NODE_ENV: 'production' }],
    [{ NODE_ENV: 'production', PAYMENT_PROVIDER: 'stripe' }],
    [
      {
        NODE_ENV: 'production',
        AUTH_MODE: 'trusted',
        JWKS_URL: 'http://a',
        ADMIN_TOKEN: 'short',
        VIEWER_TOKEN: 'short',
      },
    ],
    [{ AUTH_MODE: 'jwt' }],
    [{ REDIS_CLUSTER: 'true', REDIS_SENTINELS: 'a:1', REDIS_DB: '1' }],
    [{ REDIS_ADDR: 'a:1,b:2' }],
    [{ DB_TLS: 'true', EVENTS_URL: 'http://a', RETENTION_DAYS: '2' }],
    [{ CHALLENGE_BITS: '1' }],
    [{ DB_TLS_CERT: createAuthority('one').issue('a').cert, REDIS_TLS_KEY: createAuthority('one').issue('a').key }],
    [{ DB_TLS_CERT: createAuthority('one').issue('a').cert, DB_TLS_KEY: createAuthority('two').issue('a').key }],
    [{ DB_URL: 'mysql://u:p@a', DB_HOST: 'b', REDIS_URL: 'redis://a', REDIS_ADDR: 'b:1', REDIS_TLS: 'true' }],
    [{ REDIS_URL: 'redis://a', REDIS_SENTINELS: 'a:1' }],
    [{ DB_NAME_FILE: '/nowhere', DB_HOST_FILE: '/', DB_USER: 'a', DB_USER_FILE: '/dev/null' }],
  ])('says the three parts of settings that contradict each other, too: %j', (env) => {
    const lines = problemsOf(env);
    expect(lines).not.toEqual([]);
    for (const line of lines) expect(line).toMatch(/^ {2}[A-Z].*\. [A-Z].*\. Example: [A-Z0-9_]+=.+/);
  });
});

describe('what is not wrong, but written differently', () => {
  test.each([
    ['SERVER_PORT', ' 8081\r\n', 8081],
    ['DB_HOST', 'mysql.test\r', 'mysql.test'],
    ['DB_HOST', '[::1]', '::1'],
    ['OPS_HOST', '::', '::'],
    ['DB_NAME', 'flash-sale', 'flash-sale'],
    ['DB_PASSWORD', ' p ss \r\n', ' p ss '],
    ['ADMIN_TOKEN', 'token\n', 'token'],
    ['REDIS_ADDR', '[::1]:6379', '[::1]:6379'],
    ['REDIS_ADDR', '[FE80::1%eth0]:6379', '[FE80::1%eth0]:6379'],
    ['REDIS_SENTINELS', 'a:1, [::1]:2 ,b:3', 'a:1,[::1]:2,b:3'],
    ['CORS_ORIGINS', 'HTTPS://Shop.test:443/, http://localhost:3000', 'https://shop.test,http://localhost:3000'],
    ['PUBLIC_URL', 'https://shop.test/', 'https://shop.test'],
    ['PUBLIC_URL', 'https://shop.test/sale/eu/', 'https://shop.test/sale/eu'],
    ['TRUSTED_PROXIES', '10.0.0.0/8, ::1 ,::ffff:10.0.0.0/104', '10.0.0.0/8,::1,::ffff:10.0.0.0/104'],
    ['REDIS_CLUSTER', 'TRUE ', true],
    ['TOKEN_SECRETS', `${'a'.repeat(16)}, ${'b'.repeat(16)}`, `${'a'.repeat(16)},${'b'.repeat(16)}`],
  ])('%s=%j is %j', (name, value, read) => {
    expect(loadConfig({ [name]: value })).toHaveProperty(name, read);
  });

  test('a certificate in one line, as environment files need it', () => {
    const { cert } = createAuthority('one').issue('a');
    expect(loadConfig({ REDIS_TLS_CA: cert.replaceAll('\n', '\\n') }).REDIS_TLS_CA?.trim()).toBe(cert.trim());
  });

  test.each([
    ['0.0.0.0', 'http://127.0.0.1:8080'],
    ['::', 'http://[::1]:8080'],
    ['::1', 'http://[::1]:8080'],
    ['[::1]', 'http://[::1]:8080'],
    ['10.0.0.7', 'http://10.0.0.7:8080'],
  ])('SERVER_HOST=%s is reached at %s, unless PUBLIC_URL says otherwise', (SERVER_HOST, url) => {
    expect(loadConfig({ SERVER_HOST }).PUBLIC_URL).toBe(url);
  });
});

describe('the URL of a server', () => {
  test.each([
    [
      'mysql://seckill:p%40%2Fss@mysql.test:3307/flash-sale',
      { DB_HOST: 'mysql.test', DB_PORT: 3307, DB_USER: 'seckill', DB_PASSWORD: 'p@/ss', DB_NAME: 'flash-sale' },
    ],
    ['mariadb://[::1]', { DB_HOST: '::1', DB_PORT: 3306, DB_USER: 'root', DB_PASSWORD: '', DB_NAME: 'seckill' }],
    ['mysql://u%20s@a/', { DB_HOST: 'a', DB_USER: 'u s', DB_NAME: 'seckill' }],
  ])('DB_URL=%s', (DB_URL, settings) => {
    expect(loadConfig({ DB_URL })).toMatchObject(settings);
  });

  test.each([
    [
      'redis://redis.test',
      { REDIS_ADDR: 'redis.test:6379', REDIS_TLS: false, REDIS_USERNAME: '', REDIS_PASSWORD: '', REDIS_DB: 0 },
    ],
    [
      'rediss://shop:p%40ss@[::1]:6380/3',
      { REDIS_ADDR: '[::1]:6380', REDIS_TLS: true, REDIS_USERNAME: 'shop', REDIS_PASSWORD: 'p@ss', REDIS_DB: 3 },
    ],
    ['redis://:p@10.0.0.1/', { REDIS_ADDR: '10.0.0.1:6379', REDIS_PASSWORD: 'p', REDIS_DB: 0 }],
  ])('REDIS_URL=%s', (REDIS_URL, settings) => {
    expect(loadConfig({ REDIS_URL })).toMatchObject(settings);
  });

  test.each([
    ['DB_URL', 'postgres://a/b'],
    ['DB_URL', `mysql://u:${SECRET}/x@a/b`],
    ['DB_URL', `mysql://u:1#${SECRET}@a/b`],
    ['DB_URL', `mysql://u:1?${SECRET}@a/b`],
    ['DB_URL', `mysql://u:%zz${SECRET}@a/b`],
    ['DB_URL', `mysql://u:${SECRET}@a/b?ssl-mode=REQUIRED`],
    ['DB_URL', `mysql://u:${SECRET}@a/b/c`],
    ['DB_URL', 'mysql:///b'],
    ['DB_URL', 'a:3306'],
    ['REDIS_URL', `http://u:${SECRET}@a`],
    ['REDIS_URL', `redis://u:${SECRET}@a/shop`],
    ['REDIS_URL', `redis://u:${SECRET}@a:99999`],
    ['REDIS_URL', 'a:6379'],
  ])('%s=%s is refused with the three parts, and its password is not told', (name, url) => {
    const lines = problemsOf({ [name]: url });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      new RegExp(`^  ${name} is hidden \\(\\d+ characters\\)\\. It must be .+%40\\. Example: ${name}=`),
    );
    expect(lines[0]).not.toContain(SECRET);
  });

  test('may be set together with settings of the same value', () => {
    const same = {
      DB_URL: 'mysql://u:p@a/n',
      DB_HOST: 'a',
      DB_PORT: '3306',
      DB_USER: 'u',
      DB_PASSWORD: 'p',
      DB_NAME: 'n',
    };
    expect(loadConfig(same)).toMatchObject({ DB_HOST: 'a', DB_NAME: 'n' });
    const redis = { REDIS_URL: 'rediss://a', REDIS_ADDR: 'a:6379', REDIS_TLS: '1', REDIS_PASSWORD: 'p', REDIS_DB: '2' };
    expect(loadConfig(redis)).toMatchObject({ REDIS_TLS: true, REDIS_PASSWORD: 'p', REDIS_DB: 2 });
  });

  test.each([
    [{ DB_URL: `mysql://u:${SECRET}@a/n`, DB_PASSWORD: 'Hunter2' }, 'DB_PASSWORD'],
    [{ DB_URL: 'mysql://a/n', DB_NAME: 'm' }, 'DB_NAME'],
    [{ DB_URL: 'mysql://a/n', DB_PORT: '3307' }, 'DB_PORT'],
    [{ REDIS_URL: 'redis://a', REDIS_TLS: 'true' }, 'REDIS_TLS'],
    [{ REDIS_URL: 'rediss://a', REDIS_TLS: 'false' }, 'REDIS_TLS'],
    [{ REDIS_URL: 'redis://a/1', REDIS_DB: '2' }, 'REDIS_DB'],
  ])('contradicts no other setting: %j', (env, name) => {
    expect(problemsOf(env).join('\n')).toMatch(new RegExp(`URL and ${name} are both set`));
    expect(problemsOf(env).join('\n')).not.toContain(SECRET);
  });
});

describe('advice on settings', () => {
  test.each([
    ['DB_PASWORD', 'DB_PASSWORD'],
    ['REDIS_ADDRESS', 'REDIS_ADDR'],
    ['redis_addr', 'REDIS_ADDR'],
    ['TRUSTED_PROXYS', 'TRUSTED_PROXIES'],
    ['ADMIN_TOKENS', 'ADMIN_TOKEN'],
    ['DB_PASSWORD_FIEL', 'DB_PASSWORD_FILE'],
    ['RATE_LIMIT_PER_USER', 'RATE_LIMIT_'],
  ])('names the setting that %s probably is, and not its value', (name, setting) => {
    const advice = settingsAdvice({ [name]: SECRET });
    expect(advice).toHaveLength(1);
    expect(advice[0]).toMatch(new RegExp(`^${name} is no setting`));
    expect(advice[0]).toContain(`The nearest name: ${setting}`);
    expect(advice[0]).not.toContain(SECRET);
  });

  test.each(['REQUEST_TIMEOUT_MS', 'AUDIT_INTERVAL_MS', 'EVENTS_CONCURRENCY', 'SHARD_BACKLOG_MAX'])(
    'warns that %s, a setting of the last version, is now a constant',
    (name) => {
      expect(settingsAdvice({ [name]: '1' })).toEqual([`${name} is now a constant and is not read: remove it`]);
      expect(settingsAdvice({ [name]: '' })).toEqual([]);
    },
  );

  test('gives no warning about correct settings, and about variables of other programs', () => {
    const all = Object.fromEntries(SETTINGS.map(([name]) => [name, 'x']));
    const files = Object.fromEntries(SETTINGS.map(([name]) => [`${name}_FILE`, 'x']));
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

  test('warns that a certificate is not used if TLS is off', () => {
    expect(settingsAdvice({ DB_TLS_CA: 'x' }).join()).toContain('DB_TLS=true');
    expect(settingsAdvice({ REDIS_TLS_CA: 'x', REDIS_URL: 'rediss://a' })).toEqual([]);
  });

  test('warns that every address is trusted', () => {
    expect(settingsAdvice({ TRUSTED_PROXIES: '10.0.0.0/8, ::/0' }).join()).toContain('TRUSTED_PROXIES');
    expect(settingsAdvice({ TRUSTED_PROXIES: '10.0.0.0/8' })).toEqual([]);
  });
});
