import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { HmacSha256 } from '../../src/platform/hmac-sha256.ts';

const keys = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const texts = fc.string({ unit: 'binary', maxLength: 600 });

test('is what createHmac computes, for keys and texts of any length, one after another', () => {
  fc.assert(
    fc.property(keys, fc.array(texts, { minLength: 1, maxLength: 5 }), (key, all) => {
      const macs = new HmacSha256(key);
      for (const text of all) {
        for (const encoding of ['base64url', 'hex', 'binary'] as const) {
          expect(macs.of(text, encoding)).toBe(createHmac('sha256', key).update(text).digest(encoding));
        }
      }
    }),
  );
});

test.each([0, 1, 63, 64, 65, 200])('a key of %i bytes is used as RFC 2104 says', (length) => {
  const key = Buffer.alloc(length, 0xa5);
  for (const text of ['', 'a', 'é'.repeat(341), 'é'.repeat(342), '\u{1F600}'.repeat(600)]) {
    expect(new HmacSha256(key).of(text, 'hex')).toBe(createHmac('sha256', key).update(text).digest('hex'));
  }
});
