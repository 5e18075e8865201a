/** A series in Prometheus's answer: its labels, and its values by time in seconds. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** The scraped samples of a selector in the last seconds before a time. */
export async function rawSeries(
  prometheus: string,
  selector: string,
  last_s: number,
  time_s: number,
): Promise<Series[]> {
  return (await ask(prometheus, `${selector}[${Math.ceil(last_s)}s]`, time_s)) as Series[];
}

/** The labels of the results of an expression at a time. */
export async function labelsAt(prometheus: string, expr: string, time_s: number): Promise<Series['metric'][]> {
  return (await ask(prometheus, expr, time_s)).map(({ metric }) => metric);
}

async function ask(prometheus: string, query: string, time_s: number): Promise<Pick<Series, 'metric'>[]> {
  const response = await fetch(`${prometheus}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query, time: String(time_s) }),
  });
  const answer = (await response.json()) as {
    status: string;
    error?: string;
    data: { result: Pick<Series, 'metric'>[] };
  };
  if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`);
  return answer.data.result;
}
