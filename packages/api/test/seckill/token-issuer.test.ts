import { expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import { TokenIssuer } from '../../src/seckill/token-issuer.ts';
import { openTestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp();

/** An issuer with secrets and counts of its own. */
function newIssuer(secrets: [string, ...string[]] = ['the secret of the test']) {
  const tokens = new SeckillTokens(secrets);
  const issueTokens = vi.fn<typeof app.deps.commands.issueTokens>((...args) => app.deps.commands.issueTokens(...args));
  const issuer = new TokenIssuer({ ...app.deps, tokens, commands: { ...app.deps.commands, issueTokens } });
  const issue = async (sale: Sale, userId: string): Promise<string> => {
    const issuance = await issuer.issue(sale, { userId, saleId: sale.id });
    return issuance.outcome === 'issued' ? issuance.token : issuance.outcome;
  };
  return { tokens, issueTokens, issue };
}

it('issues the tokens of shoppers who come at once in few calls, each shopper’s own', async () => {
  const sale = await context.openSale();
  const { tokens, issueTokens, issue } = newIssuer();
  const users = Array.from({ length: 301 }, (_, i) => `u${i}`);
  const issued = await Promise.all(users.map((user) => issue(sale, user)));
  expect(new Set(issued).size).toBe(users.length);
  expect(users.filter((userId, i) => !tokens.verify(issued[i]!, { userId, saleId: sale.id }))).toEqual([]);
  expect(issueTokens.mock.calls.map(([, items]) => items.length)).toEqual([1, 100, 100, 100]);
});

it('knows a token that it has issued: neither a repeat nor the buy needs its MAC', async () => {
  const sale = await context.openSale();
  const { tokens, issue } = newIssuer();
  const remember = vi.spyOn(tokens, 'remember');
  const token = await issue(sale, 'u1');
  expect(remember.mock.calls).toEqual([[token, { userId: 'u1', saleId: sale.id }]]);
  expect(await issue(sale, 'u1')).toBe(token);
  // The token that was made for the repeat was not recorded, and takes no memory.
  expect(remember).toHaveBeenCalledTimes(1);
});

it('gives a shopper whose token was signed elsewhere the same one', async () => {
  const sale = await context.openSale();
  const token = await newIssuer().issue(sale, 'u1');
  expect(await newIssuer().issue(sale, 'u1')).toBe(token);
});

it('replaces a token whose secret was removed, once for all requests of its shopper', async () => {
  const sale = await context.openSale();
  const old = await newIssuer(['a removed secret']).issue(sale, 'u1');
  const { tokens, issue } = newIssuer();
  const issued = new Set(await Promise.all(['u1', 'u1', 'u1'].map((user) => issue(sale, user))));
  expect(issued.size).toBe(1);
  const [token] = issued;
  expect(token).not.toBe(old);
  expect(tokens.verify(token!, { userId: 'u1', saleId: sale.id })).toBe(true);
});
