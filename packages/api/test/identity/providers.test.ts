import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { AccessTokens } from '../../src/identity/access-tokens.ts';
import { KeySet } from '../../src/identity/key-set.ts';
import { newKey, openKeyProvider, type KeyProvider } from './key-provider.ts';

/**
 * Access tokens and key sets in the shape that each provider documents, against the settings of
 * docs/identity-providers.md, which are read from that page: what it tells an integrator to set is
 * what is tried here.
 */
const PAGE = readFileSync(new URL('../../../../docs/identity-providers.md', import.meta.url), 'utf8');

/** The settings that the section of a provider shows. */
function settingsOf(name: string): Record<string, string> {
  const section = PAGE.split(/^## /m).find((text) => text.startsWith(`${name}\n`));
  const [, block] = /```sh\n([^`]+)```/.exec(section ?? '') ?? [];
  return Object.fromEntries(
    block!
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
  );
}

const X5C = [
  'MIIC+DCCAeCgAwIBAgIJBIGjYW6hFpn2MA0GCSqGSIb3DQEBBQUAMCMxITAfBgNVBAMTGGN1c3RvbWVyLWRlbW9zLmF1dGgwLmNvbQ==',
];
const nowS = Math.floor(Date.now() / 1_000);
const times = { iat: nowS, exp: nowS + 3_600 };
const ROLES = Array.from({ length: 250 }, (_, i) => `role-of-a-large-shop-${i}`);

interface Shape {
  readonly name: string;
  readonly algorithm: string;
  /** How the provider publishes its key, beside what every key has. */
  readonly jwk: (jwk: object) => object;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly shopper: string;
  /** Claims of the same provider that are for another service or no access token. */
  readonly foreign: readonly Readonly<Record<string, unknown>>[];
}

const auth0 = {
  iss: 'https://shop.eu.auth0.com/',
  sub: 'auth0|5f7c8ec7c33c6c004bbafe82',
  aud: ['https://api.shop.example', 'https://shop.eu.auth0.com/userinfo'],
  azp: 'my_client_id',
  scope: 'openid profile',
  ...times,
};
const keycloak = {
  jti: 'b4d6a1f0-6a44-4a1c-8d54-7d1f0c3bfa11',
  iss: 'https://sso.shop.example/realms/shop',
  aud: 'account',
  sub: 'f1e5a2c8-2f6b-4d0b-9d4c-1a9a5a9b7c11',
  typ: 'Bearer',
  azp: 'storefront',
  session_state: '0a2b',
  realm_access: { roles: ROLES },
  preferred_username: 'lin',
  ...times,
};
const cognito = {
  sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE',
  version: 2,
  client_id: '1example23456789',
  origin_jti: 'aaaa',
  token_use: 'access',
  scope: 'openid',
  auth_time: nowS,
  jti: 'bbbb',
  username: 'lin',
  ...times,
};
const entra = {
  aud: '00001111-aaaa-2222-bbbb-3333cccc4444',
  iss: 'https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0',
  nbf: nowS,
  aio: 'AXQAi/8TAAAA',
  azp: '55556666-ffff-7777-aaaa-8888bbbb9999',
  azpacr: '0',
  oid: 'bbbbbbbb-cccc-dddd-2222-333333333333',
  sub: 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ',
  tid: 'aaaabbbb-0000-cccc-1111-dddd2222eeee',
  ver: '2.0',
  scp: 'buy',
  ...times,
};
const firebase = {
  iss: 'https://securetoken.google.com/shop-project',
  aud: 'shop-project',
  auth_time: nowS,
  user_id: 'P4kRZbOJDoXyIHnZkSBMYpYXZtH3',
  sub: 'P4kRZbOJDoXyIHnZkSBMYpYXZtH3',
  firebase: { identities: {}, sign_in_provider: 'password' },
  ...times,
};

const SHAPES: readonly Shape[] = [
  {
    name: 'Auth0',
    algorithm: 'RS256',
    jwk: (jwk) => ({ ...jwk, x5t: 'NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg', x5c: X5C }),
    header: { typ: 'JWT' },
    claims: auth0,
    shopper: auth0.sub,
    // An ID token is for the client.
    foreign: [
      { ...auth0, aud: 'my_client_id' },
      { ...auth0, iss: 'https://shop.eu.auth0.com' },
    ],
  },
  {
    name: 'Keycloak',
    algorithm: 'ES256',
    jwk: (jwk) => ({ ...jwk, x5c: X5C, x5t: 'abc', 'x5t#S256': 'def' }),
    header: { typ: 'JWT' },
    claims: keycloak,
    shopper: keycloak.sub,
    foreign: [
      { ...keycloak, azp: 'back-office' },
      { ...keycloak, iss: 'https://sso.shop.example/realms/shop/' },
      { ...keycloak, iss: 'https://sso.shop.example/realms/master' },
    ],
  },
  {
    name: 'Amazon Cognito',
    algorithm: 'RS256',
    jwk: (jwk) => jwk,
    header: {},
    claims: cognito,
    shopper: cognito.sub,
    // Its ID token names the client as `aud`.
    foreign: [
      { ...cognito, client_id: undefined, aud: cognito.client_id },
      { ...cognito, client_id: 'other' },
    ],
  },
  {
    name: 'Microsoft Entra ID',
    algorithm: 'RS256',
    jwk: ({ alg: _alg, ...jwk }: { alg?: string }) => ({ ...jwk, x5t: 'abc', x5c: X5C, issuer: entra.iss }),
    header: { typ: 'JWT' },
    claims: entra,
    shopper: entra.oid,
    foreign: [
      { ...entra, aud: '00000003-0000-0000-c000-000000000000' },
      { ...entra, iss: 'https://login.microsoftonline.com/99998888-0000-cccc-1111-dddd2222eeee/v2.0' },
      { ...entra, oid: undefined },
    ],
  },
  {
    name: 'Firebase',
    algorithm: 'RS256',
    jwk: (jwk) => jwk,
    header: { typ: 'JWT' },
    claims: firebase,
    shopper: firebase.sub,
    foreign: [{ ...firebase, aud: 'other-project', iss: 'https://securetoken.google.com/other-project' }],
  },
  {
    name: 'Any other',
    algorithm: 'EdDSA',
    jwk: ({ alg: _alg, use: _use, ...jwk }: { alg?: string; use?: string }) => ({ ...jwk, key_ops: ['verify'] }),
    header: { typ: 'at+jwt' },
    claims: {
      iss: 'https://identity.example.com/',
      aud: 'flash-sale',
      sub: '5ba552d67',
      client_id: 's6BhdRkqt3',
      jti: 'dbe39bf3a3ba4238a513f51d6e1691c4',
      ...times,
    },
    shopper: '5ba552d67',
    foreign: [{ iss: 'https://identity.example.com/', aud: 'other', sub: '5ba552d67', ...times }],
  },
];

let provider: KeyProvider;
beforeAll(async () => {
  provider = await openKeyProvider();
});
afterAll(() => provider.close());

async function accessTokensOf(env: Record<string, string>): Promise<AccessTokens> {
  // As in production, which allows no less than the page names.
  loadConfig({ NODE_ENV: 'production', PAYMENT_PROVIDER: 'sandbox', ...env });
  const config = loadConfig({ ...env, JWKS_URL: provider.url });
  const deps = { url: provider.url, algorithm: config.JWT_ALGORITHM, log: pino({ level: 'silent' }) };
  return new AccessTokens(config, new KeySet({ ...deps, metrics: createMetrics('api') }));
}

describe.each(SHAPES)('$name, by the settings that its section shows', (shape) => {
  const { name, algorithm, jwk, header, claims, shopper, foreign } = shape;
  const kid = 'NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg';

  it('names an access token’s shopper, whatever other keys are in the set', async () => {
    const [key, older, encryption] = [
      await newKey(kid, algorithm),
      await newKey('older', algorithm),
      await newKey('encryption', 'RS256'),
    ];
    // Keycloak publishes one like this.
    const forEncryption = { ...encryption.jwk, use: 'enc', alg: 'RSA-OAEP' };
    provider.answerText(JSON.stringify({ keys: [forEncryption, jwk(older.jwk), jwk(key.jwk)] }));
    const accessTokens = await accessTokensOf(settingsOf(name));
    expect(await accessTokens.subjectOf(await key.sign(claims, { ...header, kid }))).toBe(shopper);
    expect(await accessTokens.subjectOf(await key.sign(claims, header))).toBe(shopper);
  });

  it('refuses what is for somebody else, or signed by somebody else', async () => {
    const [key, stranger] = [await newKey(kid, algorithm), await newKey(kid, algorithm)];
    provider.answerText(JSON.stringify({ keys: [jwk(key.jwk)] }));
    const accessTokens = await accessTokensOf(settingsOf(name));
    for (const one of foreign) {
      await expect(accessTokens.subjectOf(await key.sign(one, { ...header, kid }))).rejects.toMatchObject({
        name: 'TokenRefused',
        fault: expect.stringMatching(/^(issuer|audience|subject)$/),
      });
    }
    const forged = await stranger.sign(claims, { ...header, kid });
    await expect(accessTokens.subjectOf(forged)).rejects.toMatchObject({ fault: 'signature' });
  });
});

it.each(['RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
  'takes access tokens that are signed with %s, if that is the one that is set',
  async (algorithm) => {
    const key = await newKey('one', algorithm);
    provider.serve(key.jwk);
    const accessTokens = await accessTokensOf({ ...settingsOf('Any other'), JWT_FORMAT: `alg=${algorithm}` });
    const claims = { iss: 'https://identity.example.com/', aud: 'flash-sale', sub: 'lin' };
    expect(await accessTokens.subjectOf(await key.sign(claims))).toBe('lin');
    const other = await newKey('one', algorithm === 'RS512' ? 'RS256' : 'RS512');
    await expect(accessTokens.subjectOf(await other.sign(claims))).rejects.toMatchObject({ fault: 'algorithm' });
  },
);

it('takes a claim of a provider’s own as the subject, and nothing that is inherited', async () => {
  const key = await newKey('one');
  provider.serve(key.jwk);
  const claims = { iss: 'https://identity.example.com/', aud: 'flash-sale', 'https://shop.example/user_id': 'lin' };
  const env = settingsOf('Any other');
  const named = await accessTokensOf({ ...env, JWT_FORMAT: 'sub=https://shop.example/user_id' });
  expect(await named.subjectOf(await key.sign(claims))).toBe('lin');
  const inherited = await accessTokensOf({ ...env, JWT_FORMAT: 'sub=constructor' });
  await expect(inherited.subjectOf(await key.sign({ ...claims, sub: 'lin' }))).rejects.toMatchObject({
    fault: 'subject',
  });
});
