/** A series in Prometheus's answer: its labels, and its values by time in seconds. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** The scraped samples of a selector in the last seconds before a time. */
export async function rawSeries(prometheus: string, selector: string, lastS: number, timeS: number): Promise<Series[]> {
  return (await ask(prometheus, `${selector}[${Math.ceil(lastS)}s]`, timeS)) as Series[];
}

/** The labels of the results of an expression at a time. */
export async function labelsAt(prometheus: string, expr: string, timeS: number): Promise<Series['metric'][]> {
  return (await ask(prometheus, expr, timeS)).map(({ metric }) => metric);
}

async function ask(prometheus: string, query: string, timeS: number): Promise<Pick<Series, 'metric'>[]> {
  const response = await fetch(`${prometheus}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query, time: String(timeS) }),
  });
  const answer = (await response.json()) as {
    status: string;
    error?: string;
    data: { result: Pick<Series, 'metric'>[] };
  };
  if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`);
  return answer.data.result;
}
