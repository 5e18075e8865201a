import type { Options } from './options.ts';
import type { ResultsJson } from './report/results.ts';
import { Broken, type Figures, type RunContext } from './scenarios/scenario.ts';
import { SCENARIOS } from './scenarios/table.ts';
import { sellAndWriteUsual } from './scenarios/usual.ts';
import { warmUp } from './scenarios/warm-up.ts';
import { machineCpu, othersCores } from './stage/cpu.ts';
import { USUAL_CONCURRENCIES, type Stage } from './stage/stage.ts';

/** The middle one of the tried values. A quick run tries none. */
const USUAL_CONCURRENCY_DEFAULT = 32;
const TUNING_ORDERS = 1_500;

export type Measured = Pick<ResultsJson, 'usual' | 'repetitions' | 'broken'>;

/**
 * A run in progress. Its results can be read at any time, so that an interrupted run keeps them.
 */
export class Run {
  readonly #options: Options;
  readonly #stage: Stage;
  readonly #progress: (line: string) => void;
  readonly #repetitions: Figures[] = [];
  readonly #broken: { scenario: string; finding: string }[] = [];
  readonly #tried: Record<string, number> = {};
  #concurrency = USUAL_CONCURRENCY_DEFAULT;

  constructor(options: Options, stage: Stage, progress: (line: string) => void) {
    this.#options = options;
    this.#stage = stage;
    this.#progress = progress;
  }

  get measured(): Measured {
    return {
      usual: { concurrency: this.#concurrency, tried: this.#tried },
      repetitions: this.#repetitions.filter((figures) => Object.keys(figures).length > 0),
      broken: this.#broken,
    };
  }

  /** Repeats all scenarios in turn while there is time. */
  async measure(untilMs: number): Promise<void> {
    await this.#step('warm-up', async () => warmUp(this.#context({})));
    if (this.#options.mode === 'full') await this.#tuneUsual();
    let longestMs = 0;
    for (let r = 0; r < this.#options.repetitionsMax; r += 1) {
      const begunMs = performance.now();
      if (r > 0 && begunMs + longestMs > untilMs) return;
      const figures: Figures = {};
      const runs = new Map<string, number>();
      const before = machineCpu();
      this.#repetitions.push(figures);
      for (const scenario of SCENARIOS) {
        await this.#step(`repetition ${r + 1}: ${scenario.name}`, async () => {
          try {
            const measured = await scenario.run(this.#context(figures));
            const earlier = runs.get(scenario.name) ?? 0;
            runs.set(scenario.name, earlier + 1);
            addRun(figures, measured, earlier);
          } catch (error) {
            if (!(error instanceof Broken)) throw error;
            this.#broken.push({ scenario: scenario.name, finding: error.message });
            this.#progress(`  not reported: ${error.message}`);
          }
        });
      }
      const after = machineCpu();
      if (before && after) figures['others.cores'] = othersCores(before, after);
      longestMs = Math.max(longestMs, performance.now() - begunMs);
    }
  }

  #context(figures: Figures): RunContext {
    return { stage: this.#stage, size: this.#options.size, figures, usualConcurrency: this.#concurrency };
  }

  /** `usual` is compared at its best: with the setting at which its worker writes most. */
  async #tuneUsual(): Promise<void> {
    for (const concurrency of USUAL_CONCURRENCIES) {
      await this.#step(`usual with ${concurrency} jobs at once`, async () => {
        this.#tried[concurrency] = await sellAndWriteUsual(this.#stage, TUNING_ORDERS, concurrency);
      });
    }
    const [best] = Object.entries(this.#tried).toSorted(([, a], [, b]) => b - a);
    this.#concurrency = Number(best?.[0] ?? USUAL_CONCURRENCY_DEFAULT);
  }

  async #step(what: string, act: () => Promise<void>): Promise<void> {
    const begunMs = performance.now();
    await act();
    this.#progress(`${what}: ${((performance.now() - begunMs) / 1_000).toFixed(1)} s`);
  }
}

/**
 * Adds the figures of a scenario, as the mean of this run and the `earlier` ones of the repetition.
 */
export function addRun(figures: Figures, measured: Figures, earlier: number): void {
  for (const [name, value] of Object.entries(measured)) {
    figures[name] = ((figures[name] ?? 0) * earlier + value) / (earlier + 1);
  }
}
