import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { installPrograms } from './package-manager.ts';
import { isExecutable, searchFolders } from './programs.ts';
import { StartFailure } from './start-failure.ts';
import { temporaryFolder } from './temporary-folder.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
/**
 * Chromium must send requests to the pages' own server only. As root, and in containers, it has no
 * sandbox.
 */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Opens headless Chromium: the program in `CHROMIUM`, else one on the machine, else one that its
 * package manager installs.
 *
 * @throws StartFailure if there is none
 */
export async function openChromium(log: (line: string) => void): Promise<Browser> {
  return chromium.launch({ executablePath: await chromiumProgram(process.env, log), args: FLAGS });
}

async function chromiumProgram(env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<string> {
  if (env['CHROMIUM']) return env['CHROMIUM'];
  const folders = searchFolders(env);
  const find = () => NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
  const found = find();
  if (found !== undefined) return found;
  const { path: dataDir, close } = temporaryFolder('chromium');
  try {
    await installPrograms({ dataDir, env, folders, log, missing: ['chromium'] });
  } finally {
    await close();
  }
  const installed = find();
  if (installed !== undefined) return installed;
  throw new StartFailure(
    `Chromium was not found. Install it (Debian: apt-get install chromium; macOS: brew install chromium), or set CHROMIUM to its program.`,
  );
}

/**
 * Everything that a page should not have: errors in the console, failed requests, and requests to
 * other origins.
 */
export function noiseOf(page: Page, origin: string): string[] {
  const noise: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) noise.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => noise.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith('data:') && new URL(url).origin !== origin) noise.push(`request to elsewhere: ${url}`);
  });
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText ?? 'failed';
    // The browser aborts open requests when it leaves a page.
    if (reason !== 'net::ERR_ABORTED') noise.push(`${reason}: ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) noise.push(`${response.status()}: ${response.url()}`);
  });
  return noise;
}
