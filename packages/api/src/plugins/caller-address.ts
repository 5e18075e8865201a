import fp from 'fastify-plugin';
import type { FastifyRequest } from 'fastify';
import { canonicalAddress } from '@flash-sale/shared/platform/address.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The address that the call comes from, in its one spelling: use it, never `ip`, which is whatever text a proxy wrote. If a trusted proxy
     * names something that is no address, it is the address of that proxy.
     */
    readonly address: string;
  }
}

/** Where a call comes from, for limits and the deny list. */
export const callerAddress = fp(
  (app, _options, done) => {
    app.decorateRequest('address', {
      getter(this: FastifyRequest) {
        // Only the last can be no address: Fastify looks behind an entry only if that is a trusted proxy.
        const texts = this.ips ?? [this.ip];
        return canonicalAddress(texts.at(-1) ?? '') ?? canonicalAddress(texts.at(-2) ?? '') ?? '';
      },
    });
    done();
  },
  { name: 'caller-address' },
);
