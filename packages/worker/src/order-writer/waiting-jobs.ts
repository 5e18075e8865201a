/** A job of this process whose batch is not settled. */
export interface WaitingJob {
  readonly batchNo: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The jobs of one sale in this process that wait for their batches to be settled. */
export class WaitingJobs {
  readonly #jobs = new Set<WaitingJob>();

  get size(): number {
    return this.#jobs.size;
  }

  add(job: WaitingJob): void {
    this.#jobs.add(job);
  }

  batchNos(): Set<string> {
    return new Set([...this.#jobs].map(({ batchNo }) => batchNo));
  }

  /** Completes the jobs of settled batches. */
  complete(batchNos: ReadonlySet<string>): void {
    for (const job of this.#jobs) {
      if (batchNos.has(job.batchNo) && this.#jobs.delete(job)) job.resolve();
    }
  }

  fail(job: WaitingJob, error: unknown): void {
    if (this.#jobs.delete(job)) job.reject(error);
  }

  failBatch(batchNo: string, error: unknown): void {
    for (const job of this.#jobs) if (job.batchNo === batchNo) this.fail(job, error);
  }

  failAll(error: unknown): void {
    for (const job of this.#jobs) this.fail(job, error);
  }
}
