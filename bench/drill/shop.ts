/** The service over HTTP, as its clients see it. */
export class Shop {
  readonly #url: string;
  readonly #operatorToken: string;

  constructor(url: string, operatorToken: string) {
    this.#url = url;
    this.#operatorToken = operatorToken;
  }

  async openSale(units: number): Promise<number> {
    const nowMs = Date.now();
    const { status, body } = await this.#call('POST', '/api/v1/admin/products', {
      name: 'drill',
      price: 9.99,
      stock: units,
      seckill_stock: units,
      start_time: new Date(nowMs - 1_000).toISOString(),
      end_time: new Date(nowMs + 3_600_000).toISOString(),
    });
    if (status !== 201) throw new Error(`The sale could not be opened: ${status}`);
    return Number(body['id']);
  }

  /** The status of the sale, such as `open`; undefined if there is no answer. */
  async saleStatus(sale: number): Promise<unknown> {
    try {
      return (await this.#call('GET', `/api/v1/products/${sale}`)).body['status'];
    } catch {
      return undefined;
    }
  }

  /** The order number, or undefined if everything is sold. */
  async buy(sale: number, userId: string): Promise<string | undefined> {
    const asked = await this.#call('POST', '/api/v1/seckill/token', { user_id: userId, product_id: sale });
    const { token } = asked.body;
    if (asked.status === 409) return undefined;
    const { status, body } = await this.#call('POST', '/api/v1/seckill/buy', {
      user_id: userId,
      product_id: sale,
      token,
    });
    if (status === 202) return String(body['order_no']);
    if (body['code'] === 'sold_out') return undefined;
    throw new Error(`A buy answered ${status} ${String(body['code'])}`);
  }

  /** The order after it is in the ledger; undefined if it does not exist. */
  async order(orderNo: string): Promise<{ readonly status: string } | undefined> {
    const { status, body } = await this.#call('GET', `/api/v1/orders/${orderNo}?wait=10`);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`An order answered ${status}`);
    return { status: body['status'] as string };
  }

  async pay(orderNo: string, userId: string): Promise<void> {
    const { status } = await this.#call('POST', `/api/v1/orders/${orderNo}/pay`, { user_id: userId });
    if (status !== 200) throw new Error(`A payment answered ${status}`);
  }

  async cancel(orderNo: string, userId: string): Promise<void> {
    const { status } = await this.#call('POST', `/api/v1/orders/${orderNo}/cancel`, { user_id: userId });
    if (status !== 200) throw new Error(`A cancel answered ${status}`);
  }

  async #call(
    method: 'GET' | 'POST',
    path: string,
    body?: object,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(this.#url + path, {
      method,
      headers: { authorization: `Bearer ${this.#operatorToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
}
