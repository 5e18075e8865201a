import { onTestFinished } from 'vitest';
import type { Service } from '@flash-sale/shared/platform/process/service.ts';

export function untilFinished(service: Service): Service {
  onTestFinished(() => service.stop());
  return service;
}

/** Rounds that are counted, and that last until the test lets them end. */
export function heldRounds() {
  const rounds = { begun: 0, ended: 0, release: (): void => undefined };
  const held = new Promise<void>((resolve) => {
    rounds.release = resolve;
  });
  const round = async (): Promise<void> => {
    rounds.begun += 1;
    await held;
    rounds.ended += 1;
  };
  return { rounds, round };
}
