import { expect, onTestFinished, test, vi } from 'vitest';
import { WaitingAge } from '../../src/services/waiting-age.ts';

test('is the age by the server’s clock, and 0 if nothing waits', () => {
  const age = new WaitingAge();
  expect([undefined, 0, 5_000].map((ageMs) => age.ofMs(ageMs))).toEqual([0, 0, 5_000]);
});

test('of a time from the future counts from when it was first seen, until the time is past or nothing waits', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const age = new WaitingAge();
  expect(age.ofMs(-60_000)).toBe(0);
  vi.advanceTimersByTime(40_000);
  expect(age.ofMs(-20_000)).toBe(40_000);
  expect(age.ofMs(1_000)).toBe(1_000);
  expect(age.ofMs(-60_000)).toBe(0);
  vi.advanceTimersByTime(10_000);
  expect([age.ofMs(undefined), age.ofMs(-50_000)]).toEqual([0, 0]);
});
