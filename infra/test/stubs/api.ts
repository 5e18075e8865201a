/**
 * Stands in for the api: an ops port and the few calls that the start command and its walk-through
 * make.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { endWhenAsked, trace } from './trace.ts';

const opsPort = Number(process.env['API_OPS_PORT']);
/** What became of orders since they were written. */
const moved = new Map<string, string>();
const products: { id: number; status: string; name: string }[] = [];

async function answer(request: IncomingMessage): Promise<[status: number, body: object]> {
  const body = JSON.parse((await text(request)) || '{}') as Record<string, unknown>;
  const url = new URL(request.url ?? '', 'http://localhost');
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /api/v1/products':
      return [200, { items: products, next_cursor: null }];
    case 'POST /api/v1/admin/products':
      if (request.headers.authorization !== `Bearer ${process.env['ADMIN_TOKEN']}`) {
        return [401, { code: 'unauthenticated' }];
      }
      products.push({
        ...body,
        id: products.length + 1,
        status: 'open',
        name: String(body['name']),
      });
      return [201, products.at(-1) ?? {}];
    case 'POST /api/v1/seckill/token':
      return [200, { token: `token-of-${String(body['user_id'])}`, expires_at: 'later' }];
    case 'POST /api/v1/seckill/buy':
      return [202, { order_no: `order-with-${String(body['token'])}`, status: 'queued' }];
    default: {
      const [orderNo = '', call] = url.pathname.split('/').slice(4);
      if (call === 'pay') moved.set(orderNo, 'paid');
      if (call === 'cancel') moved.set(orderNo, 'cancelled');
      return [200, { order_no: orderNo, status: moved.get(orderNo) ?? 'pending_payment' }];
    }
  }
}

endWhenAsked(`api ${opsPort}`);
createServer((_request, response) => response.end('{}')).listen(opsPort, '127.0.0.1');
const server = createServer();
server.on('request', async (request, response) => {
  const [status, body] = await answer(request);
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});
server.listen({ port: Number(process.env['SERVER_PORT']), host: '127.0.0.1', reusePort: true });
trace(`api ${opsPort} started as ${process.pid}`);
