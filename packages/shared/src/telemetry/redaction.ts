import { pino, type LoggerOptions } from 'pino';
import { SECRET_SETTINGS, type Config } from '../config/config.ts';
import { SECKILL_TOKEN_PATTERN } from '../domain/seckill-token.ts';

const HIDDEN = '[hidden]';
/** A shorter one is no secret, and hiding it would make lines unreadable. */
const SECRET_CHARS_MIN = 4;
const CAUSES_MAX = 5;

/** Fields that hold a secret wherever they are logged, down to the second level. */
const FIELDS = ['token', 'access_token', 'authorization', 'password', 'secret', 'cookie', 'signature'];

/** Seckill tokens, JSON Web Tokens, credentials in a header, and a password in a URL. */
const SHAPES = [
  SECKILL_TOKEN_PATTERN.slice(1, -1),
  String.raw`eyJ[\w-]+\.[\w-]*\.[\w-]*`,
  String.raw`(?<=\b(?:Bearer|Basic) )[\w.~+/=-]+`,
  String.raw`(?<=:\/\/[^\s:@/"]*:)[^\s@/"]+(?=@)`,
];

/**
 * Keeps secrets out of the log, three times over: fields of known names are hidden; of an error only what tells what went wrong is
 * written, since Redis and MySQL clients hang the whole command, with passwords and seckill tokens, on theirs; and in the finished line
 * the value of every secret setting is hidden, whatever brought it there.
 */
export function redaction(config: Partial<Config>): Pick<LoggerOptions, 'redact' | 'serializers' | 'hooks'> {
  const values = SECRET_SETTINGS.flatMap((name) => secretsOf(config[name]))
    .filter((value) => value.length >= SECRET_CHARS_MIN)
    .map((value) => escaped(JSON.stringify(value).slice(1, -1)));
  const secret = new RegExp([...values, ...SHAPES].join('|'), 'g');
  return {
    redact: { paths: FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: HIDDEN },
    serializers: { err: errorOf, error: errorOf },
    hooks: { streamWrite: (line) => line.replace(secret, HIDDEN) },
  };
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);

/** A setting may list several, separated by commas. */
function secretsOf(value: unknown): string[] {
  return typeof value === 'string' ? [value, ...value.split(',')] : [];
}

interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
  readonly cause?: unknown;
}

function errorOf(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return pino.stdSerializers.err(error as Error);
  const { code } = error as { code?: unknown };
  const logged: LoggedError = { type: error.name, message: error.message, stack: error.stack };
  return {
    ...logged,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(error.cause === undefined || depth === CAUSES_MAX ? {} : { cause: errorOf(error.cause, depth + 1) }),
  };
}
