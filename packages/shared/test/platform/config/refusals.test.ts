import { describe, expect, test } from 'vitest';
import { ConfigError, ConfigSchema, loadConfig } from '../../../src/platform/config/config.ts';
import { createAuthority } from '../../../testing/certificates.ts';

type Env = Readonly<Record<string, string | undefined>>;

interface Setting {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly maximum?: number;
  readonly minimum?: number;
  readonly secret?: boolean;
  readonly isHidden?: boolean;
  readonly read?: unknown;
  readonly example?: string;
}

const SETTINGS = Object.entries(ConfigSchema as unknown as Record<string, Setting>);

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

/** Must not appear in any message. */
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

const { cert: CERT, key: KEY } = createAuthority('one').issue('a');
const NOT_OWN = [...NOT_PEM, CERT, KEY];

/** What does not fit, for each setting whose text has a form of its own. */
const WRONG: Readonly<Record<string, readonly string[]>> = {
  SERVER_HOST: NOT_HOSTS,
  OPS_HOST: NOT_HOSTS,
  DB_HOST: NOT_HOSTS,
  DB_NAME: ['drop table', 'a`b', 'd'.repeat(49), 'a/b', 'ü'],
  DB_PASSWORD: [`${SECRET}\nsecond line`],
  REDIS_PASSWORD: [`${SECRET}\r\nsecond line`],
  REDIS_ADDR: NOT_ENDPOINTS,
  REDIS_SENTINELS: [
    // The password of a Sentinel may stand there.
    ...NOT_ENDPOINTS.filter((text) => text !== `:${SECRET}@a:1`),
    `a b:${SECRET}@a:1`,
    `%zz:${SECRET}@a:1`,
    `a:b:${SECRET}@a:1`,
  ],
  REDIS_PREFIX: ['{shop}:', 'a b', 'x'.repeat(65)],
  DB_TLS: [...NOT_PEM, 'yes', '2'],
  DB_TLS_CERT: NOT_OWN,
  REDIS_TLS: [...NOT_PEM, 'yes', '2'],
  REDIS_TLS_CERT: NOT_OWN,
  SHUTDOWN_MS: ['500', '500/', '/7000', '500/7000/1', '60001/7000', '500/99', '0.5/7000', 'x/7000'],
  RATE_LIMIT_IP: ['200', '0/2000', '200/0', '-1/5', '1000001/1', `u:${SECRET}@5/5`],
  RATE_LIMIT_LEDGER: ['5', '0/50', '5/0', '-1/5', '1000001/1', `u:${SECRET}@5/5`],
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
  JWT_FORMAT: [
    'ES256',
    'alg=',
    'alg=none',
    'alg=HS256',
    'alg=rs256',
    'alg=RS256,',
    'alg=RS256,alg=ES256',
    'typ=JWT',
    'aud=client id',
    'aud=a"b',
    `aud=${'x'.repeat(201)}`,
    'sub=a\\b',
    'sub=ü',
    'constructor=a',
    'tolerance=301',
    'tolerance=-1',
    'tolerance=1.5',
  ],
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
      const isHidden = setting[1].secret === true || setting[1].isHidden === true;
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
    [{ REDIS_CLUSTER: 'true', REDIS_SENTINELS: 'a:1', REDIS_URL: 'redis://a/1' }],
    [{ REDIS_ADDR: 'a:1,b:2' }],
    [{ DB_TLS: 'true', EVENTS_URL: 'http://a', RETENTION_DAYS: '2' }],
    [{ CHALLENGE_BITS: '1' }],
    [{ DB_TLS_CERT: `${CERT}\n${createAuthority('two').issue('a').key}` }],
    [{ DB_URL: 'mysql://u:p@a', DB_HOST: 'b', REDIS_URL: 'redis://a', REDIS_ADDR: 'b:1', REDIS_TLS: 'true' }],
    [{ REDIS_URL: 'redis://a:6379', REDIS_SENTINELS: 'a:1' }],
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
    expect(loadConfig({ REDIS_TLS: cert.replaceAll('\n', '\\n') }).REDIS_TLS_CA?.trim()).toBe(cert.trim());
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
