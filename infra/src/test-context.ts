/** How tests reach the servers of their run, by the environment variables of the same names. */
export interface TestServers {
  DB_HOST: string;
  DB_PORT: string;
  DB_USER: string;
  DB_PASSWORD: string;
  REDIS_ADDR: string;
  REDIS_PASSWORD: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    servers: TestServers;
  }
}
