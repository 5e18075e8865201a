import { awaitReady } from './await-ready.ts';
import { launch, type LaunchedProcess } from './launch.ts';

const PROBE_MS_MAX = 2_000;

export interface LaunchServiceOptions {
  /** Such as `api-1`: names its log and its record. */
  readonly name: string;
  /** The module to run. */
  readonly main: string;
  /** More arguments for Node itself, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
  readonly dataDir: string;
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  /** With a channel to this process: the service stops when this process is gone. */
  readonly withIpc?: boolean;
}

/** Launches an api or worker process. It is not ready yet. */
export function launchService({ main, nodeArgs = [], ...options }: LaunchServiceOptions): Promise<LaunchedProcess> {
  return launch({ ...options, kind: 'service', program: process.execPath, args: [...nodeArgs, main] });
}

/** Resolves when the process answers 200 at `readyUrl`, so it can do its work. */
export async function awaitServiceReady(
  launched: LaunchedProcess,
  readyUrl: string,
  limits: { readonly limitMs: number; readonly probeMsMax?: number; readonly signal?: AbortSignal },
): Promise<void> {
  const { limitMs, probeMsMax = PROBE_MS_MAX, signal } = limits;
  await awaitReady(launched, () => probe(readyUrl, probeMsMax), { limitMs, signal });
}

/** Rejects, with what the server says, unless the URL answers 200. */
export async function probe(url: string, limitMs = PROBE_MS_MAX): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(limitMs) });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${url} answers ${response.status} ${body}`.trim());
}
