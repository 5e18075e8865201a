import { ADMISSION_SCRIPTS, createAdmissionCommands } from './admission/admission-commands.ts';
import { createOutboxCommands, OUTBOX_SCRIPTS } from './admission/outbox-commands.ts';
import { createOrderCommands, ORDER_SCRIPTS } from './order/order-commands.ts';
import { CLOCK_SCRIPTS, createClockCommand } from './platform/redis/clock-command.ts';
import { createLeadCommands, LEAD_SCRIPTS } from './platform/redis/lead-commands.ts';
import { createProcessCommands, PROCESS_SCRIPTS } from './platform/process/process-commands.ts';
import { defineScripts, inTime, type ScriptMetrics } from './platform/redis/script-loader.ts';
import type { RedisClient } from './platform/redis/client.ts';
import type { Keys } from './platform/redis/keys.ts';
import { createSaleCommands, SALE_SCRIPTS } from './sale/sale-commands.ts';
import { createSeckillTokenCommands, SECKILL_TOKEN_SCRIPTS } from './seckill-token/seckill-token-commands.ts';
import { createWaitingRoomCommands, WAITING_ROOM_SCRIPTS } from './waiting-room/waiting-room-commands.ts';

const SCRIPTS = [
  ...CLOCK_SCRIPTS,
  ...LEAD_SCRIPTS,
  ...PROCESS_SCRIPTS,
  ...SALE_SCRIPTS,
  ...SECKILL_TOKEN_SCRIPTS,
  ...ADMISSION_SCRIPTS,
  ...OUTBOX_SCRIPTS,
  ...ORDER_SCRIPTS,
  ...WAITING_ROOM_SCRIPTS,
];

/**
 * Every atomic change and every consistent read in Redis, as typed functions: one per Lua script,
 * and reads by one command. All reject with ioredis's errors while Redis is not reachable. Calls
 * under a lease take the lease's text (`fencing_token holder`) and change nothing if another
 * process holds the lease.
 */
export type Commands = ReturnType<typeof createCommands>;

export function createCommands(redis: RedisClient, keys: Keys, metrics?: ScriptMetrics) {
  const run = defineScripts(redis, SCRIPTS, metrics);
  const clockCommand = createClockCommand(run, (shard) => keys.globalBucket(shard));
  const calls = { redis, run, runInTime: inTime(run, (shard) => clockCommand.clock(shard)) };
  return {
    ...clockCommand,
    ...createLeadCommands(calls, (shard, service) => keys.service(shard, service)),
    ...createProcessCommands(calls, keys.processes()),
    ...createSaleCommands(calls, keys),
    ...createSeckillTokenCommands(calls, keys),
    ...createAdmissionCommands(calls, keys),
    ...createOutboxCommands(calls, keys),
    ...createOrderCommands(calls, keys),
    ...createWaitingRoomCommands(calls, keys),
  };
}
