import { port, host, pair, choice } from '../setting-kinds.ts';

/** Settings of every process: its environment, logs, traces, ops ports and end. */
export const processSettings = {
  NODE_ENV: choice(['development', 'test', 'production'], {
    description: 'Set `production` in production: unsafe settings are then refused instead of warned about',
    default: 'development',
  }),
  LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    description: 'Lowest level that is logged. Set `debug` to follow a fault, `warn` to log less',
    default: 'info',
  }),
  OPS_HOST: host(
    'Address that the ops ports listen on. Set `0.0.0.0` in a container, so that probes and Prometheus reach them',
    '127.0.0.1',
  ),
  API_OPS_PORT: port(
    'Ops port of an api process (`/healthz /readyz /metrics`); 0: any free one. Set it for each api process of a machine',
    9100,
  ),
  WORKER_OPS_PORT: port(
    'Ops port of a worker process; 0: any free one. Set it for each worker process of a machine',
    9200,
  ),
  SHUTDOWN_MS: pair(
    '`drain/grace`: how long an api process goes on after SIGTERM, and then the time to finish open requests and batches, ms. Raise the first if your load balancer takes longer to stop sending requests; keep the sum below the time after which your platform kills',
    { default: '500/7000', first: [0, 60_000], second: [100, 600_000] },
  ),
};
