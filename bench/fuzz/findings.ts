import type { Operation } from './document.ts';

const SUCCESSES_MIN = 50;
const SHOWN_MAX = 5;

/** The findings by kind, and the number of answers by operation and status. */
export class Findings {
  readonly #counts = new Map<string, Map<number, number>>();
  readonly #found = new Map<string, { count: number; readonly examples: string[] }>();

  constructor(operations: readonly Operation[]) {
    for (const { name } of operations) this.#counts.set(name, new Map());
  }

  get requests(): number {
    return [...this.#counts.values()].flatMap((counts) => [...counts.values()]).reduce((sum, count) => sum + count, 0);
  }

  get count(): number {
    return this.#found.size;
  }

  answered(operation: Operation, status: number): void {
    const counts = this.#counts.get(operation.name)!;
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }

  add(what: string, example = ''): void {
    const found = this.#found.get(what) ?? { count: 0, examples: [] };
    found.count += 1;
    if (example !== '' && found.examples.length < SHOWN_MAX) found.examples.push(example);
    this.#found.set(what, found);
  }

  /** Reports operations that hardly ever succeed: these are not really tested. */
  addRareSuccesses(): void {
    for (const [name, counts] of this.#counts) {
      const successes = [...counts].reduce((sum, [status, count]) => (status < 300 ? sum + count : sum), 0);
      if (successes < SUCCESSES_MIN) this.add(`${name} succeeded ${successes} times: ${SUCCESSES_MIN} are asked for`);
    }
  }

  /** Counts per operation and status. */
  table(): string {
    const statuses = [...new Set([...this.#counts.values()].flatMap((counts) => [...counts.keys()]))].toSorted(
      (a, b) => a - b,
    );
    const width = Math.max(...[...this.#counts.keys()].map((name) => name.length));
    const row = (name: string, cells: readonly (string | number)[]): string =>
      `${name.padEnd(width)} ${cells.map((cell) => String(cell).padStart(6)).join('')}`;
    const rows = [...this.#counts].map(([name, counts]) =>
      row(
        name,
        statuses.map((status) => counts.get(status) ?? ''),
      ),
    );
    return [row('', statuses), ...rows].join('\n');
  }

  text(): string {
    return [...this.#found]
      .map(([what, { count, examples }]) =>
        [`${count} × ${what}`, ...examples.map((example) => `      ${example}`)].join('\n'),
      )
      .join('\n');
  }
}
