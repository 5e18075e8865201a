import { Counter, Gauge, type Registry } from 'prom-client';

/**
 * Metrics of waiting rooms: of the api processes, and of the worker process that leads the gate.
 */
export function roomMetrics({ api, worker: registers }: { readonly api: Registry[]; readonly worker: Registry[] }) {
  return {
    roomJoins: new Counter({
      name: 'seckill_room_joins_total',
      help: 'Joins of waiting rooms that reached Redis, by outcome: `joined`, or the code of the error.',
      labelNames: ['outcome'],
      registers: api,
    }),
    roomWaiters: new Gauge({
      name: 'seckill_room_waiters',
      help: 'Long polls of waiting rooms that wait now.',
      registers: api,
    }),
    roomWaiting: new Gauge({
      name: 'seckill_room_waiting',
      help: 'People in the waiting room who are not called yet, by sale.',
      labelNames: ['sale'],
      registers,
    }),
    roomInside: new Gauge({
      name: 'seckill_room_inside',
      help: 'People who are called, have not bought, and whose pass has not ended, by sale.',
      labelNames: ['sale'],
      registers,
    }),
    roomSelling: new Gauge({
      name: 'seckill_room_selling',
      help: '1 if the sale of the room runs, is in Redis and is not paused; else 0. By sale.',
      labelNames: ['sale'],
      registers,
    }),
    roomLookedAt: new Gauge({
      name: 'seckill_room_looked_at_seconds',
      help: 'When the gate last looked at the room, in seconds since 1970, by sale.',
      labelNames: ['sale'],
      registers,
    }),
    roomCalled: new Counter({
      name: 'seckill_room_called_total',
      help: 'People called from waiting rooms, by sale.',
      labelNames: ['sale'],
      registers,
    }),
  };
}
