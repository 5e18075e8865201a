import type { Config } from '@flash-sale/shared/config/config.ts';
import type { Db, Tx } from '@flash-sale/shared/db/client.ts';
import { rotateTokenSecrets, sharedTokenSecrets, type Rotation } from '@flash-sale/shared/db/token-secrets.ts';
import { Refusal } from '@flash-sale/shared/domain/errors.ts';
import { SeckillTokens } from '@flash-sale/shared/domain/seckill-token.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';

const LOOK_MS = 500;

type TokenConfig = Pick<Config, 'TOKEN_SECRETS' | 'TOKEN_TTL_SECONDS'>;

const lifeOf = (config: TokenConfig): number => config.TOKEN_TTL_SECONDS * 1_000;

/** Signs and verifies by the secrets of the environment, else by those that all api processes share in MySQL. */
export async function openSeckillTokens(config: TokenConfig, db: Db): Promise<SeckillTokens> {
  const given = config.TOKEN_SECRETS?.split(',') as [string, ...string[]] | undefined;
  return new SeckillTokens(given ?? (await sharedTokenSecrets(db, lifeOf(config))));
}

export interface TokenSecretsDeps {
  readonly config: TokenConfig;
  readonly db: Db;
  readonly tokens: SeckillTokens;
  readonly log: Logger;
}

/** Follows the rotations of the secrets in MySQL, whichever api process did them. While MySQL is away the last ones serve. */
export class TokenSecrets {
  readonly #deps: TokenSecretsDeps;
  #known = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: TokenSecretsDeps) {
    this.#deps = deps;
  }

  start(): void {
    if (this.#deps.config.TOKEN_SECRETS !== undefined) return;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @throws Refusal `invalid_state` where the secrets are the environment's, and so not ours to change */
  async rotate(record: (tx: Tx, rotation: Rotation) => Promise<void>): Promise<Rotation> {
    const { config, db } = this.#deps;
    if (config.TOKEN_SECRETS !== undefined) {
      throw new Refusal('invalid_state', {
        detail:
          'TOKEN_SECRETS is set: put the new secret before the old one there, and start every api process again one by one',
      });
    }
    return rotateTokenSecrets(db, lifeOf(config), record);
  }

  async #look(): Promise<void> {
    const { config, db, tokens, log } = this.#deps;
    try {
      const secrets = await sharedTokenSecrets(db, lifeOf(config));
      const known = secrets.join();
      if (known === this.#known) return;
      tokens.use(secrets);
      this.#known = known;
    } catch (error) {
      log.warn({ err: error }, 'secrets of seckill tokens could not be read; going on with those known');
    }
  }
}
