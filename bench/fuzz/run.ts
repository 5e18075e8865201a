import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../chaos/random.ts';
import { broken, type Broken } from './breakage.ts';
import { Client, shown, type Answer, type Call } from './call.ts';
import { problemsOfAnswer, type Expectation } from './check.ts';
import { operationsOf, type Operation } from './document.ts';
import { Findings } from './findings.ts';
import type { Credentials, FuzzedService } from './service.ts';
import { differences, StateReader } from './state.ts';
import { CHANGING_READS, REFUSALS, STORIES } from './stories.ts';
import { World } from './world.ts';

/** Rounds of valid calls. Each operation succeeds once a round. */
const ROUNDS = 60;
/** The number of refused calls between two readings of the state. */
const GROUP = 25;
/** Attempts per operation. One that never succeeded cannot be broken. */
const TRIES_MAX = 10;
const QUIET_MS_MAX = 30_000;
const LOOK_AGAIN_MS = 20;
/** The share of calls to be refused that have a valid form but ask for something forbidden. */
const GOOD_SHAPE_SHARE = 0.1;

export interface FuzzOptions {
  readonly service: FuzzedService;
  readonly credentials: Credentials;
  readonly random: Random;
  readonly requests: number;
  readonly progress: (what: string) => void;
}

/**
 * Sends valid and broken requests to every operation of the service's own document, and checks
 * every answer and every effect.
 */
export async function fuzz({ service, credentials, random, requests, progress }: FuzzOptions): Promise<Findings> {
  const document = await fetch(`http://127.0.0.1:${service.port}/docs/json`);
  const operations = operationsOf((await document.json()) as Parameters<typeof operationsOf>[0]);
  const findings = new Findings(operations);
  const state = await StateReader.open(service.state);
  const client = new Client(service.port);
  const methodsOf = (call: Call): ReadonlySet<string> =>
    new Set(operations.filter(({ path }) => path === call.operation.path).map(({ method }) => method));
  const lastSuccess = new Map<Operation, Call>();

  const send = async (call: Call, expected: Expectation, what: string): Promise<Answer | undefined> => {
    const { name } = call.operation;
    try {
      const answer = await client.send(call);
      findings.answered(call.operation, answer.status);
      for (const problem of problemsOfAnswer(call.operation, answer, expected)) {
        findings.add(`${name} ${problem}`, `${what}: ${shown(call)}`);
      }
      return answer;
    } catch (error) {
      findings.answered(call.operation, 0);
      findings.add(`${name} did not answer: ${(error as Error).message}`, `${what}: ${shown(call)}`);
      return undefined;
    }
  };

  const succeed = async (call: Call): Promise<Answer> => {
    const answer = await send(call, 'success', 'a valid call');
    if (answer === undefined || answer.status >= 300) {
      throw new Error(`a valid call was answered ${answer?.status}: ${answer?.text.slice(0, 300)}  ${shown(call)}`);
    }
    lastSuccess.set(call.operation, call);
    return answer;
  };

  const world = new World({ random, operations, credentials, sandboxSecret: await state.sandboxSecret(), succeed });

  const valid = async (operation: Operation): Promise<void> => {
    const story = STORIES[operation.name];
    if (story === undefined && needsStory(operation)) {
      findings.add(`${operation.name} has no story in bench/fuzz/stories.ts that says how it succeeds`);
      return;
    }
    try {
      await succeed(world.callOf(operation, story === undefined ? {} : await story(world)));
    } catch (error) {
      findings.add(`${operation.name} does not succeed`, (error as Error).message);
    }
  };

  const refusable = async (): Promise<Broken | undefined> => {
    const operation = random.pick(operations);
    const refusals = REFUSALS[operation.name];
    if (refusals !== undefined && random.chance(GOOD_SHAPE_SHARE)) {
      try {
        const needs = await random.pick(refusals)(world);
        return { what: 'what it may not ask for', call: world.callOf(operation, needs), expected: 'refusal' };
      } catch (error) {
        findings.add(`${operation.name} could not be prepared`, (error as Error).message);
        return undefined;
      }
    }
    const call = lastSuccess.get(operation);
    return call && broken(call, random, { methods: methodsOf(call), wrongCredentials: world.wrongCredentials });
  };

  /** Waits until nothing changes any more, and reads the state. */
  const quiet = async () => {
    const untilMs = Date.now() + QUIET_MS_MAX;
    while (await state.isMoving()) {
      if (Date.now() > untilMs) throw new Error('the background work does not end');
      await pause(LOOK_AGAIN_MS);
    }
    return state.read();
  };

  /** Makes calls that must be refused, then checks what they changed. Returns how many it made. */
  const group = async (size: number): Promise<number> => {
    const made: Broken[] = [];
    for (let tries = 0; made.length < size && tries < size * TRIES_MAX; tries += 1) {
      const next = await refusable();
      if (next !== undefined) made.push(next);
    }
    let before = await quiet();
    let refused: string[] = [];
    const compare = async (): Promise<void> => {
      const changed = differences(before, await state.read(), Date.now());
      if (changed.length > 0) {
        findings.add(
          `refused requests had an effect: ${kindsOf(changed)}`,
          `${changed.join('; ')} after ${refused.join(' | ')}`,
        );
      }
      refused = [];
    };
    for (const { what, call, expected } of made) {
      const answer = await send(call, expected, what);
      if (answer !== undefined && answer.status >= 400) {
        refused.push(`${what}: ${shown(call)}`);
        continue;
      }
      if (call.operation.method === 'GET' && !CHANGING_READS.has(call.operation.name)) continue;
      // An accepted call may change the state. The next calls start from there.
      before = await quiet();
      refused = [];
    }
    await compare();
    return made.length;
  };

  try {
    await world.open();
    await quiet();
    for (let round = 0; round < ROUNDS; round += 1) {
      progress(`${findings.requests} of ${requests} requests`);
      for (const operation of random.shuffled(operations)) await valid(operation);
      const target = (requests * (round + 1)) / ROUNDS;
      while (findings.requests < target) {
        if ((await group(Math.min(GROUP, Math.ceil(target - findings.requests)))) === 0) break;
      }
    }
    await quiet();
    for (const sale of await state.unbalancedSales()) findings.add(`units do not add up: ${sale}`);
    const drifts = await service.drifts();
    if (drifts > 0) findings.add('the auditor found sales to drift', `${drifts} times`);
    for (const crash of service.crashes) findings.add(`the service did not survive: ${crash}`);
    findings.addRareSuccesses();
    return findings;
  } finally {
    client.close();
    state.close();
  }
}

/**
 * Whether an operation depends on existing data, so that its schema alone does not show how it
 * succeeds.
 */
const needsStory = ({ parameters, body }: Operation): boolean =>
  body !== undefined || parameters.some((each) => each.in === 'path');

/** Such as `table orders, key v4:sale:*:owners`. */
const kindsOf = (changed: readonly string[]): string =>
  [
    ...new Set(
      changed.map((each) => each.split(/: (?=\S+ (?:rows|→)|[0-9a-f]|nothing)/, 1)[0]!.replaceAll(/\d{2,}|s\d+/g, '*')),
    ),
  ].join(', ');
