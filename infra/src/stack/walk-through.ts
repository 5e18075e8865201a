/**
 * A tour of the API to paste into any POSIX shell. Headings use `echo`, because an interactive zsh
 * rejects comments; fields are extracted with sed, since jq is not always installed.
 */
export function walkThrough(options: {
  url: string;
  productId: number;
  authMode: 'trusted' | 'jwt';
  /** The development login issues access tokens. Without it the user must supply one. */
  hasDevLogin: boolean;
  /** The sandbox pays by itself. Otherwise the user must. */
  isSandbox: boolean;
  /** Omitted if the user configured it: then the tour asks for it. */
  adminToken?: string | undefined;
  now: Date;
}): string {
  const { url, productId, authMode, hasDevLogin, isSandbox, adminToken, now } = options;
  const isJwt = authMode === 'jwt';
  const bearer = isJwt ? ' -H "authorization: Bearer $ACCESS_TOKEN"' : '';
  const post = (path: string, fields: string, user = 'alice') => {
    const body = [isJwt ? '' : `\\"user_id\\":\\"${user}\\"`, fields].filter((part) => part !== '').join(',');
    return `curl -sS "$API${path}"${bearer} -H 'content-type: application/json' -d "{${body}}"`;
  };
  /** Reads the order until one of the shell's cases breaks the loop. */
  const pollUntil = (query: string, times: number, cases: string) =>
    `for i in $(seq ${times}); do STATE=$(curl -sS "$API/api/v1/orders/$ORDER${query}"${bearer}); case $STATE in ${cases} esac; done`;
  const tokenOf = (user?: string) =>
    `${post('/api/v1/seckill/token', '\\"product_id\\":$PRODUCT', user)} | ${field('token')}`;
  const buy = (user?: string) =>
    post('/api/v1/seckill/buy', '\\"product_id\\":$PRODUCT,\\"token\\":\\"$TOKEN\\"', user);
  const untilWritten = pollUntil('?wait=10', 3, `*'"queued"'*) ;; *) break ;;`);
  const pay = post('/api/v1/orders/$ORDER/pay', '');
  const paying = isSandbox
    ? [
        `echo '== pay; the sandbox confirms it in a moment'`,
        `${pay}; echo`,
        `${pollUntil('', 20, `*'"paid"'*) break ;; *) sleep 1 ;;`)}; echo "$STATE"`,
      ]
    : [`echo '== pay, at the address that is answered'`, `${pay}; echo`];
  const cancelling = [
    `echo '== another shopper buys and cancels: the unit goes back on sale'`,
    `TOKEN=$(${tokenOf('bob')}); ORDER=$(${buy('bob')} | ${field('order_no')})`,
    untilWritten,
    `${post('/api/v1/orders/$ORDER/cancel', '', 'bob')}; echo`,
  ];
  const logIn = `ACCESS_TOKEN=$(curl -sS "$API/api/v1/dev/session" -H 'content-type: application/json' -d '{"user_id":"alice"}' | ${field('access_token')})`;
  const sale = JSON.stringify({
    name: 'My sale',
    price: 9.5,
    stock: 100,
    seckill_stock: 100,
    start_time: now.toISOString(),
    end_time: new Date(now.getTime() + 60 * 60 * 1000).toISOString(),
  });

  return [
    ...(isJwt && !hasDevLogin
      ? ['Shoppers need an access token of your issuer (AUTH_MODE=jwt). Put one in ACCESS_TOKEN, then paste:']
      : ['Paste this into a shell to buy something:']),
    '',
    `API=${url} PRODUCT=${productId}`,
    ...(isJwt ? [hasDevLogin ? logIn : ': "${ACCESS_TOKEN:?set it to an access token of your issuer}"'] : []),
    `echo '== the sales'; curl -sS "$API/api/v1/products?limit=5"; echo`,
    `echo '== a seckill token'`,
    `TOKEN=$(${tokenOf()}); echo "$TOKEN"`,
    `echo '== buy'`,
    `BOUGHT=$(${buy()}); echo "$BOUGHT"`,
    `ORDER=$(echo "$BOUGHT" | ${field('order_no')})`,
    `echo '== the order, once it is in the ledger'`,
    `${untilWritten}; echo "$STATE"`,
    ...paying,
    ...(isJwt ? [] : cancelling),
    `echo '== a sale of your own, as operator'`,
    adminToken === undefined ? ': "${ADMIN_TOKEN:?set it to the operator token}"' : `ADMIN_TOKEN=${adminToken}`,
    `curl -sS "$API/api/v1/admin/products" -H "authorization: Bearer $ADMIN_TOKEN" -H 'content-type: application/json' -d '${sale}'; echo`,
    '',
  ].join('\n');
}

/** Extracts one text field of a JSON object. */
const field = (name: string) => `sed -n 's/.*"${name}":"\\([^"]*\\)".*/\\1/p'`;
