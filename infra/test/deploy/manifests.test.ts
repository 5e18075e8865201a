import { execFileSync } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import { DCLinter } from 'dclint';
import { validate as validateDockerfile } from 'dockerfile-utils';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ConfigSchema, loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { mysqlImage, redisImage } from '../../src/services/docker.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const read = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8');

/** Variables that look like settings of the service and are none. */
const notSettings = (names: readonly string[]): string[] => names.filter((name) => !(name in ConfigSchema));

describe('Dockerfile', () => {
  it.each(['Dockerfile', 'stand-in/Dockerfile'])('%s has no fault that a linter finds', (path) => {
    expect(validateDockerfile(read(path)).map(({ message }) => message)).toEqual([]);
  });

  it('ends as a user who is not root', () => {
    expect(read('Dockerfile').match(/^USER .*$/gm)).toEqual(['USER 1000:1000']);
  });
});

/** A secret as the documentation says to make it. */
const madeBy = (command: string): string =>
  execFileSync('sh', ['-c', command], { encoding: 'utf8', timeout: 25_000 }).trim();

interface ComposeService {
  readonly image: string;
  readonly logging?: { readonly options: Readonly<Record<string, string>> };
  readonly mem_limit?: string;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly environment?: Readonly<Record<string, string>>;
  readonly read_only?: boolean;
}

/** Of what is off unless it is set, and of what may be a key set instead. */
const OPTIONAL_SECRET = /^(STRIPE_\w+|VIEWER_TOKEN|EVENTS_SECRET|JWT_SECRET)$/;

describe('compose.yaml', () => {
  const { services } = parse(read('compose.yaml'), { merge: true }) as { services: Record<string, ComposeService> };

  it('fits the Compose specification, and has no fault that a linter finds', () => {
    // The order of keys is a matter of taste.
    const order = ['service-keys-order', 'services-alphabetical-order', 'top-level-properties-order'];
    const rules = Object.fromEntries(order.map((rule) => [rule, 0 as const]));
    const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
    // Its type declarations do not resolve.
    const files = linter.lintFiles([join(DEPLOY, 'compose.yaml')], false) as readonly {
      readonly messages: readonly object[];
    }[];
    expect(files.flatMap(({ messages }) => messages)).toEqual([]);
  });

  it('runs the same servers as npm start does in containers', () => {
    expect([services['redis']!.image, services['mysql']!.image]).toEqual([redisImage, mysqlImage]);
  });

  it('sets only what the service has settings for, and writes to no container of it', () => {
    for (const name of ['migrate', 'api', 'worker']) {
      expect(notSettings(Object.keys(services[name]!.environment!))).toEqual([]);
      expect(services[name]!.read_only).toBe(true);
    }
  });

  it('limits the log and the memory of every service', () => {
    for (const { logging, mem_limit: memory } of Object.values(services)) {
      expect(logging?.options).toEqual({ 'max-size': expect.any(String), 'max-file': expect.any(String) });
      expect(memory).toMatch(/^\d+[mg]$/);
    }
  });

  it('has health checks that Podman runs as they are: no word with a space', () => {
    const words = Object.values(services).flatMap(({ healthcheck }) => healthcheck?.test ?? []);
    expect(words.length).toBeGreaterThan(0);
    expect(words.filter((word) => word.includes(' ') || word === 'CMD-SHELL')).toEqual([]);
    // All but those that end by themselves, and the page that nothing waits for.
    const unchecked = Object.entries(services).filter(([, { healthcheck }]) => healthcheck === undefined);
    expect(unchecked.map(([name]) => name)).toEqual(['migrate', 'grafana']);
  });

  it('gives every process settings that it starts with, once .env.example is filled in as it says', () => {
    const example = read('.env.example');
    const usual = /with `([^`]+)`/.exec(example)![1]!;
    const lines = [...example.matchAll(/(?:# Make it with: (.*)\n)?^(\w+)=(.*)$/gm)];
    const made = lines.map(([, command = usual, name, value]) => {
      const isFilledIn = /PASSWORD|TOKEN|SECRET/.test(name!) && !name!.startsWith('STRIPE_');
      return [name!, isFilledIn ? madeBy(command) : value!] as const;
    });
    const env = new Map<string, string>([...made, ['EVENTS_URL', 'https://shop.example.com/events']]);
    const filledIn = (text: string): string =>
      text.replace(/\$\{(\w+):[?-]([^}]*)\}/g, (_, name: string, other: string) => env.get(name) || other);
    for (const name of ['migrate', 'api', 'worker']) {
      const settings = Object.entries(services[name]!.environment!).map(([key, value]) => [key, filledIn(value)]);
      expect(() => loadConfig(Object.fromEntries(settings))).not.toThrow();
    }
    // Where a worker sends the refunds of the sandbox: in its container, localhost is itself.
    expect(services['worker']!.environment!['PUBLIC_URL']).toBe('http://api:8080');
  });

  it('contains no secret, does not start if one is missing, and names each in .env.example', () => {
    const variables = [...read('compose.yaml').matchAll(/\$\{(\w+)(:[?-])([^}]*)\}/g)];
    const secrets = variables.filter(([, name]) => /PASSWORD|TOKEN|SECRET/.test(name!) && !OPTIONAL_SECRET.test(name!));
    expect(new Set(secrets.map(([, , how]) => how))).toEqual(new Set([':?']));
    const optional = variables.filter(([, name]) => OPTIONAL_SECRET.test(name!));
    expect(new Set(optional.map(([, , how, value]) => `${how}${value}`))).toEqual(new Set([':-']));
    const example = new Map(
      read('.env.example')
        .match(/^\w+=.*$/gm)!
        .map((line) => line.split('=', 2) as [string, string]),
    );
    const required = variables.filter(([, , how]) => how === ':?').map(([, name]) => name!);
    expect(required.filter((name) => !example.has(name))).toEqual([]);
    expect(secrets.map(([, name]) => example.get(name!)).filter((value) => value !== '')).toEqual([]);
    const written = Object.values(services).flatMap(({ environment = {} }) => Object.entries(environment));
    const isSecret = ([name]: [string, string]) => /PASSWORD|TOKEN|SECRET/.test(name);
    expect(written.filter(isSecret).filter(([, value]) => !value.startsWith('${'))).toEqual([]);
  });
});

const MODELS = {
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  NetworkPolicy,
  PodDisruptionBudget,
  PodMonitor,
  ScaledObject,
} as const;
const KINDS: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  ...MODELS,
  Service,
  ServiceAccount,
};

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
    readonly selector?: unknown;
  };
}

interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: object;
  readonly containers: readonly {
    readonly env: readonly {
      readonly name: string;
      readonly value?: string;
      readonly valueFrom?: { readonly secretKeyRef: { readonly key: string; readonly optional?: boolean } };
    }[];
    readonly securityContext: object;
    readonly livenessProbe?: object;
    readonly readinessProbe?: object;
  }[];
}

describe('k8s', () => {
  const folders = ['k8s/base', ...globSync('k8s/components/*', { cwd: DEPLOY })];
  const filesIn = (folder: string): string[] =>
    readdirSync(join(DEPLOY, folder)).filter((file) => file !== 'kustomization.yaml');
  const manifests = folders.flatMap((folder) =>
    filesIn(folder).flatMap((file) =>
      parseAllDocuments(read(`${folder}/${file}`)).map((document) => document.toJS() as Manifest),
    ),
  );
  const overlay = read('k8s/overlays/production/kustomization.yaml');
  /** What the generator of a kustomization puts into the ConfigMap. */
  const literalsOf = (kustomization: string): [name: string, value: string][] => {
    const { configMapGenerator } = parse(kustomization) as { configMapGenerator: { literals: string[] }[] };
    return configMapGenerator.flatMap(({ literals }) =>
      literals.map((literal) => literal.split(/=(.*)/s, 2) as [string, string]),
    );
  };
  const settings = [...literalsOf(read('k8s/base/kustomization.yaml')), ...literalsOf(overlay)];
  const pods = manifests.filter(({ spec }) => spec?.template !== undefined);

  it.each(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const))(
    '%s fits its schema',
    (_, manifest) => {
      const Model = KINDS[manifest.kind];
      if (Model === undefined) throw new Error(`no schema for ${manifest.kind}`);
      const { apiVersion } = new Model(manifest as never) as unknown as Manifest;
      expect(apiVersion).toBe(manifest.apiVersion);
      new Model(manifest as never).validate();
    },
  );

  it.each(folders)('%s lists every file', (folder) => {
    const { resources } = parse(read(`${folder}/kustomization.yaml`)) as { resources: string[] };
    expect(resources.toSorted()).toEqual(filesIn(folder).toSorted());
  });

  it('rolls the pods if a setting changes, since the generated ConfigMap then has another name', () => {
    expect(manifests.filter(({ kind }) => kind === 'ConfigMap')).toEqual([]);
    expect(read('k8s/base/kustomization.yaml')).not.toContain('disableNameSuffixHash');
  });

  it('gives every process settings that it starts with, by the steps of docs/deployment.md', () => {
    const page = readFileSync(join(DEPLOY, '../../docs/deployment.md'), 'utf8');
    const [command] = /kubectl .* create secret generic flash-sale[^`]*?(?=\nkubectl)/.exec(page)!;
    const secret = new Set([...command.matchAll(/--from-literal=(\w+)=/g)].map(([, name]) => name!));
    for (const { spec } of pods) {
      for (const { env } of spec!.template!.spec.containers) {
        const given = env.flatMap(({ name, value, valueFrom }) => {
          if (value !== undefined) return [[name, value]];
          const { key, optional = false } = valueFrom!.secretKeyRef;
          if (secret.has(key)) return [[name, 'a-secret-of-at-least-thirty-two-bytes']];
          expect([key, optional]).toEqual([key, true]);
          return [];
        });
        expect(() => loadConfig(Object.fromEntries([...settings, ...given]))).not.toThrow();
      }
    }
  });

  it('shows its processes to Prometheus under the names that the alerts know', () => {
    const components = pods.map(({ metadata, spec }) => [
      metadata.name,
      spec!.template!.metadata.labels['app.kubernetes.io/component'],
    ]);
    expect(Object.fromEntries(components)).toMatchObject({ 'flash-sale-api': 'api', 'flash-sale-worker': 'worker' });
    const monitor = manifests.find(({ kind }) => kind === 'PodMonitor')!;
    expect(monitor.spec).toMatchObject({ jobLabel: 'app.kubernetes.io/component' });
  });

  it('runs no pod as root, with a capability, a writable root or a token of Kubernetes', () => {
    expect(pods).toHaveLength(3);
    for (const { spec } of pods) {
      const pod = spec!.template!.spec;
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(pod.automountServiceAccountToken).toBe(false);
      for (const { securityContext } of pod.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
  });

  it('sets only what the service has settings for, and secrets by reference', () => {
    const env = pods.flatMap(({ spec }) => spec!.template!.spec.containers.flatMap((container) => container.env));
    const configured = settings.map(([name]) => name);
    expect(notSettings([...env.map(({ name }) => name), ...configured])).toEqual([]);
    expect(env.filter(({ name, value }) => /PASSWORD|TOKEN|SECRET/.test(name) && value !== undefined)).toEqual([]);
    expect(configured.filter((name) => /PASSWORD|TOKEN|SECRET/.test(name))).toEqual([]);
  });
});
