import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Refusal } from '@flash-sale/shared/domain/errors.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Lets operators pass: the operator token as bearer, or as the password of basic auth under any name. An `onRequest` hook. */
    requireOperator(request: FastifyRequest): Promise<void>;
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Who may make operators' calls. Without an operator token nobody may. */
export const operators = fp<{ readonly admin_token: string | undefined }>(
  (app, { admin_token }, done) => {
    const expected = admin_token === undefined ? undefined : digest(admin_token);
    app.decorate('requireOperator', (request: FastifyRequest) => {
      const given = credentialOf(request.headers.authorization);
      // Digests have one length, so the comparison takes the same time whatever was given.
      if (expected !== undefined && given !== undefined && timingSafeEqual(digest(given), expected))
        return Promise.resolve();
      return Promise.reject(new Refusal('unauthenticated'));
    });
    done();
  },
  { name: 'operators' },
);

function credentialOf(authorization: string | undefined): string | undefined {
  const [scheme, value] = (authorization ?? '').split(' ', 2);
  if (value === undefined) return undefined;
  if (scheme!.toLowerCase() === 'bearer') return value;
  if (scheme!.toLowerCase() !== 'basic') return undefined;
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(value, 'base64').toString()) ?? [];
  return password;
}
