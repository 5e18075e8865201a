import { setTimeout as delay } from 'node:timers/promises';
import { createLocalJWKSet, type CryptoKey, type JWK } from 'jose';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';

/** The key set is fetched again at this age, so that a withdrawn key is no longer used. */
const REFRESH_MS = 600_000;
/**
 * At most one fetch starts in this time, whatever the reason and the last result: neither forged
 * key ids nor a failing provider may cause more requests.
 */
const COOL_DOWN_MS = 5_000;
/** The limit for the whole answer. */
const TIMEOUT_MS = 2_000;
/** Providers with certificates and many keys use less than a tenth of this. */
const BYTES_MAX = 1_048_576;
const KEYS_MAX = 200;
/** jose refuses shorter keys. */
const RSA_BITS_MIN = 2_048;

export interface KeySetDeps {
  readonly url: string;
  /** Only keys of this algorithm are used. */
  readonly algorithm: string;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'keySetAgeSeconds' | 'keySetFetches'>;
}

interface UsableKey {
  readonly kid: unknown;
  readonly key: CryptoKey;
}

/**
 * The public keys of the identity provider. An answer without a usable key counts as a failure: the
 * last good set stays in use. Without a set nobody can be identified, which is not the caller's
 * fault.
 */
export class KeySet {
  readonly #deps: KeySetDeps;
  readonly #coolDownMs: number;
  readonly #refreshMs: number;
  readonly #timeoutMs: number;
  readonly #ended = new AbortController();
  #keys: readonly UsableKey[] = [];
  /** When the set was last fetched; before the first fetch, when the wait for it began. */
  #fetchedAtMs = performance.now();
  #triedAtMs = -Infinity;
  #lastFailed = false;
  #fetching: Promise<boolean> | undefined;

  constructor(deps: KeySetDeps, { coolDownMs = COOL_DOWN_MS, refreshMs = REFRESH_MS, timeoutMs = TIMEOUT_MS } = {}) {
    this.#deps = deps;
    this.#coolDownMs = coolDownMs;
    this.#refreshMs = refreshMs;
    this.#timeoutMs = timeoutMs;
    deps.metrics.keySetAgeSeconds.ask({}, () => this.#ageMs / 1_000);
    for (const outcome of ['ok', 'failed']) deps.metrics.keySetFetches.inc({ outcome }, 0);
  }

  /** Keeps the set fresh from now on, whether or not there are calls. */
  start(): void {
    void this.#keepFresh();
  }

  stop(): void {
    this.#ended.abort();
  }

  /**
   * The keys that may have signed an access token with this `kid`; all keys if there is no `kid`;
   * none if the provider has no such key.
   *
   * @throws Refusal `unavailable` if that is not known because the set cannot be fetched
   */
  async keysFor(kid: unknown): Promise<readonly CryptoKey[]> {
    const known = this.#matching(kid);
    if (known.length > 0) return known;
    await this.refetch();
    const found = this.#matching(kid);
    if (found.length === 0 && (this.#keys.length === 0 || this.#lastFailed)) {
      const retryAfterS = Math.max(1, Math.ceil((this.#triedAtMs + this.#coolDownMs - performance.now()) / 1_000));
      throw new Refusal('unavailable', { retryAfterS });
    }
    return found;
  }

  /**
   * Fetches the set, unless a fetch started within the cool-down. Waits for a fetch in progress.
   *
   * @returns whether the set has been read again
   */
  refetch(): Promise<boolean> {
    if (this.#fetching === undefined && performance.now() - this.#triedAtMs >= this.#coolDownMs) {
      this.#triedAtMs = performance.now();
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
    }
    return this.#fetching ?? Promise.resolve(false);
  }

  get #ageMs(): number {
    return performance.now() - this.#fetchedAtMs;
  }

  #matching(kid: unknown): readonly CryptoKey[] {
    const keys = kid === undefined ? this.#keys : this.#keys.filter((one) => one.kid === kid);
    return keys.map(({ key }) => key);
  }

  async #keepFresh(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.refetch();
      const waitMs = this.#lastFailed ? this.#coolDownMs : Math.max(this.#coolDownMs, this.#refreshMs - this.#ageMs);
      await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #fetch(): Promise<boolean> {
    const { url, algorithm, log, metrics } = this.#deps;
    const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(this.#timeoutMs)]);
    try {
      const keys = await usableKeys(await fetchJson(url, signal), algorithm);
      if (keys.length === 0) throw new Error(`The key set has no key that can be used with ${algorithm}`);
      this.#keys = keys;
      this.#fetchedAtMs = performance.now();
      this.#lastFailed = false;
      metrics.keySetFetches.inc({ outcome: 'ok' });
      return true;
    } catch (error) {
      if (this.#ended.signal.aborted) return false;
      this.#lastFailed = true;
      metrics.keySetFetches.inc({ outcome: 'failed' });
      const ageS = Math.round(this.#ageMs / 1_000);
      const goesOn = this.#keys.length === 0 ? 'no key set is loaded yet' : 'using the last one';
      log.warn({ err: error, age_s: ageS }, `could not fetch the key set; ${goesOn}`);
      return false;
    }
  }
}

async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, {
    // Accept keys only from the configured URL.
    redirect: 'manual',
    headers: { accept: 'application/json, application/jwk-set+json' },
    signal,
  });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`The key set URL answered with status ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body) {
    bytes += part.length;
    if (bytes > BYTES_MAX) throw new Error(`The key set is larger than ${BYTES_MAX} bytes`);
    parts.push(part);
  }
  return JSON.parse(new TextDecoder().decode(Buffer.concat(parts)));
}

/**
 * The keys of a set that verify this algorithm. The set may contain others, such as encryption
 * keys.
 */
async function usableKeys(set: unknown, algorithm: string): Promise<UsableKey[]> {
  const { keys } = (set ?? {}) as { readonly keys?: unknown };
  if (!Array.isArray(keys)) return [];
  const imported = await Promise.all(keys.slice(0, KEYS_MAX).map((jwk) => importKey(jwk as JWK, algorithm)));
  return imported.filter((one) => one !== undefined);
}

async function importKey(jwk: JWK, algorithm: string): Promise<UsableKey | undefined> {
  try {
    // A set with this key only: jose decides whether it fits by its type, curve, use, operations
    // and algorithm.
    const key = await createLocalJWKSet({ keys: [jwk] })({ alg: algorithm });
    const { modulusLength = RSA_BITS_MIN } = key.algorithm as { readonly modulusLength?: number };
    return modulusLength < RSA_BITS_MIN ? undefined : { kid: jwk.kid, key };
  } catch {
    return undefined;
  }
}
