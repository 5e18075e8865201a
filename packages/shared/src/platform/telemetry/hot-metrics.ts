import {
  Counter,
  Gauge,
  type MetricObjectWithValues,
  type MetricValueWithName,
  type RegistryContentType,
} from 'prom-client';
import type { Registry } from 'prom-client';

interface Description<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  readonly registers: readonly Registry<RegistryContentType>[];
}

/**
 * A counter with two labels for the path of every request. For each count prom-client builds an
 * object and a text of the labels, which takes ten times as long. Here a count is two lookups;
 * prom-client gets the sums when the metrics are scraped.
 */
export class Tally<First extends string, Second extends string> {
  readonly #counter: Counter<First | Second>;
  readonly #names: readonly [First, Second];
  readonly #fromZero: readonly string[];
  readonly #counts = new Map<string, Map<string, { uncollected: number }>>();

  /**
   * @param options.fromZero second labels that exist at 0 as soon as a first label does, so that
   * their first count is an increase
   */
  constructor(
    options: Omit<Description<First | Second>, 'labelNames'> & {
      readonly labelNames: [First, Second];
      readonly fromZero?: readonly string[];
    },
  ) {
    this.#names = options.labelNames;
    this.#fromZero = options.fromZero ?? [];
    const { fromZero: _, ...rest } = options;
    this.#counter = new Counter({ ...rest, registers: [...options.registers], collect: () => this.#collect() });
  }

  add(first: string, second: string): void {
    let bySecond = this.#counts.get(first);
    if (bySecond === undefined) {
      bySecond = new Map(this.#fromZero.map((known) => [known, { uncollected: 0 }]));
      this.#counts.set(first, bySecond);
    }
    const count = bySecond.get(second);
    if (count === undefined) bySecond.set(second, { uncollected: 1 });
    else count.uncollected += 1;
  }

  get(): ReturnType<Counter<First | Second>['get']> {
    return this.#counter.get();
  }

  #collect(): void {
    const [firstName, secondName] = this.#names;
    for (const [first, bySecond] of this.#counts) {
      for (const [second, count] of bySecond) {
        this.#counter.inc(
          { [firstName]: first, [secondName]: second } as Record<First | Second, string>,
          count.uncollected,
        );
        count.uncollected = 0;
      }
    }
  }
}

interface Times {
  readonly counts: number[];
  sumS: number;
}

/** A histogram of seconds with one label, for the same path and the same reason. */
export class HotTimes<Label extends string> {
  readonly name: string;
  readonly labelNames: readonly Label[];
  readonly #help: string;
  readonly #upperS: readonly number[];
  readonly #times = new Map<string, Times>();

  constructor(options: Description<Label> & { readonly labelNames: [Label]; readonly buckets: readonly number[] }) {
    this.name = options.name;
    this.labelNames = options.labelNames;
    this.#help = options.help;
    this.#upperS = options.buckets;
    // The registry only uses the name, the labels and `get` of a metric.
    for (const registry of options.registers) registry.registerMetric(this as unknown as Counter);
  }

  observe(label: string, seconds: number): void {
    let times = this.#times.get(label);
    if (times === undefined) {
      times = { counts: this.#upperS.map(() => 0).concat(0), sumS: 0 };
      this.#times.set(label, times);
    }
    let bucket = 0;
    while (bucket < this.#upperS.length && seconds > this.#upperS[bucket]!) bucket += 1;
    times.counts[bucket]! += 1;
    times.sumS += seconds;
  }

  get(): Promise<Omit<MetricObjectWithValues<MetricValueWithName<string>>, 'collect'>> {
    const [name] = this.labelNames;
    const values = [...this.#times].flatMap(([label, { counts, sumS }]) => {
      const labels = { [name!]: label };
      let count = 0;
      const buckets = counts.map((more, i) => ({
        metricName: `${this.name}_bucket`,
        labels: { ...labels, le: this.#upperS[i] ?? '+Inf' },
        value: (count += more),
      }));
      return [
        ...buckets,
        { metricName: `${this.name}_sum`, labels, value: sumS },
        { metricName: `${this.name}_count`, labels, value: count },
      ];
    });
    const type = 'histogram' as never;
    return Promise.resolve({ name: this.name, help: this.#help, type, aggregator: 'sum', values });
  }
}

/**
 * A gauge that is read when the metrics are scraped, for a value that changes too often to be set
 * at each change.
 */
export class Polled<Label extends string = never> {
  readonly #gauge: Gauge<Label>;
  readonly #reads: { readonly labels: Record<Label, string>; readonly read: () => number }[] = [];

  constructor(options: Omit<Description<Label>, 'labelNames'> & { readonly labelNames?: Label[] }) {
    const reads = this.#reads;
    this.#gauge = new Gauge<Label>({
      ...options,
      registers: [...options.registers],
      collect() {
        for (const { labels, read } of reads) this.set(labels, read());
      },
    });
  }

  get(): ReturnType<Gauge<Label>['get']> {
    return this.#gauge.get();
  }

  /** Makes `read` the source for these labels. */
  ask(labels: Record<Label, string>, read: () => number): void {
    this.#reads.push({ labels, read });
  }
}
