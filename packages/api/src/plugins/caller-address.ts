import fp from 'fastify-plugin';
import type { FastifyRequest } from 'fastify';
import { canonicalAddress } from '@flash-sale/shared/platform/address.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The address of the caller in canonical form. Use it, never `ip`, which is any text that a
     * proxy wrote. If a trusted proxy names something that is no address, it is the address of that
     * proxy.
     */
    readonly address: string;
  }
}

/** The address of a caller, for limits and the deny list. */
export const callerAddress = fp(
  (app, _options, done) => {
    app.decorateRequest('address', {
      getter(this: FastifyRequest) {
        // Only the last entry can be invalid: Fastify reads past an entry only if that is a trusted
        // proxy.
        const texts = this.ips ?? [this.ip];
        return canonicalAddress(texts.at(-1) ?? '') ?? canonicalAddress(texts.at(-2) ?? '') ?? '';
      },
    });
    done();
  },
  { name: 'caller-address' },
);
