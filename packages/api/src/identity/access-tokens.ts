import { createSecretKey } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify, type CryptoKey, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { USER_ID_PATTERN } from '@flash-sale/shared/shopper/shopper.ts';
import type { KeySet } from './key-set.ts';

export type AccessTokenConfig = Pick<
  Config,
  | 'JWT_SECRET'
  | 'JWKS_URL'
  | 'JWT_ALGORITHM'
  | 'JWT_ISSUER'
  | 'JWT_AUDIENCE'
  | 'JWT_CLOCK_TOLERANCE_SECONDS'
  | 'JWT_AUDIENCE_CLAIM'
  | 'JWT_SUBJECT_CLAIM'
>;

/** The fault of an access token; a label of the metrics. */
export type TokenFault =
  | 'missing'
  | 'malformed'
  | 'algorithm'
  | 'key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'not_before'
  | 'expiry'
  | 'subject';

/** A refused access token. The message may be shown to the caller. */
export class TokenRefused extends Error {
  readonly fault: TokenFault;
  /** The value in the access token that was not accepted; for the log. */
  readonly got: unknown;

  constructor(fault: TokenFault, message: string, options: { readonly got?: unknown; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'TokenRefused';
    this.fault = fault;
    this.got = options.got;
  }
}

const VERIFIED_MAX = 50_000;
/** Limits the memory for verified tokens, which may be long. */
const VERIFIED_CHARACTERS_MAX = 32_000_000;
/** How long a verified access token is accepted without another check. */
const VERIFIED_MS = 60_000;
/**
 * Maximum number of signature checks for an access token that does not name one of several keys.
 */
const KEYS_TRIED_MAX = 8;
const USER_ID = new RegExp(USER_ID_PATTERN);

const listOf = (setting: string | undefined): string[] | undefined => setting?.split(',');

/** Verifies access tokens, and caches them, so that a shopper's next call only costs a lookup. */
export class AccessTokens {
  readonly #subjectClaim: string;
  readonly #toleranceMs: number;
  /** Checked here only if it is not the claim that jose checks. */
  readonly #audience: { readonly claim: string; readonly accepted: readonly string[] } | undefined;
  readonly #verify: (token: string) => Promise<JWTPayload>;
  readonly #verified = new LRUCache<string, string>({
    max: VERIFIED_MAX,
    maxSize: VERIFIED_CHARACTERS_MAX,
    sizeCalculation: (_subject, token) => token.length,
  });

  /** `keySet`: the keys, if there is no `JWT_SECRET`. */
  constructor(config: AccessTokenConfig, keySet: KeySet | undefined) {
    const issuer = listOf(config.JWT_ISSUER);
    const audience = listOf(config.JWT_AUDIENCE);
    const claim = config.JWT_AUDIENCE_CLAIM;
    this.#subjectClaim = config.JWT_SUBJECT_CLAIM;
    this.#toleranceMs = config.JWT_CLOCK_TOLERANCE_SECONDS * 1_000;
    this.#audience = audience === undefined || claim === 'aud' ? undefined : { claim, accepted: audience };
    const options: JWTVerifyOptions = {
      algorithms: [keySet === undefined ? 'HS256' : config.JWT_ALGORITHM],
      requiredClaims: ['exp'],
      clockTolerance: config.JWT_CLOCK_TOLERANCE_SECONDS,
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined || claim !== 'aud' ? {} : { audience }),
    };
    this.#verify = keySet === undefined ? bySecret(config.JWT_SECRET!, options) : byKeySet(keySet, options);
  }

  /** The subject of an access token that was verified a short while ago. */
  known(token: string): string | undefined {
    return this.#verified.get(token);
  }

  /**
   * The subject of an access token.
   *
   * @throws TokenRefused
   * @throws Refusal `unavailable` while the keys are not known
   */
  async subjectOf(token: string): Promise<string> {
    const payload = await this.#verify(token).catch((error: unknown) => {
      throw this.#refusalOf(error, token);
    });
    this.#checkAudience(payload);
    const subject = payload[this.#subjectClaim];
    if (typeof subject !== 'string' || !USER_ID.test(subject)) {
      throw new TokenRefused(
        'subject',
        `The subject (${this.#subjectClaim}) of the access token is not a shopper's id`,
      );
    }
    const lifeMs = Math.min(VERIFIED_MS, payload.exp! * 1_000 + this.#toleranceMs - Date.now());
    if (lifeMs > 0) this.#verified.set(token, subject, { ttl: lifeMs });
    return subject;
  }

  #checkAudience(payload: JWTPayload): void {
    if (this.#audience === undefined) return;
    const { claim, accepted } = this.#audience;
    const got = payload[claim];
    if ([got].flat().some((one) => typeof one === 'string' && accepted.includes(one))) return;
    throw new TokenRefused('audience', `The access token is not for this service (${claim})`, { got });
  }

  /** The refusal for an error of jose. Any other error is a fault of the service. */
  #refusalOf(error: unknown, token: string): unknown {
    if (!(error instanceof errors.JOSEError)) return error;
    const refused = (fault: TokenFault, message: string, got?: unknown) =>
      new TokenRefused(fault, message, { got, cause: error });
    if (error instanceof errors.JWTExpired) {
      return refused('expiry', 'The access token has expired (exp)', error.payload.exp);
    }
    if (error instanceof errors.JWTClaimValidationFailed) {
      const { claim, payload } = error;
      const got = payload[claim];
      if (claim === 'iss') return refused('issuer', 'The access token comes from another issuer (iss)', got);
      if (claim === 'aud') return refused('audience', 'The access token is not for this service (aud)', got);
      if (claim === 'nbf') return refused('not_before', 'The access token is not valid yet (nbf)', got);
      if (claim === 'exp') return refused('expiry', 'The access token has no expiry time (exp)', got);
      return refused('malformed', `The claim ${claim} of the access token is not valid`);
    }
    if (error instanceof errors.JOSEAlgNotAllowed) {
      const message = 'The access token is signed with another algorithm (alg)';
      return refused('algorithm', message, decodeProtectedHeader(token).alg);
    }
    if (error instanceof errors.JWKSNoMatchingKey) {
      return refused(
        'key',
        'The key (kid) of the access token is not in the key set',
        decodeProtectedHeader(token).kid,
      );
    }
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      return refused('signature', 'The signature of the access token is not valid');
    }
    return refused('malformed', 'The access token is not a signed JSON Web Token');
  }
}

function bySecret(text: string, options: JWTVerifyOptions): (token: string) => Promise<JWTPayload> {
  // A KeyObject is prepared once; jose would import raw bytes again for each access token.
  const secret = createSecretKey(text, 'utf8');
  return async (token) => (await jwtVerify(token, secret, options)).payload;
}

function byKeySet(keySet: KeySet, options: JWTVerifyOptions): (token: string) => Promise<JWTPayload> {
  const isUnsigned = (error: unknown): boolean => error instanceof errors.JWSSignatureVerificationFailed;

  /** Tries the matching keys in turn. */
  async function verify(token: string): Promise<JWTPayload> {
    let others: readonly CryptoKey[] = [];
    // jose calls this after it has accepted the header.
    const first = async ({ kid }: { readonly kid?: unknown }): Promise<CryptoKey> => {
      const [key, ...rest] = await keySet.keysFor(kid);
      if (key === undefined) throw new errors.JWKSNoMatchingKey();
      others = rest.slice(0, KEYS_TRIED_MAX - 1);
      return key;
    };
    try {
      return (await jwtVerify(token, first, options)).payload;
    } catch (error) {
      if (!isUnsigned(error)) throw error;
    }
    for (const key of others) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (error) {
        if (!isUnsigned(error)) throw error;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }

  return async (token) => {
    try {
      return await verify(token);
    } catch (error) {
      // An unknown `kid` has already caused another fetch of the set. Without a `kid`, a new key
      // shows only by a signature that no known key verifies.
      const mayBeNewKey = isUnsigned(error) && decodeProtectedHeader(token).kid === undefined;
      if (!mayBeNewKey || !(await keySet.refetch())) throw error;
      return verify(token);
    }
  };
}
