import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { listDenyEntries, readDenyListVersion } from '@flash-sale/shared/deny-list/deny-list-table.ts';
import { DenySet } from '@flash-sale/shared/deny-list/deny-list.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';

/** How often each api process asks whether the list has changed: what an operator does is in effect everywhere within a second. */
const LOOK_MS = 400;

/**
 * The deny list as this process knows it. MySQL keeps it, so it outlives whatever happens to Redis; while MySQL is away the last reading serves,
 * and nobody can change it.
 */
export class DenyList {
  readonly #db: Db;
  readonly #log: Logger;
  #denied = new DenySet();
  #version: number | undefined;
  /** From this process's steady clock to the ledger's, by which entries expire. */
  #offset_ms = 0;
  #reading: Promise<void> | undefined;
  readonly #service: Service;

  constructor(db: Db, log: Logger) {
    this.#db = db;
    this.#log = log;
    this.#service = repeating({ name: 'deny_list', interval_ms: LOOK_MS, round: () => this.#look() }, log);
  }

  deniesUser(userId: string): boolean {
    return this.#denied.hasUser(userId, this.#now_ms());
  }

  deniesAddress(address: string): boolean {
    return this.#denied.hasAddress(address, this.#now_ms());
  }

  #now_ms(): number {
    return performance.now() + this.#offset_ms;
  }

  /** Reads the list, then keeps looking. Fails where MySQL is away: an api process that does not know whom to refuse does not start. */
  async start(): Promise<void> {
    await this.#read();
    this.#service.start();
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }

  /** Takes note of a change that this process has committed. */
  async changed(): Promise<void> {
    // What is being read may be from before it.
    await this.#reading;
    await this.#look();
  }

  /** Reads the list if it has changed. A slow MySQL is not asked again before it has answered. */
  #look(): Promise<void> {
    this.#reading ??= this.#read()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'could not read the deny list; using the last one'))
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  async #read(): Promise<void> {
    // Before the list: a change in between is read again.
    const { version, now_ms } = await readDenyListVersion(this.#db);
    this.#offset_ms = now_ms - performance.now();
    if (version === this.#version) return;
    this.#denied = new DenySet(await listDenyEntries(this.#db));
    this.#version = version;
  }
}
