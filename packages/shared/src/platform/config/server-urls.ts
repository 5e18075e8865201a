import { bracketed } from './formats.ts';
import { refusal } from './refusal.ts';

type Env = Readonly<Record<string, string | undefined>>;

interface UrlSetting {
  readonly name: 'DB_URL' | 'REDIS_URL';
  readonly schemes: readonly string[];
  readonly example: string;
  /** The settings in a URL; undefined if its path does not fit. */
  readonly parts: (url: URL, path: string) => Record<string, string> | undefined;
}

const PORT_DEFAULTS = { DB_URL: '3306', REDIS_URL: '6379' };

const URL_SETTINGS: readonly UrlSetting[] = [
  {
    name: 'DB_URL',
    schemes: ['mysql:', 'mariadb:'],
    example: 'DB_URL=mysql://seckill:p%40ss@mysql.internal:3306/seckill',
    parts: (url, path) => ({
      DB_HOST: hostOf(url),
      DB_PORT: url.port || PORT_DEFAULTS.DB_URL,
      ...credentials('DB_USER', 'DB_PASSWORD', url),
      ...(path === '' ? {} : { DB_NAME: path }),
    }),
  },
  {
    name: 'REDIS_URL',
    schemes: ['redis:', 'rediss:'],
    example: 'REDIS_URL=rediss://default:p%40ss@redis.internal:6379/0',
    parts: (url, path) =>
      /^\d{0,4}$/.test(path)
        ? {
            REDIS_ADDR: `${bracketed(hostOf(url))}:${url.port || PORT_DEFAULTS.REDIS_URL}`,
            REDIS_TLS: String(url.protocol === 'rediss:'),
            ...credentials('REDIS_USERNAME', 'REDIS_PASSWORD', url),
            ...(path === '' ? {} : { REDIS_DB: path }),
          }
        : undefined,
  },
];

const hostOf = (url: URL): string => decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1');

function credentials(userName: string, passwordName: string, { username, password }: URL): Record<string, string> {
  return {
    ...(username === '' ? {} : { [userName]: decodeURIComponent(username) }),
    ...(password === '' ? {} : { [passwordName]: decodeURIComponent(password) }),
  };
}

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
    for (const [part, value] of Object.entries(parts)) {
      const given = env[part] ?? '';
      if (given !== '' && given !== value && !(part === 'REDIS_TLS' && isSwitch(given, value))) {
        const wanted = `Unset ${part}, or make it the same`;
        problems.push(refusal(`${name} and ${part} are both set, and say different things`, wanted, example));
      }
      expanded[part] = value;
    }
    if (name === 'REDIS_URL' && (env['REDIS_SENTINELS'] ?? '') !== '') {
      problems.push(
        refusal(
          'REDIS_URL and REDIS_SENTINELS are both set',
          'Sentinels name the server themselves: unset REDIS_URL, and set REDIS_USERNAME and REDIS_PASSWORD',
          'REDIS_SENTINELS=sentinel-0:26379,sentinel-1:26379',
        ),
      );
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
  const url = URL.parse(text);
  if (url === null || !schemes.includes(url.protocol) || url.hostname === '') return undefined;
  // A password with one of these characters, if not percent-encoded, changes the meaning of the
  // URL.
  if (/[?#]/.test(text) || url.pathname.slice(1).includes('/')) return undefined;
  try {
    return parts(url, decodeURIComponent(url.pathname.slice(1)));
  } catch {
    // The text is not valid percent-encoding.
    return undefined;
  }
}
