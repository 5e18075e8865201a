import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { DCLinter } from 'dclint';
import { validate as validateDockerfile } from 'dockerfile-utils';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ConfigSchema } from '@flash-sale/shared/platform/config/config.ts';
import { mysqlImage, redisImage } from '../../src/services/docker.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const read = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8');

/** Variables that look like settings of the service and are none. */
const notSettings = (names: readonly string[]): string[] => names.filter((name) => !(name in ConfigSchema.properties));

describe('Dockerfile', () => {
  it('has no fault that a linter finds', () => {
    expect(validateDockerfile(read('Dockerfile')).map(({ message }) => message)).toEqual([]);
  });

  it('ends as a user who is not root', () => {
    expect(read('Dockerfile').match(/^USER .*$/gm)).toEqual(['USER 1000:1000']);
  });
});

interface ComposeService {
  readonly image: string;
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

  it('holds no secret, starts with none missing, and names each in .env.example', () => {
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
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  NetworkPolicy,
  PodDisruptionBudget,
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
  readonly spec?: { readonly template?: { readonly spec: PodSpec }; readonly selector?: unknown };
  readonly data?: Readonly<Record<string, string>>;
}

interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: object;
  readonly containers: readonly {
    readonly env: readonly { readonly name: string; readonly value?: string }[];
    readonly securityContext: object;
    readonly livenessProbe?: object;
    readonly readinessProbe?: object;
  }[];
}

describe('k8s', () => {
  const files = readdirSync(join(DEPLOY, 'k8s/base')).filter((file) => file !== 'kustomization.yaml');
  const manifests = files.flatMap((file) =>
    parseAllDocuments(read(`k8s/base/${file}`)).map((document) => document.toJS() as Manifest),
  );
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

  it('lists every file', () => {
    const { resources } = parse(read('k8s/base/kustomization.yaml')) as { resources: string[] };
    expect(resources.toSorted()).toEqual(files.toSorted());
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
    const overlay = read('k8s/overlays/production/kustomization.yaml');
    const patched = [...overlay.matchAll(/^ {8}(\w+): /gm)].map(([, name]) => name!);
    const configured = manifests.flatMap(({ data }) => Object.keys(data ?? {}));
    expect(
      notSettings([...env.map(({ name }) => name), ...configured, ...patched.filter((name) => name !== 'name')]),
    ).toEqual([]);
    expect(env.filter(({ name, value }) => /PASSWORD|TOKEN|SECRET/.test(name) && value !== undefined)).toEqual([]);
    expect([...configured, ...patched].filter((name) => /PASSWORD|TOKEN|SECRET/.test(name))).toEqual([]);
  });
});
