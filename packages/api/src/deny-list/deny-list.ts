import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { listDenyEntries, readDenyListVersion } from './deny-list-table.ts';
import { DenySet } from './deny-set.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';

/**
 * How often each api process checks whether the list has changed. A change is in effect everywhere
 * within a second.
 */
const REFRESH_MS = 400;

/**
 * The deny list as this process knows it. It is stored in MySQL, so a loss of Redis does not affect
 * it. While MySQL does not answer, the last reading is used, and nobody can change the list.
 */
export class DenyList {
  readonly #db: Db;
  readonly #log: Logger;
  #denied = new DenySet();
  #version: number | undefined;
  /**
   * The difference between this process's steady clock and the ledger's, which decides when entries
   * expire.
   */
  #offsetMs = 0;
  #reading: Promise<void> | undefined;
  readonly #service: Service;

  constructor(db: Db, log: Logger) {
    this.#db = db;
    this.#log = log;
    this.#service = repeating({ name: 'deny_list', intervalMs: REFRESH_MS, round: () => this.#refresh() }, log);
  }

  deniesUser(userId: string): boolean {
    return this.#denied.hasUser(userId, this.#nowMs());
  }

  /** Its address is read from the headers only if any address is denied. */
  deniesAddressOf(caller: { readonly address: string }): boolean {
    return this.#denied.hasRanges && this.#denied.hasAddress(caller.address, this.#nowMs());
  }

  #nowMs(): number {
    return performance.now() + this.#offsetMs;
  }

  /**
   * Reads the list, then checks it at intervals. Fails if MySQL does not answer: an api process
   * without the list must not start.
   */
  async start(): Promise<void> {
    await this.#read();
    this.#service.start();
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }

  /** Applies a change that this process has committed. */
  async changed(): Promise<void> {
    // The present reading may be older than the change.
    await this.#reading;
    await this.#refresh();
  }

  /** Reads the list if it has changed. A slow MySQL is not asked again before it has answered. */
  #refresh(): Promise<void> {
    this.#reading ??= this.#read()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'could not read the deny list; using the last one'))
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  async #read(): Promise<void> {
    // Read this before the list: a change in between then causes another reading.
    const { version, nowMs } = await readDenyListVersion(this.#db);
    this.#offsetMs = nowMs - performance.now();
    if (version === this.#version) return;
    this.#denied = new DenySet(await listDenyEntries(this.#db));
    this.#version = version;
  }
}
