import type { onRequestHookHandler, onSendHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { AddressLimit, type AddressLimitOptions } from '../limits/address-limit.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** An `onRequest` hook for calls that need no proof of identity, to limit them by address. */
    limitAddress: onRequestHookHandler;
    /**
     * Hooks for calls that name a sale or an order: those that find none are limited by address.
     */
    limitMisses: { readonly onRequest: onRequestHookHandler; readonly onSend: onSendHookHandler };
  }
}

const NOT_FOUND = 404;

type LimitConfig = Pick<Config, 'NODE_ENV' | 'RATE_LIMIT_IP_CAPACITY' | 'RATE_LIMIT_IP_PER_SECOND'>;

/** The limit per address, from the settings. */
export function addressLimitOf(config: LimitConfig): AddressLimitOptions {
  return {
    policy: 'address',
    capacity: config.RATE_LIMIT_IP_CAPACITY,
    perSecond: config.RATE_LIMIT_IP_PER_SECOND,
    exemptsLoopback: config.NODE_ENV !== 'production',
  };
}

/** The limit per address of calls that prove nothing, or too little, about their caller. */
export const addressLimit = fp<{ readonly config: LimitConfig }>(
  (app, { config }, done) => {
    const limit = new AddressLimit(addressLimitOf(config));
    app.decorate('limitAddress', (request, reply, next) => {
      const refusal = limit.take(request.address);
      if (refusal === undefined) next();
      else reply.refuse('rate_limited', refusal);
    });
    // A poll of an existing order or place takes nothing from the bucket. A caller who guesses
    // numbers causes a read of the ledger for each of them.
    const misses = new AddressLimit(addressLimitOf(config));
    app.decorate('limitMisses', {
      onRequest: (request, reply, next) => {
        const refusal = misses.peek(request.address);
        if (refusal === undefined) next();
        else reply.refuse('rate_limited', refusal);
      },
      // Not `onResponse`, which does not run if the caller has hung up.
      onSend: (request, reply, payload, next) => {
        if (reply.statusCode === NOT_FOUND) misses.charge(request.address);
        next(null, payload);
      },
    });
    done();
  },
  { name: 'address-limit' },
);
