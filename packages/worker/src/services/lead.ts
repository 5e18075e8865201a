import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { resignLead, takeLead, type LedgerService } from './service-leads-table.ts';
import { repeating, type Rounds, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';

/** How long a lead lasts without renewal. A frozen or dead leader blocks the others for so long. */
const LEAD_LIFE_MS = 3_000;
const ASK_MS = 1_000;
/**
 * How long a process does not ask for the lead after a failed round. The others ask once per
 * `ASK_MS`.
 */
const STAND_BACK_MS = 1_500;

/** Stores which process leads a service. It is on the server that the service needs anyway. */
export interface LeadKeeper<Name extends string = string> {
  /** Takes or keeps the lead for `lifeMs` from now on. Returns whether the process leads. */
  readonly take: (service: Name, processName: string, lifeMs: number) => Promise<boolean>;
  readonly resign: (service: Name, processName: string) => Promise<void>;
}

/** The leads of a shard's services, in that shard's Redis. */
export function leadsInRedis(commands: Commands, shard: number): LeadKeeper {
  return {
    take: (service, processName, lifeMs) => commands.lead(shard, service, processName, lifeMs),
    resign: (service, processName) => commands.resign(shard, service, processName),
  };
}

/**
 * The leads of services for the whole ledger, in MySQL: orders expire and money is refunded even
 * without Redis.
 */
export function leadsInLedger(db: Db): LeadKeeper<LedgerService> {
  return {
    take: (service, processName, lifeMs) => takeLead(db, service, processName, lifeMs),
    resign: (service, processName) => resignLead(db, service, processName),
  };
}

export interface LeadDeps<Name extends string> {
  readonly leads: LeadKeeper<Name>;
  readonly processName: string;
  readonly log: Logger;
  readonly metrics?: Pick<Metrics, 'roundsFailed'>;
}

/** The state of one service's lead in this process. */
class Lead<Name extends string> {
  readonly #service: Name;
  readonly #deps: LeadDeps<Name>;
  #untilMs = -Infinity;
  #standsBackUntilMs = -Infinity;
  #lost = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(service: Name, deps: LeadDeps<Name>) {
    this.#service = service;
    this.#deps = deps;
  }

  /** By a clock that also advances while the process is frozen. */
  get isHeld(): boolean {
    return performance.now() < this.#untilMs;
  }

  /** Aborted when the lead is lost or was not renewed in time. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Takes or renews the lead. */
  async ask(): Promise<boolean> {
    const askedMs = performance.now();
    if (askedMs < this.#standsBackUntilMs) return false;
    const { leads, processName } = this.#deps;
    const isMine = await leads.take(this.#service, processName, LEAD_LIFE_MS);
    // The lead was given up while this answer was on its way.
    if (askedMs < this.#standsBackUntilMs) return false;
    if (!isMine) this.#lose();
    else this.#holdUntil(askedMs + LEAD_LIFE_MS);
    return this.isHeld;
  }

  /** Gives up the lead. */
  async resign(standBackMs = 0): Promise<void> {
    if (!this.isHeld) return;
    this.#standsBackUntilMs = performance.now() + standBackMs;
    this.#lose();
    await this.#deps.leads.resign(this.#service, this.#deps.processName).catch(() => undefined);
  }

  #holdUntil(untilMs: number): void {
    if (this.#lost.signal.aborted) this.#lost = new AbortController();
    this.#untilMs = untilMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(), Math.max(0, untilMs - performance.now())).unref();
  }

  #lose(): void {
    clearTimeout(this.#timer);
    this.#untilMs = -Infinity;
    this.#lost.abort();
  }
}

/**
 * A repeating service that one process runs at a time: the leader, whose lead is renewed during a
 * round and during a pause. If the lead is lost, the round's signal is aborted. A process whose
 * round fails gives up the lead, since the cause may be its own.
 *
 * Two processes may run a round at once: a frozen process continues before it notices the loss. So
 * every change of a round is protected by a fencing token, a condition in the statement or an id
 * that is used once. Two rounds at once cost work but do no harm.
 */
export function underLead<Name extends string>(rounds: Rounds<Name>, deps: LeadDeps<Name>): Service {
  const { log, metrics } = deps;
  const { name, rest, isNeeded } = rounds;
  const lead = new Lead(name, deps);

  const service = repeating(
    {
      ...rounds,
      async round(stopping) {
        if (isNeeded !== undefined && !(await isNeeded())) {
          await lead.resign();
          rest?.();
          return ASK_MS;
        }
        if (!lead.isHeld && !(await lead.ask())) {
          rest?.();
          return ASK_MS;
        }
        try {
          return await rounds.round(AbortSignal.any([stopping, lead.lost]));
        } catch (error) {
          await lead.resign(STAND_BACK_MS);
          throw error;
        }
      },
    },
    log,
    metrics,
  );
  const renewal = repeating(
    {
      name: `lead of ${name}`,
      intervalMs: ASK_MS,
      async round() {
        // If the server does not answer, the lead lasts for the rest of its life.
        if (lead.isHeld) await lead.ask().catch(() => undefined);
      },
    },
    log,
  );
  return {
    start() {
      service.start();
      renewal.start();
    },
    async stop() {
      await service.stop();
      await renewal.stop();
      await lead.resign();
    },
  };
}
