import { callerOfAddress, isLoopback } from '@flash-sale/shared/platform/address.ts';
import type { RefusalOptions } from '@flash-sale/shared/platform/errors.ts';
import { CallerLimit, type CallerLimitOptions } from './caller-limit.ts';

export interface AddressLimitOptions extends CallerLimitOptions {
  /** Programs on this machine, such as a load test, have no limit. */
  readonly exemptsLoopback?: boolean;
}

/** A limit per calling address: all addresses of one caller have one bucket. */
export class AddressLimit {
  readonly #limit: CallerLimit;
  readonly #exemptsLoopback: boolean;

  constructor({ exemptsLoopback = false, ...options }: AddressLimitOptions) {
    this.#limit = new CallerLimit(options);
    this.#exemptsLoopback = exemptsLoopback;
  }

  take(address: string): RefusalOptions | undefined {
    return this.#isExempt(address) ? undefined : this.#limit.take(callerOfAddress(address));
  }

  peek(address: string): RefusalOptions | undefined {
    return this.#isExempt(address) ? undefined : this.#limit.peek(callerOfAddress(address));
  }

  charge(address: string): void {
    if (!this.#isExempt(address)) this.#limit.charge(callerOfAddress(address));
  }

  giveBack(address: string): void {
    if (!this.#isExempt(address)) this.#limit.giveBack(callerOfAddress(address));
  }

  #isExempt(address: string): boolean {
    return this.#exemptsLoopback && isLoopback(address);
  }
}
