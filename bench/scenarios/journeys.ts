import { audit } from './audit.ts';
import { spent } from './costs.ts';
import type { Scenario } from './scenario.ts';
import { journey, type Target } from './shopping.ts';
import type { Stage } from '../stage/stage.ts';

/** The service on the stage, as the scenarios know it that can also test a remote service. */
export function targetOf(stage: Stage): Target {
  return {
    url: stage.api,
    operatorToken: stage.operatorToken,
    audit: (sale, accepted) => audit(stage, sale, accepted),
    spent: () => spent(stage),
  };
}

/** What counts most: whole journeys of shoppers, while everything runs. */
export const journeys: Scenario = {
  name: 'journey',
  async run({ stage, size }) {
    await stage.worker.start();
    try {
      return await journey(targetOf(stage), size);
    } finally {
      await stage.worker.stop();
    }
  },
};
