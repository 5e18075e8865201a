import type { Pool, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import type { Sale } from './sale.ts';

/** Rows per statement, as many as the order writer has. */
const ROWS = 500;
const COLUMNS = 'order_no, product_id, user_id, status, price_cents, version, created_at, updated_at, expires_at';

/**
 * The maximum for `drain`: the same rows into a table like `orders`, with a statement and a commit
 * for each 500. Returns rows per second.
 */
export async function insertRaw(sql: Pool, sale: Sale): Promise<number> {
  const [found] = await sql.query<RowDataPacket[]>(`SELECT ${COLUMNS} FROM orders WHERE product_id = ?`, [sale.id]);
  const rows = found.map((row) => Object.values(row));
  await sql.query('DROP TABLE IF EXISTS bench_orders');
  await sql.query('CREATE TABLE bench_orders LIKE orders');
  const connection = await sql.getConnection();
  try {
    const begunMs = performance.now();
    for (let from = 0; from < rows.length; from += ROWS) {
      await connection.query<ResultSetHeader>(`INSERT INTO bench_orders (${COLUMNS}) VALUES ?`, [
        rows.slice(from, from + ROWS),
      ]);
    }
    return (rows.length * 1_000) / (performance.now() - begunMs);
  } finally {
    connection.release();
    await sql.query('DROP TABLE bench_orders');
  }
}
