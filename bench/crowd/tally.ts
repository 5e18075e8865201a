import { Refused, type ErrorCode, type Order, type ShopperClient } from '@flash-sale/web/client';

/** What one shopper has got. */
export interface Visit {
  readonly userId: string;
  /** Every order number that answered a buy of this shopper. */
  readonly orderNos: readonly string[];
  /** The order as the shopper saw it last. */
  readonly order: Order | undefined;
  /** The status of the order, else why there is none. */
  readonly ending: Order['status'] | ErrorCode | 'gave_up';
}

export type Step = 'token' | 'buy' | 'order';

/** What the crowd has seen so far. */
export class Tally {
  readonly latenciesMs: Readonly<Record<Step, number[]>> = { token: [], buy: [], order: [] };
  /** Answers that refused a call, by code; also those after which the call was repeated. */
  readonly refusals = new Map<string, number>();
  /** Calls without an answer. */
  unanswered = 0;
  arrived = 0;
  ordered = 0;
  readonly visits: Visit[] = [];

  add(step: Step, ms: number): void {
    this.latenciesMs[step].push(ms);
  }

  /** How many shoppers have left with this ending. */
  count(isCounted: (visit: Visit) => boolean): number {
    return this.visits.filter(isCounted).length;
  }

  /** The client, with its calls for tokens and its buys noted here. */
  noting(client: ShopperClient, onAccepted: (orderNo: string) => void): ShopperClient {
    return {
      ...client,
      token: (...given) => this.#note('token', () => client.token(...given)),
      buy: async (...given) => {
        const accepted = await this.#note('buy', () => client.buy(...given));
        onAccepted(accepted.order_no);
        return accepted;
      },
    };
  }

  async #note<Answer>(step: Step, call: () => Promise<Answer>): Promise<Answer> {
    const sentMs = performance.now();
    try {
      const answer = await call();
      this.add(step, performance.now() - sentMs);
      return answer;
    } catch (error) {
      if (error instanceof Refused) {
        this.add(step, performance.now() - sentMs);
        this.refusals.set(error.code, (this.refusals.get(error.code) ?? 0) + 1);
      } else {
        this.unanswered += 1;
      }
      throw error;
    }
  }
}
