import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '@flash-sale/shared/config/config.ts';
import { Refusal } from '@flash-sale/shared/domain/errors.ts';
import { OPERATOR_NAME_LENGTH_MAX, type Operator, type OperatorRole } from '@flash-sale/shared/domain/operator.ts';
import { AddressLimit } from '../limits/address-limit.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * An `onRequest` hook that lets operators pass who have this role: an operator token as bearer, or as the password of basic auth under any
     * name. `admin` passes where `viewer` is asked for.
     *
     * @throws Refusal `unauthenticated`, `forbidden` or `rate_limited`
     */
    requireOperator(role: OperatorRole): (request: FastifyRequest) => Promise<void>;
  }
  interface FastifyRequest {
    /** Who makes the call, where `requireOperator` let it pass. */
    operator: Operator;
  }
}

type OperatorsConfig = Pick<
  Config,
  'ADMIN_TOKEN' | 'VIEWER_TOKEN' | 'OPERATOR_FAILURES_CAPACITY' | 'OPERATOR_FAILURES_PER_MINUTE'
>;

/** Basic, so that a browser asks; a bearer is taken as well. */
const CHALLENGE = { 'www-authenticate': 'Basic realm="operators", charset="UTF-8"' };
const READING = new Set(['GET', 'HEAD']);

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Who may make operators' calls. Without an operator token nobody may. */
export const operators = fp<{ readonly config: OperatorsConfig }>(
  (app, { config }, done) => {
    const known = (['admin', 'viewer'] as const).flatMap((role) => {
      const token = role === 'admin' ? config.ADMIN_TOKEN : config.VIEWER_TOKEN;
      return token === undefined ? [] : [{ role, digest: digest(token) }];
    });
    const failures = new AddressLimit({
      policy: 'operator',
      capacity: config.OPERATOR_FAILURES_CAPACITY,
      per_second: config.OPERATOR_FAILURES_PER_MINUTE / 60,
    });

    /** Nobody learns from an answer, or how long it takes, how near a guess was; nor whether it was right once too many were wrong. */
    const operatorOf = ({ address, headers, log }: FastifyRequest): Operator => {
      const tooMany = failures.look(address);
      if (tooMany !== undefined) throw new Refusal('rate_limited', tooMany);
      const given = credentialOf(headers.authorization);
      if (given === undefined) throw new Refusal('unauthenticated', { headers: CHALLENGE });
      const hashed = digest(given.token);
      // Digests have one length, and each is compared, so that this takes the same time whatever was given.
      const roles = known.filter((one) => timingSafeEqual(one.digest, hashed)).map(({ role }) => role);
      const [role] = roles;
      if (role === undefined) {
        failures.take(address);
        log.warn({ ip: address }, 'wrong operator token');
        throw new Refusal('unauthenticated', { headers: CHALLENGE });
      }
      return { role, name: given.name === '' ? role : given.name };
    };

    app.decorateRequest('operator');
    app.decorate('requireOperator', (role: OperatorRole) => async (request: FastifyRequest) => {
      const operator = operatorOf(request);
      if (role === 'admin' && operator.role !== 'admin') {
        throw new Refusal('forbidden', { detail: 'A viewer may read only' });
      }
      if (!READING.has(request.method) && isForeign(request)) {
        throw new Refusal('forbidden', { detail: 'The call comes from a page of another site' });
      }
      request.operator = operator;
    });
    done();
  },
  { name: 'operators' },
);

/**
 * Whether a page of another origin makes a browser send the call, with the credentials that the browser keeps for ours (CSRF). Browsers say so in
 * `Sec-Fetch-Site`, and where the connection is not secure in `Origin`; other clients send neither.
 *
 * @see https://words.filippo.io/csrf/
 */
function isForeign({ headers, host }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin } = headers;
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
}

/** The operator token that was given, and the name it was given under. */
function credentialOf(
  authorization: string | undefined,
): { readonly name: string; readonly token: string } | undefined {
  const [scheme, value] = (authorization ?? '').split(' ', 2);
  if (value === undefined) return undefined;
  if (scheme!.toLowerCase() === 'bearer') return { name: '', token: value };
  if (scheme!.toLowerCase() !== 'basic') return undefined;
  const [, user, token] = /^([^:]*):(.*)$/s.exec(Buffer.from(value, 'base64').toString()) ?? [];
  if (user === undefined || token === undefined) return undefined;
  return { name: printable(user).slice(0, OPERATOR_NAME_LENGTH_MAX), token };
}

/** A name as it can be logged and kept: visible ASCII, which no two names that look alike share. */
function printable(name: string): string {
  return name.replaceAll(/[^\x20-\x7e]/g, '?').trim();
}
