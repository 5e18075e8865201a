import { expect, test } from 'vitest';
import { ServerClock } from '../../src/client/server-clock.ts';

const SERVER_MS = Date.UTC(2026, 10, 29, 20, 0, 0);

/**
 * A device and a service whose clocks differ by `offsetMs`, and calls between them that take their
 * time.
 */
function world(offsetMs: number) {
  let localMs = 5_000;
  const clock = new ServerClock(() => localMs);
  const server = () => localMs + SERVER_MS + offsetMs;
  return {
    clock,
    server,
    pass: (ms: number) => (localMs += ms),
    call: (thereMs: number, backMs: number) => {
      const sentMs = clock.local();
      localMs += thereMs;
      const date = new Date(Math.floor(server() / 1_000) * 1_000).toUTCString();
      localMs += backMs;
      clock.learn(date, sentMs);
    },
  };
}

test.each([0, 7_200_000, -7_200_000, 333])(
  'knows the time of a service that is %i ms apart, within half a second after one answer',
  (offsetMs) => {
    const { clock, server, call } = world(offsetMs);
    expect(clock.isKnown).toBe(false);
    call(20, 20);
    expect(Math.abs(clock.now() - server())).toBeLessThanOrEqual(520);
  },
);

test('knows it more exactly with each answer, although answers tell whole seconds', () => {
  const { clock, server, call, pass } = world(7_200_123);
  for (let calls = 0; calls < 12; calls += 1) {
    call(15, 25);
    pass(1_283);
  }
  expect(Math.abs(clock.now() - server())).toBeLessThanOrEqual(120);
});

test('a slow answer does not spoil what is known', () => {
  const { clock, server, call, pass } = world(-55_000);
  for (let calls = 0; calls < 12; calls += 1) {
    call(10, 10);
    pass(1_283);
  }
  const before = Math.abs(clock.now() - server());
  call(4_000, 1);
  call(1, 4_000);
  expect(Math.abs(clock.now() - server())).toBeLessThanOrEqual(before + 1);
});

test('learns again if the local time has stood still, as it does while a device sleeps', () => {
  let localMs = 0;
  const clock = new ServerClock(() => localMs);
  clock.learn(new Date(SERVER_MS).toUTCString(), 0);
  localMs += 10;
  clock.learn(new Date(SERVER_MS + 3_600_000).toUTCString(), localMs);
  expect(Math.abs(clock.now() - (SERVER_MS + 3_600_500))).toBeLessThanOrEqual(500);
});

test('an answer without a date, or with a wrong one, teaches nothing', () => {
  const clock = new ServerClock(() => 0);
  clock.learn(null, 0);
  clock.learn('yesterday', 0);
  expect(clock.isKnown).toBe(false);
});
