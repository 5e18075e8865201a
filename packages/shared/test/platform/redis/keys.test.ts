import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newBatchNo, newOrderNumber } from '../../../src/order/order-number.ts';
import { Keys } from '../../../src/platform/redis/keys.ts';

const keys = new Keys('prefix:');

/** Every name that an `admit` or `settle` call for one sale can carry. */
function namesOf(sale: { id: number; shard: number }): string[] {
  return [
    ...Object.values(keys.sale(sale)),
    ...keys.seckillTokens(sale),
    keys.settledBatch(sale, newBatchNo(1)),
    keys.changedOrder(sale, newOrderNumber(sale, newBatchNo(1))),
    ...keys.userBuckets(sale.shard),
    keys.globalBucket(sale.shard),
    keys.backlog(sale.shard),
    keys.queuePrefix(sale.shard),
  ];
}

/**
 * What Redis Cluster hashes:
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */
const hashTag = (name: string): string | undefined => /\{([^}]*)\}/.exec(name)?.[1];

describe('a key', () => {
  test('has the sale’s shard as its hash tag, so that scripts run in a cluster', () => {
    fc.assert(
      fc.property(fc.nat(1_023), fc.integer({ min: 1 }), (shard, id) => {
        for (const name of namesOf({ id, shard })) expect(hashTag(name)).toBe(String(shard));
      }),
    );
  });

  test('is unique: no two sales or parts share one', () => {
    const names = [
      ...keys.userBuckets(0),
      keys.globalBucket(0),
      ...[1, 11].flatMap((id) => keys.seckillTokens({ id, shard: 0 })),
      ...[1, 11].flatMap((id) => Object.values(keys.sale({ id, shard: 0 }))),
    ];
    expect(new Set(names).size).toBe(names.length);
  });

  test('begins with the prefix and the version of the layout', () => {
    for (const name of [...namesOf({ id: 17, shard: 3 }), keys.service(3, 'relay')]) {
      expect(name).toMatch(/^prefix:v\d+:/);
    }
    expect(keys.sale({ id: 17, shard: 0 }).owners).toBe('prefix:v4:sale:{0}:17:owners');
  });
});
