import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { Db, Tx } from '@flash-sale/shared/platform/mysql/client.ts';
import {
  readTokenSecrets,
  rotateTokenSecrets,
  sharedTokenSecrets,
  type Rotation,
} from '@flash-sale/shared/seckill-token/token-secrets-table.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';

const REFRESH_MS = 500;

type TokenConfig = Pick<Config, 'TOKEN_SECRETS' | 'TOKEN_TTL_SECONDS'>;

const lifeOf = (config: TokenConfig): number => config.TOKEN_TTL_SECONDS * 1_000;

/** Uses the secrets from the environment, or else those that all api processes share in MySQL. */
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

/**
 * Follows the rotations of the secrets in MySQL by any api process. While MySQL does not answer,
 * the last secrets are used.
 */
export class TokenSecrets {
  readonly #deps: TokenSecretsDeps;
  readonly #service: Service;
  #known = { version: 0, secrets: '' };

  constructor(deps: TokenSecretsDeps) {
    this.#deps = deps;
    const round = () => this.#refresh();
    this.#service = repeating({ name: 'token_secrets', intervalMs: REFRESH_MS, round }, deps.log);
  }

  start(): void {
    if (this.#deps.config.TOKEN_SECRETS !== undefined) return;
    this.#service.start();
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }

  /**
   * @throws Refusal `invalid_state` if the secrets come from the environment and so cannot be
   * changed here
   */
  async rotate(record: (tx: Tx, rotation: Rotation) => Promise<void>): Promise<Rotation> {
    const { config, db } = this.#deps;
    if (config.TOKEN_SECRETS !== undefined) {
      throw new Refusal('invalid_state', {
        detail:
          'The secrets come from TOKEN_SECRETS. Put the new secret first there, then restart the api processes one by one',
      });
    }
    return rotateTokenSecrets(db, lifeOf(config), record);
  }

  async #refresh(): Promise<void> {
    const { config, db, tokens } = this.#deps;
    const { secrets, version } = await readTokenSecrets(db, lifeOf(config));
    // A replica that lags, or a replaced server, must not restore the secrets from before a
    // rotation.
    if (version < this.#known.version) return;
    const known = { version, secrets: secrets.join() };
    if (known.secrets !== this.#known.secrets) tokens.use(secrets);
    this.#known = known;
  }
}
