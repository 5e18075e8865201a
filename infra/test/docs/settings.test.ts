import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ConfigSchema, loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { codeBlocksOf, PAGES, readPage } from './pages.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');

/** Names in capitals that are no settings of the service, and whose they are. */
const OTHERS = new Map([
  ['API_PROCESSES', 'npm start'],
  ['WORKER_PROCESSES', 'npm start'],
  ['PROMETHEUS_URL', 'Grafana'],
  ['SITE_ADDRESS', 'Caddy'],
  ['NAME_FILE', 'any setting'],
  ['SHARD_BACKLOG_MAX', 'a setting on the day of the measurements'],
  ['RATE_LIMIT_IP_CAPACITY', 'a setting on the day of the measurements'],
  ['RATE_LIMIT_IP_PER_SECOND', 'a setting on the day of the measurements'],
  ['ORDER_BATCH_MAX', 'a constant'],
  ['NODE_COMPILE_CACHE', 'Node.js'],
  ['NODE_IMAGE', 'an argument of the image'],
  ['BASE_IMAGE', 'an argument of the image'],
  ['BATCH_NO', 'an argument'],
  ['ORDER_NO', 'an argument'],
  ['ACCESS_TOKEN', 'a variable of an example'],
  ['IS_NOT_PAID_FOR', 'a condition of SQL in the code'],
  ['GET_LOCK', 'SQL'],
  ['UTC_TIMESTAMP', 'SQL'],
  ['AUTO_INCREMENT', 'SQL'],
  ['AUTO_ID_CACHE', 'TiDB'],
  ['AFTER_SYNC', 'MySQL'],
  ['AFTER_COMMIT', 'MySQL'],
  ['CONNECTION_ADMIN', 'MySQL'],
]);
/** Of OpenTelemetry, which reads them itself. */
const OPEN_TELEMETRY = /^OTEL_[A-Z_]*\*?$/;

const isSetting = (name: string): boolean => Object.hasOwn(ConfigSchema, name.replace(/_FILE$/, ''));
/** `DB_*` stands for several. */
const standsForSome = (name: string): boolean =>
  name.endsWith('*') && Object.keys(ConfigSchema).some((known) => known.startsWith(name.slice(0, -1)));

describe.each(PAGES)('the settings that %s names', (page) => {
  it('exist', () => {
    const names = readPage(page).match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:_\*)?|\b[A-Z]+_\*/g) ?? [];
    const isKnown = (name: string): boolean =>
      OTHERS.has(name) || isSetting(name) || standsForSome(name) || OPEN_TELEMETRY.test(name);
    expect([...new Set(names)].filter((name) => !isKnown(name))).toEqual([]);
  });
});

/** A placeholder that the reader replaces. */
const FILLED_IN = `whsec_${'A'.repeat(43)}=`;

/** The variables that a block of code sets, if it sets nothing but settings. */
function environmentOf(block: string): Record<string, string> | undefined {
  // `$(openssl …)` is a value that the reader's shell makes.
  const plain = block.replaceAll(/\$\([^)]*\)/g, '…');
  const pairs = [...plain.matchAll(/^(?:export )?((?:[A-Z][A-Z0-9_]*=\S*[ \t]*)+)(?:#.*)?$/gm)].flatMap(([, line]) =>
    [...line!.matchAll(/([A-Z][A-Z0-9_]*)=(\S*)/g)].map(([, name, value]) => [name!, value!] as const),
  );
  const settings = pairs.filter(([name]) => isSetting(name));
  if (settings.length === 0) return undefined;
  return Object.fromEntries(
    settings.map(([name, value]) => [name, /[…$]/.test(value) ? FILLED_IN : value.replaceAll(/^'|'$/g, '')]),
  );
}

const environments = PAGES.flatMap((page) =>
  codeBlocksOf(page).flatMap((block) => {
    const env = environmentOf(block);
    return env === undefined ? [] : [{ page, names: Object.keys(env).join(' '), env }];
  }),
);

describe('the environments that the docs show', () => {
  it('are found', () => {
    expect(environments.length).toBeGreaterThan(3);
  });

  it.each(environments)('$page: the service starts with $names', ({ env }) => {
    expect(() => loadConfig(env)).not.toThrow();
  });
});

describe('deployment.md', () => {
  const page = readPage('docs/deployment.md');
  const compose = readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8');
  const manifests = ['base/api.yaml', 'base/worker.yaml', 'base/migrate.yaml']
    .map((file) => readFileSync(join(DEPLOY, 'k8s', file), 'utf8'))
    .join('\n');

  it('does not say that the examples leave out a setting that they pass', () => {
    const [, leftOut] = /The examples leave out ([^]*?)\.\s/.exec(page)!;
    const names = [...leftOut!.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => compose.includes(`${name}:`) || manifests.includes(`name: ${name}`))).toEqual([]);
  });

  it('names every secret that the manifests take, and every setting that Compose takes from its file', () => {
    const secrets = [...manifests.matchAll(/secretKeyRef: \{ name: flash-sale, key: (\w+)/g)].map(([, name]) => name!);
    const taken = [...compose.matchAll(/\$\{(\w+):/g)].map(([, name]) => name!);
    const ofTheService = new Set([...secrets, ...taken].filter(isSetting));
    expect([...ofTheService].filter((name) => !page.includes(name))).toEqual([]);
  });

  const example = Object.fromEntries(
    [...readFileSync(join(DEPLOY, '.env.example'), 'utf8').matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [
      name!,
      value === '' && /SECRET|TOKEN|PASSWORD/.test(name!) && !/^(EVENTS|STRIPE|VIEWER)/.test(name!)
        ? `${name}-of-thirty-two-characters-or-more`
        : value!,
    ]),
  );
  const keySet = {
    JWT_SECRET: '',
    JWKS_URL: 'https://identity.example.com/.well-known/jwks.json',
    JWT_ISSUER: 'https://identity.example.com/',
    JWT_AUDIENCE: 'flash-sale',
  };
  it.each([
    ['a secret', {}],
    ['a key set', keySet],
    [
      'a viewer and order events',
      { VIEWER_TOKEN: 'a-token-of-viewers', EVENTS_URL: 'https://a.example/', EVENTS_SECRET: FILLED_IN },
    ],
  ])('Compose starts with %s in infra/.env, as it says', (_, more) => {
    const env: Record<string, string> = { ...example, ...more };
    const { services } = parse(compose, { merge: true }) as {
      services: Record<string, { environment: Record<string, string> }>;
    };
    for (const name of ['api', 'worker', 'migrate']) {
      const given = Object.entries(services[name]!.environment).map(([setting, value]) => [
        setting,
        value.replaceAll(/\$\{(\w+):[^}]*\}/g, (__, variable: string) => env[variable] ?? ''),
      ]);
      expect(() => loadConfig(Object.fromEntries(given))).not.toThrow();
    }
  });
});
