import { isUtf8 } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { BucketLimit } from '../limits/bucket.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import {
  isOperatorName,
  OPERATOR_NAME_HEADER,
  OPERATOR_NAME_RULE,
  type Operator,
  type OperatorRole,
} from '@flash-sale/shared/operator/operator.ts';
import { AddressLimit } from '../limits/address-limit.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * An `onRequest` hook that requires an operator with this role: an operator token as bearer
     * token, or as the password of basic auth. The name is the user of basic auth, or the
     * `Operator-Name` header. `admin` is also allowed if `viewer` is required.
     *
     * @throws Refusal `unauthenticated`, `forbidden`, `rate_limited` or `invalid_request`
     */
    requireOperator(role: OperatorRole): (request: FastifyRequest) => Promise<void>;
  }
  interface FastifyRequest {
    /** The calling operator, set by `requireOperator`. */
    operator: Operator;
  }
}

type OperatorsConfig = Pick<Config, 'ADMIN_TOKEN' | 'VIEWER_TOKEN'>;

/** The limit of wrong operator tokens per address: 10 in a row, then 10 a minute. */
const FAILURES: BucketLimit = { capacity: 10, perSecond: 10 / 60 };

/** Basic, so that a browser asks for the password. A bearer token is accepted too. */
const CHALLENGE = { 'www-authenticate': 'Basic realm="operators", charset="UTF-8"' };
const READING = new Set(['GET', 'HEAD']);

const digest = (token: string | Buffer): Buffer => createHash('sha256').update(token).digest();

/** Decides who may make operators' calls. If no operator token is configured, nobody may. */
export const operators = fp<{ readonly config: OperatorsConfig; readonly failures?: BucketLimit | undefined }>(
  (app, { config, failures: failureLimit = FAILURES }, done) => {
    const known = (['admin', 'viewer'] as const).flatMap((role) => {
      const token = role === 'admin' ? config.ADMIN_TOKEN : config.VIEWER_TOKEN;
      return token === undefined ? [] : [{ role, digest: digest(token) }];
    });
    const failures = new AddressLimit({ policy: 'operator', ...failureLimit });

    /**
     * Neither the answer nor its time may reveal how near a guess was, nor, after too many wrong
     * ones, whether it was right.
     */
    const operatorOf = ({ address, headers, log }: FastifyRequest): Operator => {
      const tooMany = failures.peek(address);
      if (tooMany !== undefined) throw new Refusal('rate_limited', tooMany);
      const given = credentialOf(headers.authorization);
      // A missing token is no guess, so it is not counted.
      if (given === undefined) {
        const detail = 'An operator token is required, as a bearer token or as the password of basic auth';
        throw new Refusal('unauthenticated', { detail, headers: CHALLENGE });
      }
      const hashed = digest(given.token);
      // Digests have the same length, and all are compared, so that the time does not depend on the
      // given token.
      const roles = known.filter((one) => timingSafeEqual(one.digest, hashed)).map(({ role }) => role);
      const [role] = roles;
      if (role === undefined) {
        failures.charge(address);
        log.warn({ ip: address }, 'wrong operator token');
        throw new Refusal('unauthenticated', { headers: CHALLENGE });
      }
      return { role, name: nameOf(headers[OPERATOR_NAME_HEADER], given.user) ?? role };
    };

    app.decorateRequest('operator');
    app.decorate('requireOperator', (role: OperatorRole) => async (request: FastifyRequest) => {
      const operator = operatorOf(request);
      if (role === 'admin' && operator.role !== 'admin') {
        throw new Refusal('forbidden', { detail: 'A viewer can only read' });
      }
      if (!READING.has(request.method) && isForeign(request)) {
        throw new Refusal('forbidden', { detail: 'The call comes from a page of another website' });
      }
      request.operator = operator;
    });
    done();
  },
  { name: 'operators' },
);

/**
 * Whether a page of another origin makes the browser send the call, with the credentials that the
 * browser keeps for ours (CSRF). Browsers report this in `Sec-Fetch-Site`, or in `Origin` if the
 * connection is not secure; other clients send neither.
 *
 * @see https://words.filippo.io/csrf/
 */
function isForeign({ headers, host }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin } = headers;
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
}

/** The given operator token and the user of basic auth, as bytes. */
function credentialOf(
  authorization: string | undefined,
): { readonly token: Buffer; readonly user?: Buffer } | undefined {
  const [, scheme, value] = /^(basic|bearer) +(\S.*)$/i.exec(authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  // Node.js reads headers as Latin-1, so this gives the bytes that were sent.
  if (scheme.toLowerCase() === 'bearer') return { token: Buffer.from(value, 'latin1') };
  const given = Buffer.from(value, 'base64');
  const colon = given.indexOf(':');
  return colon === -1 ? undefined : { token: given.subarray(colon + 1), user: given.subarray(0, colon) };
}

/**
 * The name that an operator gave, unchanged; undefined if there is none. The header has priority
 * over the user of basic auth, which cannot contain a colon and may be empty.
 *
 * @throws Refusal `invalid_request` for a name that cannot be recorded unchanged
 */
function nameOf(header: string | string[] | undefined, user: Buffer | undefined): string | undefined {
  if (header === undefined && (user === undefined || user.length === 0)) return undefined;
  const name = header === undefined ? textOf(user!) : decoded(String(header));
  if (name !== undefined && isOperatorName(name)) return name;
  const detail =
    name === undefined
      ? 'The operator name is not UTF-8 (in Operator-Name: percent-encoded UTF-8)'
      : OPERATOR_NAME_RULE;
  throw new Refusal('invalid_request', { detail });
}

function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

function decoded(header: string): string | undefined {
  if (!/^[\x20-\x7e]*$/.test(header)) return undefined;
  try {
    return decodeURIComponent(header);
  } catch {
    return undefined;
  }
}
