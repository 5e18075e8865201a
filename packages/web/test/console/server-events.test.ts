import { expect, test } from 'vitest';
import { eventsOf } from '../../src/console/server-events.ts';

/** A body that arrives in these parts. */
function bodyOf(parts: readonly Uint8Array[], onCancel?: () => void): ReadableStream<Uint8Array> {
  const left = [...parts];
  return new ReadableStream({
    pull(controller) {
      const part = left.shift();
      if (part === undefined) controller.close();
      else controller.enqueue(part);
    },
    cancel: () => onCancel?.(),
  });
}

test('events are read whole, wherever the network cuts them', async () => {
  const text = 'retry: 1000\n\nevent: figures\ndata: {"name":"新 phone"}\n\nevent: figures\ndata: 2\n\n';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.slice(i * size, (i + 1) * size),
    );
    const found = [];
    for await (const event of eventsOf(bodyOf(parts))) found.push(event);
    expect(found).toEqual([
      { event: 'figures', data: '{"name":"新 phone"}' },
      { event: 'figures', data: '2' },
    ]);
  }
});

test('a reader that stops ends the request', async () => {
  let cancelled = false;
  const body = bodyOf([new TextEncoder().encode('data: 1\n\n'), new TextEncoder().encode('data: 2\n\n')], () => {
    cancelled = true;
  });
  for await (const _ of eventsOf(body)) break;
  expect(cancelled).toBe(true);
});
