import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type {
  LedgerMove,
  LedgerOrder,
  LedgerPayment,
  LedgerReading,
  LedgerSample,
  StockReturn,
} from './checker/record.ts';
import { DB_NAME } from './cluster.ts';

const QUERY_MS_MAX = 3_000;

/**
 * Selects a time column as milliseconds since the epoch; null stays null. The run's sessions and
 * the service's times are in UTC.
 */
const epochMs = (column: string, name = column): string =>
  `CAST(ROUND(UNIX_TIMESTAMP(${column}) * 1000) AS CHAR) AS ${name}`;

export interface LedgerAddress {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/**
 * Reads MySQL directly, not through the proxy, with SQL of its own. Rejects while MySQL is down,
 * and connects again at the next call.
 */
export class LedgerReader {
  readonly #address: LedgerAddress;
  #connecting: Promise<Connection> | undefined;

  constructor(address: LedgerAddress) {
    this.#address = address;
  }

  /** The state of a sale, read in one statement. */
  async sample(sale: number): Promise<LedgerSample> {
    const [row] = await this.#query(
      `SELECT p.sold, p.fence,
              (SELECT COALESCE(SUM(o.quantity), 0) FROM ${DB_NAME}.orders o
                WHERE o.product_id = p.id AND o.status IN ('pending_payment', 'paid')) AS live
         FROM ${DB_NAME}.products p WHERE p.id = ?`,
      [sale],
    );
    return {
      at_ms: Date.now(),
      sale,
      live: Number(row!['live']),
      sold: Number(row!['sold']),
      fence: Number(row!['fence']),
    };
  }

  async final(sale: number): Promise<LedgerReading> {
    const orders = await this.#query(
      `SELECT order_no, HEX(user_id) AS user_hex, status, price_cents, quantity,
              ${epochMs('created_at', 'created_at_ms')}
         FROM ${DB_NAME}.orders WHERE product_id = ? ORDER BY order_no`,
      [sale],
    );
    const returns = await this.#query(
      `SELECT order_no, ${epochMs('created_at')}, ${epochMs('applied_at')}
         FROM ${DB_NAME}.stock_returns WHERE product_id = ? ORDER BY order_no`,
      [sale],
    );
    const moves = await this.#query(
      `SELECT h.order_no, h.from_status, h.to_status, ${epochMs('h.created_at', 'at_ms')}
         FROM ${DB_NAME}.order_history h JOIN ${DB_NAME}.orders o ON o.order_no = h.order_no
        WHERE o.product_id = ? ORDER BY h.created_at, h.to_status`,
      [sale],
    );
    const payments = await this.payments(sale);
    const { sold } = await this.sample(sale);
    return {
      sold,
      orders: orders.map((row): LedgerOrder => ({
        order_no: String(row['order_no']),
        // Read as bytes, so that no collation makes two shoppers equal.
        user_id: Buffer.from(String(row['user_hex']), 'hex').toString('utf8'),
        status: String(row['status']),
        price_cents: Number(row['price_cents']),
        quantity: Number(row['quantity']),
        created_at_ms: Number(row['created_at_ms']),
      })),
      returns: returns.map((row): StockReturn => ({
        order_no: String(row['order_no']),
        created_ms: Number(row['created_at']),
        applied_ms: row['applied_at'] === null ? null : Number(row['applied_at']),
      })),
      moves: moves.map((row): LedgerMove => ({
        order_no: String(row['order_no']),
        from: String(row['from_status']),
        to: String(row['to_status']),
        at_ms: Number(row['at_ms']),
      })),
      payments,
    };
  }

  /** The payments of a sale's orders. */
  async payments(sale: number): Promise<LedgerPayment[]> {
    const rows = await this.#query(
      `SELECT p.payment_id, p.order_no, p.status, p.amount_cents
         FROM ${DB_NAME}.orders o JOIN ${DB_NAME}.payments p ON p.order_no = o.order_no
        WHERE o.product_id = ? ORDER BY p.payment_id`,
      [sale],
    );
    return rows.map((row): LedgerPayment => ({
      payment_id: String(row['payment_id']),
      order_no: String(row['order_no']),
      status: String(row['status']),
      amount_cents: Number(row['amount_cents']),
    }));
  }

  /** Whether orders of a sale can still be paid or will expire, or units must be given back. */
  async isMoving(sale: number): Promise<boolean> {
    const [row] = await this.#query(
      `SELECT (SELECT COUNT(*) FROM ${DB_NAME}.orders WHERE product_id = ? AND status = 'pending_payment')
            + (SELECT COUNT(*) FROM ${DB_NAME}.stock_returns WHERE product_id = ? AND applied_at IS NULL) AS found`,
      [sale, sale],
    );
    return Number(row!['found']) > 0;
  }

  /** The number of unpaid orders whose deadline was more than `lateMs` ago. */
  async overdue(sale: number, lateMs: number): Promise<number> {
    const [row] = await this.#query(
      `SELECT COUNT(*) AS found FROM ${DB_NAME}.orders WHERE product_id = ? AND status = 'pending_payment'
          AND expires_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND`,
      [sale, lateMs / 1_000],
    );
    return Number(row!['found']);
  }

  /** The number of orders whose units must be or were given back. */
  async returns(sale: number): Promise<number> {
    const [row] = await this.#query(`SELECT COUNT(*) AS found FROM ${DB_NAME}.stock_returns WHERE product_id = ?`, [
      sale,
    ]);
    return Number(row!['found']);
  }

  /**
   * Ends every connection of the service, like an operator's script. Returns how many there were.
   */
  async killServiceConnections(): Promise<number> {
    // The run's own connections name no database.
    const rows = await this.#query('SELECT id FROM information_schema.processlist WHERE db = ?', [DB_NAME]);
    for (const row of rows) await this.#query('KILL CONNECTION ?', [Number(row['id'])]).catch(() => undefined);
    return rows.length;
  }

  /**
   * Makes MySQL reject the orders of shoppers whose ids begin with `prefix`; `failed` rows are
   * accepted.
   */
  async refuseOrdersOf(prefix: string): Promise<void> {
    await this.allowAllOrders();
    await this.#query(
      `CREATE TRIGGER ${DB_NAME}.chaos_refuses BEFORE INSERT ON ${DB_NAME}.orders FOR EACH ROW
       BEGIN
         IF NEW.status <> 'failed' AND LEFT(NEW.user_id, ${prefix.length}) = '${prefix}' THEN
           SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by the chaos run';
         END IF;
       END`,
    );
  }

  async allowAllOrders(): Promise<void> {
    await this.#query(`DROP TRIGGER IF EXISTS ${DB_NAME}.chaos_refuses`);
  }

  /** Raises the version of the product, so that the sale is loaded again. */
  async touchProduct(sale: number): Promise<void> {
    await this.#query(`UPDATE ${DB_NAME}.products SET version = version + 1 WHERE id = ?`, [sale]);
  }

  async close(): Promise<void> {
    (await this.#connecting?.catch(() => undefined))?.destroy();
  }

  async #query(sql: string, values: readonly unknown[] = []): Promise<RowDataPacket[]> {
    this.#connecting ??= this.#connect();
    const connecting = this.#connecting;
    try {
      const connection = await connecting;
      const [rows] = await connection.query<RowDataPacket[]>({ sql, values: [...values], timeout: QUERY_MS_MAX });
      return rows;
    } catch (error) {
      if (this.#connecting === connecting) this.#connecting = undefined;
      void connecting.then((connection) => connection.destroy()).catch(() => undefined);
      throw error;
    }
  }

  async #connect(): Promise<Connection> {
    const connection = await createConnection({ host: '127.0.0.1', ...this.#address, connectTimeout: 1_000 });
    connection.on('error', () => undefined);
    return connection;
  }
}
