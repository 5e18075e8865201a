import { pino, type Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { redaction } from './redaction.ts';

export type { Logger };

/**
 * A process's logger: JSON lines on stdout, pretty only in a developer's terminal. It hides
 * secrets.
 */
export function createLogger(config: Pick<Config, 'LOG_LEVEL'> & Partial<Config>, name: 'api' | 'worker'): Logger {
  return pino({
    name,
    level: config.LOG_LEVEL,
    formatters: { level: (label) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    ...redaction(config),
    // An image has no pino-pretty.
    ...(process.stdout.isTTY && config.NODE_ENV !== 'production'
      ? { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } }
      : {}),
  });
}
