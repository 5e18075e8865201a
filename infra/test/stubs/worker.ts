/** Stands in for the worker: an ops port and nothing else. */
import { createServer } from 'node:http';
import { endWhenAsked, trace } from './trace.ts';

const port = Number(process.env['WORKER_OPS_PORT']);
endWhenAsked(`worker ${port}`);
createServer((_request, response) => response.end('{}')).listen(port, '127.0.0.1');
trace(`worker ${port} started as ${process.pid}`);
