/**
 * Loaded before a process (`--import`): its calls to Stripe go to `STRIPE_STAND_IN_PORT` on this
 * machine. Everything else of the payment code, Stripe's library included, runs as in production.
 */
import http, { type ClientRequest, type RequestOptions } from 'node:http';
import https from 'node:https';

const STRIPE_HOST = 'api.stripe.com';
const port = Number(process.env['STRIPE_STAND_IN_PORT']);
const requestOverTls = https.request.bind(https);

// Stripe's library calls it in this form alone.
https.request = ((options: RequestOptions): ClientRequest =>
  options.host === STRIPE_HOST
    ? http.request({ ...options, host: '127.0.0.1', port, agent: http.globalAgent })
    : requestOverTls(options)) as typeof https.request;
