import type { AppDeps } from '../deps.ts';
import { Doorkeeper } from './doorkeeper.ts';
import { Joins } from './joins.ts';
import { RoomReader } from './room-reader.ts';
import { RoomWaiters } from './room-waiters.ts';

/** What serves the waiting rooms in this process. */
export function openWaitingRooms(deps: AppDeps) {
  const rooms = new RoomReader(deps);
  return {
    rooms,
    joins: new Joins(deps),
    doorkeeper: new Doorkeeper({ ...deps, rooms }),
    roomWaiters: new RoomWaiters({ ...deps, rooms, waitersMax: deps.bounds?.roomWaitersMax }),
  };
}
