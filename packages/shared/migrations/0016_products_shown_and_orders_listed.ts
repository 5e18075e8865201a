import { sql, type Kysely } from 'kysely';

/** What shoppers see of a product, and the orders of a sale for operators. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE products
      ADD COLUMN description VARCHAR(2000) NULL,
      ADD COLUMN image_url VARCHAR(2048) CHARACTER SET ascii COLLATE ascii_bin NULL`.execute(db);

  await sql`ALTER TABLE orders ADD KEY by_product (product_id, status, order_no)`.execute(db);
}
