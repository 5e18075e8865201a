import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expiryOf, SECKILL_TOKEN_PATTERN, SeckillTokens } from '../../src/seckill-token/seckill-token.ts';
import { USER_ID_PATTERN } from '../../src/shopper/shopper.ts';

const CLAIM = { userId: 'u1', saleId: 17 };
const EXPIRES_MS = 1_800_000_000_000;
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SECRET = 'the first secret of the test';
/** The process that signs, and so knows its tokens. */
const tokens = new SeckillTokens([SECRET]);
/** Another one, which must verify them. */
const elsewhere = (): SeckillTokens => new SeckillTokens([SECRET]);

const userIds = fc.stringMatching(new RegExp(USER_ID_PATTERN));
const saleIds = fc.integer({ min: 1, max: 999_999_999_999_999 });

describe('a seckill token', () => {
  test('verifies for the shopper and sale it was issued to, for any id, and shows its expiry', () => {
    const expiries = fc.integer({ min: 1_600_000_000_000, max: 4_000_000_000_000 });
    fc.assert(
      fc.property(userIds, saleIds, expiries, (userId, saleId, expiresMs) => {
        const token = tokens.sign({ userId, saleId }, expiresMs);
        expect(token).toMatch(new RegExp(SECKILL_TOKEN_PATTERN));
        const other = elsewhere();
        expect([tokens, other, other].map((each) => each.verify(token, { userId, saleId }))).toEqual([
          true,
          true,
          true,
        ]);
        expect(expiryOf(token)).toBe(expiresMs);
      }),
    );
  });

  test('still verifies after it has expired, since a retry may own an order', () => {
    expect(tokens.verify(tokens.sign(CLAIM, 1_000_000_000_000), CLAIM)).toBe(true);
  });

  test('is different each time', () => {
    const made = Array.from({ length: 10_000 }, () => tokens.sign(CLAIM, EXPIRES_MS));
    expect(new Set(made).size).toBe(made.length);
  });

  test('does not contain the shopper’s id', () => {
    expect(tokens.sign({ userId: 'alice-in-wonderland', saleId: 1 }, EXPIRES_MS)).not.toContain('alice');
  });

  test('is refused for every other shopper, hostile look-alikes included', () => {
    const token = tokens.sign(CLAIM, EXPIRES_MS);
    const other = elsewhere();
    for (const userId of ['U1', 'u1 ', ' u1', 'ú1', 'u', 'u11', '', 'u1\0', 'u1\n']) {
      expect([tokens, other].map((each) => each.verify(token, { ...CLAIM, userId }))).toEqual([false, false]);
    }
    fc.assert(
      fc.property(userIds, (userId) => {
        fc.pre(userId !== CLAIM.userId);
        expect([tokens, other].map((each) => each.verify(token, { ...CLAIM, userId }))).toEqual([false, false]);
      }),
    );
  });

  test('is refused for every other sale', () => {
    const token = tokens.sign(CLAIM, EXPIRES_MS);
    fc.assert(
      fc.property(saleIds, (saleId) => {
        fc.pre(saleId !== CLAIM.saleId);
        const verdicts = [tokens, elsewhere()].map((each) => each.verify(token, { ...CLAIM, saleId }));
        expect(verdicts).toEqual([false, false]);
      }),
    );
  });

  test('is refused after any single change of a character', () => {
    const token = tokens.sign(CLAIM, EXPIRES_MS);
    const believed: string[] = [];
    for (let place = 0; place < token.length; place += 1) {
      for (const character of `${BASE64URL}.=+/ \n`) {
        if (character === token[place]) continue;
        const changed = token.slice(0, place) + character + token.slice(place + 1);
        if (tokens.verify(changed, CLAIM)) believed.push(changed);
      }
    }
    expect(believed).toEqual([]);
  });

  test('is refused after any single flipped bit', () => {
    const bytes = Buffer.from(tokens.sign(CLAIM, EXPIRES_MS));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(tokens.verify(flipped.toString('latin1'), CLAIM)).toBe(false);
    }
  });

  test('is refused if it is cut, extended, or combined from two', () => {
    const token = tokens.sign(CLAIM, EXPIRES_MS);
    for (let length = 0; length < token.length; length += 1) {
      expect(tokens.verify(token.slice(0, length), CLAIM)).toBe(false);
    }
    for (const suffix of ['A', '=', '\n', '.', ' ', '\0']) expect(tokens.verify(token + suffix, CLAIM)).toBe(false);
    const other = tokens.sign(CLAIM, EXPIRES_MS + 60_000);
    const end = token.lastIndexOf('.');
    expect(tokens.verify(token.slice(0, end) + other.slice(other.lastIndexOf('.')), CLAIM)).toBe(false);
  });

  test('is refused if only the unused bits of the last base64 character differ', () => {
    const token = tokens.sign(CLAIM, EXPIRES_MS);
    const macOf = (text: string): Buffer => Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url');
    const last = BASE64URL.indexOf(token.at(-1)!);
    for (const spare of [1, 2, 3]) {
      const twin = token.slice(0, -1) + BASE64URL[last ^ spare]!;
      expect(macOf(twin)).toEqual(macOf(token));
      expect(tokens.verify(twin, CLAIM)).toBe(false);
    }
  });

  test('is refused if it has another signer', () => {
    const stranger = new SeckillTokens(['a secret that is not ours at all']);
    const forged = stranger.sign(CLAIM, EXPIRES_MS);
    expect(tokens.verify(forged, CLAIM)).toBe(false);
    // The id of our key is public; a forger can name it, but not sign under it.
    const ourKid = tokens.sign(CLAIM, EXPIRES_MS).split('.', 1)[0]!;
    expect(tokens.verify(ourKid + forged.slice(8), CLAIM)).toBe(false);
  });

  test('that was issued here is verified without its MAC, and still for its shopper and sale only', () => {
    const here = elsewhere();
    const token = here.sign(CLAIM, EXPIRES_MS);
    // The text with another MAC shows whether a MAC is computed.
    const unsigned = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
    expect(here.verify(unsigned, CLAIM)).toBe(false);
    here.remember(unsigned, CLAIM);
    expect(here.verify(unsigned, CLAIM)).toBe(true);
    expect(here.verify(unsigned, { ...CLAIM, userId: 'u2' })).toBe(false);
    expect(here.verify(unsigned, { ...CLAIM, saleId: 18 })).toBe(false);
  });

  test('is not remembered if its secret was removed before it was recorded', () => {
    const here = elsewhere();
    const token = here.sign(CLAIM, EXPIRES_MS);
    here.use(['another secret of the test']);
    here.remember(token, CLAIM);
    expect(here.verify(token, CLAIM)).toBe(false);
  });

  test('survives a rotation of secrets, and ends with the secret that signed it', () => {
    const before = new SeckillTokens(['the old secret']);
    const during = new SeckillTokens(['the new secret', 'the old secret']);
    const after = new SeckillTokens(['the new secret']);
    const old = before.sign(CLAIM, EXPIRES_MS);
    const fresh = during.sign(CLAIM, EXPIRES_MS);
    expect([during.verify(old, CLAIM), during.verify(fresh, CLAIM)]).toEqual([true, true]);
    expect([before.verify(fresh, CLAIM), after.verify(old, CLAIM), after.verify(fresh, CLAIM)]).toEqual([
      false,
      false,
      true,
    ]);
    // A process that has verified the old one does not believe it from memory.
    during.use(['the new secret']);
    expect([during.verify(old, CLAIM), during.verify(fresh, CLAIM)]).toEqual([false, true]);
  });

  test('is refused without an error if it is no token at all', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(tokens.verify(text, CLAIM)).toBe(false);
      }),
    );
    expect(tokens.verify('x'.repeat(1_000_000), CLAIM)).toBe(false);
  });
});
