import { bracketed } from './formats.ts';
import { refusal } from './refusal.ts';

type Env = Readonly<Record<string, string | undefined>>;

interface UrlSetting {
  readonly name: 'DB_URL' | 'REDIS_URL';
  readonly schemes: readonly string[];
  readonly example: string;
  /** The settings that a URL contains. */
  readonly parts: (text: string) => Record<string, string> | undefined;
}

const PORT_DEFAULTS = { DB_URL: '3306', REDIS_URL: '6379' };

const URL_SETTINGS: readonly UrlSetting[] = [
  {
    name: 'DB_URL',
    schemes: ['mysql:', 'mariadb:'],
    example: 'DB_URL=mysql://seckill:p%40ss@mysql.internal:3306/seckill',
    parts: (text) => {
      const url = URL.parse(text);
      const path = url === null || url.hostname === '' ? undefined : pathOf(url);
      if (url === null || path === undefined) return undefined;
      return {
        DB_HOST: hostOf(url),
        DB_PORT: url.port || PORT_DEFAULTS.DB_URL,
        ...(url.username === '' ? {} : { DB_USER: decodeURIComponent(url.username) }),
        ...(url.password === '' ? {} : { DB_PASSWORD: decodeURIComponent(url.password) }),
        ...(path === '' ? {} : { DB_NAME: path }),
      };
    },
  },
  {
    name: 'REDIS_URL',
    schemes: ['redis:', 'rediss:'],
    example: 'REDIS_URL=rediss://default:p%40ss@redis.internal:6379/0',
    parts: (text) => {
      const { hosts, password, tls } = redisUrlOf(text) ?? {};
      if (hosts === undefined) return undefined;
      return {
        REDIS_ADDR: hosts.map(({ host, port }) => `${bracketed(host)}:${port || PORT_DEFAULTS.REDIS_URL}`).join(','),
        REDIS_TLS: String(tls),
        ...(password === '' ? {} : { REDIS_PASSWORD: password! }),
      };
    },
  },
];

const hostOf = (url: URL): string => decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1');

function pathOf(url: URL): string | undefined {
  const path = url.pathname.slice(1);
  return path.includes('/') ? undefined : decodeURIComponent(path);
}

interface RedisUrl {
  readonly hosts: readonly { readonly host: string; readonly port: string }[];
  readonly username: string;
  readonly password: string;
  readonly db: number;
  readonly tls: boolean;
}

/** What a `REDIS_URL` says, which may name several hosts, or undefined if it does not fit. */
function redisUrlOf(text: string): RedisUrl | undefined {
  const [, head = '', access = '', hosts = '', tail = ''] = /^([a-z]+:\/\/)(.*@)?([^/@]*)(.*)$/is.exec(text) ?? [];
  const urls = hosts.split(',').map((host) => URL.parse(`${head}${access}${host}${tail}`));
  const [first] = urls;
  if (first === undefined || first === null || urls.some((url) => url === null || url.hostname === ''))
    return undefined;
  const db = pathOf(first);
  if (db === undefined || !/^\d{0,4}$/.test(db)) return undefined;
  return {
    hosts: urls.map((url) => ({ host: hostOf(url!), port: url!.port })),
    username: decodeURIComponent(first.username),
    password: decodeURIComponent(first.password),
    db: Number(db),
    tls: first.protocol === 'rediss:',
  };
}

const MASTER_DEFAULT = 'mymaster';

/** Settings that only `REDIS_URL` contains. With Sentinels its host is the name of the master. */
export function redisAccessOf(env: Env): {
  readonly REDIS_USERNAME: string;
  readonly REDIS_DB: number;
  readonly REDIS_SENTINEL_MASTER: string;
} {
  const { username = '', db = 0, hosts = [] } = redisUrlOf((env['REDIS_URL'] ?? '').trim()) ?? {};
  const master = isUnderSentinels(env) ? hosts[0]?.host : undefined;
  return { REDIS_USERNAME: username, REDIS_DB: db, REDIS_SENTINEL_MASTER: master ?? MASTER_DEFAULT };
}

const isUnderSentinels = (env: Env): boolean => (env['REDIS_SENTINELS'] ?? '').trim() !== '';

/**
 * Returns the variables with the parts of `DB_URL` and `REDIS_URL` under the names of their own
 * settings. Neither form has priority: if both are set, they must agree.
 *
 * @returns also a sentence for each URL that does not fit, or that contradicts another setting
 */
export function withServerUrls(env: Env): { readonly env: Env; readonly problems: string[] } {
  const expanded = { ...env };
  const problems: string[] = [];
  for (const setting of URL_SETTINGS) {
    const { name, example } = setting;
    const text = (env[name] ?? '').trim();
    if (text === '') continue;
    const parts = partsOf(setting, text);
    if (parts === undefined) {
      problems.push(refusal(`${name} is hidden (${text.length} characters)`, wantedOf(setting), example));
      continue;
    }
    if (name === 'REDIS_URL' && isUnderSentinels(env)) {
      if (redisUrlOf(text)!.hosts.some(({ port }, i) => port !== '' || i > 0)) {
        problems.push(
          refusal(
            'REDIS_URL and REDIS_SENTINELS are both set, and REDIS_URL has a port or several hosts',
            'With REDIS_SENTINELS the host of REDIS_URL is the name of the master, which has no port',
            'REDIS_URL=redis://user@mymaster',
          ),
        );
      }
      delete parts['REDIS_ADDR'];
    }
    for (const [part, value] of Object.entries(parts)) {
      const given = env[part] ?? '';
      // Certificates stand for `true`.
      const isTls = part === 'REDIS_TLS' && given.includes('-----BEGIN');
      if (given !== '' && given !== value && !(part === 'REDIS_TLS' && isSwitch(isTls ? 'true' : given, value))) {
        const wanted = `Unset ${part}, or make it the same`;
        problems.push(refusal(`${name} and ${part} are both set, and say different things`, wanted, example));
      }
      if (!isTls) expanded[part] = value;
    }
  }
  return { env: expanded, problems };
}

/** Whether two texts of a switch mean the same. */
const isSwitch = (given: string, value: string): boolean =>
  (value === 'true' ? /^\s*(?:true|1)\s*$/i : /^\s*(?:false|0)\s*$/i).test(given);

const wantedOf = ({ schemes }: UrlSetting): string =>
  `It must be ${schemes.map((scheme) => `${scheme}//user:password@host:port/${scheme.startsWith('redis') ? 'number' : 'name'}`).join(' or ')}, ` +
  'without ? or #; what is not a letter or digit in user and password is percent-encoded, @ as %40';

function partsOf({ schemes, parts }: UrlSetting, text: string): Record<string, string> | undefined {
  if (!schemes.some((scheme) => text.toLowerCase().startsWith(`${scheme}//`))) return undefined;
  // An unencoded password with one of these leaves a URL that means something else.
  if (/[?#]/.test(text)) return undefined;
  try {
    return parts(text);
  } catch {
    // The text is not valid percent-encoding.
    return undefined;
  }
}
