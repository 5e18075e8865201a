import { listOf, originFormat, publicUrlFormat, rangesFormat } from '../formats.ts';
import { text, count, port, host, optional, boolean } from '../setting-kinds.ts';

/** Settings of the API server. */
export const httpSettings = {
  SERVER_HOST: host('Address that the API listens on. Set it to listen on one network only', '0.0.0.0'),
  SERVER_PORT: port(
    'Port of the API, shared by all api processes of a machine; 0: any free one. Set it if the port is taken',
    8080,
  ),
  PUBLIC_URL: optional(
    text(
      'URL at which shoppers and payment providers reach the API. Set it if a proxy is in front; its path is the one that the proxy adds. Default: this machine',
      {
        read: publicUrlFormat,
        wanted:
          'an http or https URL without credentials, ? and #, whose path is none of the service itself, such as /api, /docs, /admin or /sales',
        example: 'https://shop.example.com/sale',
      },
    ),
  ),
  TRUSTED_PROXIES: optional(
    text(
      'Addresses or CIDRs, separated by commas, whose `X-Forwarded-For` is believed. Set it if a proxy or load balancer is in front',
      {
        read: rangesFormat,
        wanted: 'addresses, or CIDRs with a prefix of up to 32 (IPv4) or 128 (IPv6), separated by commas',
        example: '10.0.0.0/8,fd00::/8',
      },
    ),
  ),
  CORS_ORIGINS: optional(
    text(
      'Origins, separated by commas, whose pages may call the API from a browser. Set it if the shop has another origin than the API. Default: none',
      {
        read: listOf(originFormat),
        wanted: 'origins with their scheme and without a path, separated by commas; * is not taken',
        example: 'https://shop.example.com',
      },
    ),
  ),
  STOREFRONT: optional(
    boolean(
      'Whether the api serves the storefront at `/`. Set it to true to use it in production. Default: true outside production, false in it',
    ),
  ),
  KEEP_ALIVE_TIMEOUT_MS: count(
    'How long a connection waits for its next request, ms. Raise it above the idle timeout of your load balancer',
    65_000,
    100,
    3_600_000,
  ),
};
