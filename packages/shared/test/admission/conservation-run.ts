import assert from 'node:assert/strict';
import type { Sale } from '../../src/sale/sale.ts';
import type { AdmitCall, AdmitItem } from '../../src/admission/admission-commands.ts';
import { ownerEntryOf, unitsOf as unitsHeld, type Owner } from '../../src/sale/owner.ts';
import { ownersOf } from '../../src/reconciliation/rebuild.ts';
import { ordersOf, settle } from '../../testing/settling.ts';
import { liveTokenOf, NO_LIMITS, recordToken, takeLease, unitsOf, type Shop } from '../../testing/buying.ts';
import { BACKLOG_MAX, Model, TOKEN_LIFE_MS, USERS, type Step, type Wanted } from './conservation-model.ts';

/** One run: a sale in a shard of its own, its model, and what was sent before. */
export class Run {
  readonly #shop: Shop;
  readonly #historyId: string;
  readonly #sale: Sale;
  readonly #model = new Model();
  readonly #sent: { readonly call: AdmitCall; readonly items: readonly AdmitItem[] }[] = [];
  /** Every order that was ever tried, with its shopper. */
  readonly #tried: Owner[] = [];
  #lease = '';
  #lostLease = '0 nobody';
  #made = 0;

  /** @param historyId the name of the history of Redis, as `clock` returns it */
  constructor(shop: Shop, historyId: string, sale: Sale) {
    this.#shop = shop;
    this.#historyId = historyId;
    this.#sale = sale;
  }

  async begin(): Promise<void> {
    this.#lease = await takeLease(this.#shop, this.#sale);
    await this.#rebuild(3, this.#lease, false, 5);
  }

  async take(next: Step): Promise<void> {
    switch (next.do) {
      case 'issue':
        await this.#issue(next.user);
        break;
      case 'admit':
        await this.#admit(this.#newAttempt(next.buys), next.late);
        break;
      case 'resend':
        if (this.#sent.length > 0) await this.#admit(this.#sent[next.which % this.#sent.length]!, next.late);
        break;
      case 'pause':
        await this.#pause(next.version, next.paused);
        break;
      case 'settle':
        await this.#settle(
          this.#pick(next.which).filter(({ orderNo }) => this.#model.knows(orderNo)),
          next.lost,
        );
        break;
      case 'give_back':
        await this.#giveBack(this.#pick(next.which), next.lost);
        break;
      case 'rebuild':
        await this.#rebuild(next.steps, next.lost ? this.#lostLease : this.#lease, next.again, next.units);
        break;
      case 'change':
        await this.#change(next);
        break;
      case 'lose_lease':
        await this.#loseLease();
        break;
      case 'empty_redis':
        await this.#empty();
        break;
      case 'flush_scripts':
        await this.#shop.redis.call('SCRIPT', 'FLUSH');
        break;
    }
    await this.#compare();
  }

  async #issue(userId: string): Promise<void> {
    this.#made += 1;
    const token = `token-${this.#made}`;
    const recorded = this.#model.tokens.get(userId);
    const answer = await recordToken(this.#shop, this.#sale, userId, token, { lifeMs: TOKEN_LIFE_MS });
    assert.equal(answer, !this.#model.ready ? 'not_ready' : (recorded ?? token));
    if (answer === token) this.#model.tokens.set(userId, token);
  }

  #newAttempt(buys: readonly Wanted[]) {
    const items = buys.map(({ user: userId, token, quantity }) => {
      this.#made += 1;
      const orderNo = `order-${String(this.#made).padStart(6, '0')}`;
      const known = this.#model.tokens.get(userId) ?? 'none';
      return { userId, orderNo, quantity, token: token === 'live' ? known : 'wrong', requestId: 'r' };
    });
    this.#tried.push(...items.map(({ userId, orderNo, quantity }) => ({ userId, orderNo, quantity })));
    const bounds = { backlogMax: BACKLOG_MAX, shardBacklogMax: 1_000_000, limits: NO_LIMITS };
    const attempt = {
      call: { historyId: this.#historyId, deadlineMs: Date.now() + 600_000, batchNo: `batch-${this.#made}`, ...bounds },
      items,
    };
    this.#sent.push(attempt);
    return attempt;
  }

  async #admit({ call, items }: { call: AdmitCall; items: readonly AdmitItem[] }, late: boolean): Promise<void> {
    const sent = late ? { ...call, historyId: 'another process' } : call;
    assert.deepEqual(
      await this.#shop.commands.admit(this.#sale, sent, items),
      this.#model.admit(call.batchNo, items, late),
    );
  }

  async #pause(version: number, paused: boolean): Promise<void> {
    // If Redis does not keep the sale, no pause is set: the next rebuild loads that of the row.
    const isKept = (await this.#shop.redis.exists(this.#shop.keys.sale(this.#sale).state)) === 1;
    const newer = isKept && version > this.#model.paused.version;
    assert.equal(await this.#shop.commands.setPause(this.#sale, version, paused), newer);
    if (newer) this.#model.paused = { version, paused };
  }

  async #settle(orders: readonly Owner[], lost: boolean): Promise<void> {
    if (orders.length === 0) return;
    const written = await ordersOf(
      this.#shop,
      this.#sale,
      orders.map(({ orderNo }) => orderNo),
    );
    const lease = lost ? this.#lostLease : this.#lease;
    assert.equal(await settle(this.#shop, this.#sale, lease, written), !lost);
    if (!lost) this.#model.settle(orders);
  }

  async #giveBack(orders: readonly Owner[], lost: boolean): Promise<void> {
    const lease = lost ? this.#lostLease : this.#lease;
    const expected = lost ? undefined : this.#model.giveBack(orders);
    assert.equal(await this.#shop.commands.giveBack(this.#sale, lease, orders), expected);
  }

  /** The first `steps` of a rebuild: fewer than three is one that dies on the way. */
  async #rebuild(steps: number, lease: string, again: boolean, units: number): Promise<void> {
    const { commands } = this.#shop;
    const live = this.#tried.filter(({ orderNo }) => this.#model.ledger.get(orderNo) === true);
    // Live orders in the ledger never hold more units than the sale has: MySQL itself refuses such
    // a row.
    const sale = { ...this.#sale, seckillStock: Math.max(units, unitsHeld(live)) };
    const lost = lease !== this.#lease;
    assert.equal(await commands.beginRebuild(sale, lease), lost ? undefined : this.#historyId);
    if (!lost) this.#model.ready = false;
    if (steps === 1) return;
    const owners = ownersOf(sale, live, await commands.allReservations(sale), new Set(this.#model.ledger.keys()));
    if (owners.length > 0) assert.equal(await commands.addOwners(sale, lease, owners), !lost);
    if (steps === 2) return;
    const held = unitsHeld(owners);
    const built = { historyId: this.#historyId, owners: owners.length, held, available: sale.seckillStock - held };
    assert.equal(await commands.finishRebuild(sale, lease, built), !lost);
    if (!lost) this.#model.rebuilt(sale.seckillStock, owners);
    if (!lost && this.#model.paused.version < sale.pauseVersion) this.#model.paused = { version: 0, paused: false };
    if (!again || lost) return;
    // Sent again by ioredis after a lost reply, with another shopper's buy in between.
    await this.#admit(this.#newAttempt([{ user: 'a', token: 'live', quantity: 2 }]), false);
    assert.equal(await commands.finishRebuild(sale, lease, built), true);
  }

  /** Raises the units as an operator does; one that `dies` leaves the sale stopped. */
  async #change({ more, dies, lost, again }: Extract<Step, { do: 'change' }>): Promise<void> {
    const { commands } = this.#shop;
    const { ready, version, total } = this.#model;
    const lease = lost ? this.#lostLease : this.#lease;
    const stopped = await commands.beginChange(this.#sale, lease);
    const was = { historyId: this.#historyId, nowMs: stopped?.nowMs, version: ready ? version : 0 };
    assert.deepEqual(stopped, lost ? undefined : was);
    if (lost) return;
    this.#model.ready = false;
    // What was not on sale is rebuilt instead.
    if (dies || !ready) return;
    const before = { ...this.#sale, seckillStock: total, version };
    const after = { ...before, seckillStock: total + more, version: version + 1 };
    const finish = () => commands.finishChange(before, after, lease, this.#historyId);
    assert.equal(await finish(), true);
    this.#model.changed(more);
    if (!again) return;
    // Sent again by ioredis after a lost reply, with another shopper's buy in between.
    await this.#admit(this.#newAttempt([{ user: 'a', token: 'live', quantity: 2 }]), false);
    assert.equal(await finish(), true);
  }

  async #loseLease(): Promise<void> {
    this.#lostLease = this.#lease;
    await this.#shop.redis.del(this.#shop.keys.sale(this.#sale).lease);
    this.#lease = await takeLease(this.#shop, this.#sale);
  }

  async #empty(): Promise<void> {
    const { settled: _channel, ...names } = this.#shop.keys.sale(this.#sale);
    const settled = this.#sent.map(({ call }) => this.#shop.keys.settledBatch(this.#sale, call.batchNo));
    const { shard } = this.#sale;
    await this.#shop.redis.del(
      ...Object.values(names),
      this.#shop.keys.backlog(shard),
      ...this.#shop.keys.seckillTokens(this.#sale),
      ...settled,
    );
    this.#model.empty();
    this.#lostLease = this.#lease;
    this.#lease = await takeLease(this.#shop, this.#sale);
  }

  #pick(indices: readonly number[]): Owner[] {
    return this.#tried.length === 0 ? [] : indices.map((index) => this.#tried[index % this.#tried.length]!);
  }

  async #compare(): Promise<void> {
    const model = this.#model;
    const sale = this.#sale;
    const [units, reservations, tokens, backlog, indexed] = await Promise.all([
      unitsOf(this.#shop, sale),
      this.#shop.commands.allReservations(sale),
      Promise.all(USERS.map((one) => liveTokenOf(this.#shop, sale, one))),
      this.#shop.redis.get(this.#shop.keys.backlog(sale.shard)),
      this.#shop.commands.backlog(sale),
    ]);
    assert.deepEqual(units, {
      available: model.available,
      total: model.total,
      owners: Object.fromEntries([...model.owners].map(([one, owner]) => [one, ownerEntryOf(owner)])),
    });
    assert.deepEqual(
      new Map(reservations.map(({ orderNo, userId, quantity }) => [orderNo, { userId, orderNo, quantity }])),
      model.reservations,
    );
    assert.deepEqual([Number(backlog), indexed], [model.reservations.size, model.reservations.size]);
    assert.deepEqual(
      tokens.map((live) => live?.token),
      USERS.map((one) => model.tokens.get(one)),
    );
    // Promises 1 and 2, not trusting the model.
    const held = Object.values(units.owners).reduce((sum, entry) => sum + Number(entry.split(':')[1] ?? 1), 0);
    assert.ok(units.available >= 0);
    assert.equal(units.available + held, units.total);
  }
}
