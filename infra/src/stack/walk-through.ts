/**
 * A tour of the API to paste into any POSIX shell as it stands. Headings are `echo` and not comments,
 * which zsh refuses when typed; fields are cut out with sed, since jq is not everywhere.
 */
export function walkThrough(options: {
  url: string;
  productId: number;
  authMode: 'trusted' | 'jwt';
  /** Left out where the reader gave it: what is not ours to show is asked for. */
  adminToken?: string | undefined;
  now: Date;
}): string {
  const { url, productId, authMode, adminToken, now } = options;
  const isJwt = authMode === 'jwt';
  const user = isJwt ? '' : '\\"user_id\\":\\"alice\\",';
  const bearer = isJwt ? ' -H "authorization: Bearer $ACCESS_TOKEN"' : '';
  const post = (path: string, body: string) =>
    `curl -sS "$API${path}"${bearer} -H 'content-type: application/json' -d "{${user}${body}}"`;
  const sale = JSON.stringify({
    name: 'My sale',
    price: 9.5,
    stock: 100,
    seckill_stock: 100,
    start_time: now.toISOString(),
    end_time: new Date(now.getTime() + 60 * 60 * 1000).toISOString(),
  });

  return [
    ...(isJwt
      ? ['Shoppers need an access token of your issuer (AUTH_MODE=jwt). Put one in ACCESS_TOKEN, then paste:']
      : ['Paste this into a shell to buy something:']),
    '',
    `API=${url} PRODUCT=${productId}`,
    ...(isJwt ? [': "${ACCESS_TOKEN:?put an access token of your issuer in it}"'] : []),
    `echo '== the sales'; curl -sS "$API/api/v1/products?limit=5"; echo`,
    `echo '== a seckill token'`,
    `TOKEN=$(${post('/api/v1/seckill/token', '\\"product_id\\":$PRODUCT')} | ${field('token')}); echo "$TOKEN"`,
    `echo '== buy'`,
    `BOUGHT=$(${post('/api/v1/seckill/buy', '\\"product_id\\":$PRODUCT,\\"token\\":\\"$TOKEN\\"')}); echo "$BOUGHT"`,
    `ORDER=$(echo "$BOUGHT" | ${field('order_no')})`,
    `echo '== the order, once it is in the ledger'`,
    `for i in 1 2 3; do STATE=$(curl -sS "$API/api/v1/orders/$ORDER?wait=10"${bearer}); case $STATE in *'"queued"'*) ;; *) break ;; esac; done; echo "$STATE"`,
    `echo '== a sale of your own, as operator'`,
    adminToken === undefined ? ': "${ADMIN_TOKEN:?put the operator token in it}"' : `ADMIN_TOKEN=${adminToken}`,
    `curl -sS "$API/api/v1/admin/products" -H "authorization: Bearer $ADMIN_TOKEN" -H 'content-type: application/json' -d '${sale}'; echo`,
    '',
  ].join('\n');
}

/** Reads one text field of a JSON object. */
const field = (name: string) => `sed -n 's/.*"${name}":"\\([^"]*\\)".*/\\1/p'`;
