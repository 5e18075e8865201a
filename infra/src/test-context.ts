import type { Schema } from '@flash-sale/shared/testing/schema.ts';

/** How tests reach the servers of their run, by the environment variables of the same names. */
export interface TestServers {
  DB_HOST: string;
  DB_PORT: string;
  DB_USER: string;
  DB_PASSWORD: string;
  REDIS_ADDR: string;
  REDIS_PASSWORD: string;
}

/**
 * For the environment of a process that a test starts: what one process of the run has compiled,
 * the next one need not compile again.
 */
export const COMPILE_CACHE = { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] };

declare module 'vitest' {
  export interface ProvidedContext {
    servers: TestServers;
    schema: Schema;
  }
}
