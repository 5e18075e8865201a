import { useEffect, useState } from 'preact/hooks';
import { isTemporary, Refused } from '../client/client.ts';

const REST_MS = 6_000;
const HIDDEN_REST_MS = 30_000;

/** What was read last, and whether the last attempt failed. */
export interface Reading<Value> {
  readonly value?: Value;
  readonly isUnreachable: boolean;
}

/** Reads again and again while the component is shown, and at once if `read` changes. */
export function useReading<Value>(read: (signal: AbortSignal) => Promise<Value>): Reading<Value> {
  const [reading, setReading] = useState<Reading<Value>>({ isUnreachable: false });
  useEffect(() => {
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const next = async (): Promise<void> => {
      try {
        setReading({ value: await read(leaving.signal), isUnreachable: false });
      } catch (error) {
        if (leaving.signal.aborted) return;
        if (!isTemporary(error) && !(error instanceof Refused)) throw error;
        setReading((before) => ({ ...before, isUnreachable: true }));
      }
      timer = setTimeout(() => void next(), (document.hidden ? HIDDEN_REST_MS : REST_MS) * (1 + Math.random() / 2));
    };
    void next();
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [read]);
  return reading;
}

interface PageJson<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

/** The first pages of a list, and the cursor of the next one; null after the last page. */
export async function firstPages<Item>(
  pages: number,
  readPage: (cursor: string | undefined) => Promise<PageJson<Item>>,
): Promise<{ readonly items: readonly Item[]; readonly next: string | null }> {
  const items: Item[] = [];
  let next: string | null | undefined;
  for (let page = 0; page < pages && next !== null; page += 1) {
    const answer = await readPage(next);
    items.push(...answer.items);
    next = answer.next_cursor;
  }
  return { items, next: next ?? null };
}
