/**
 * `node infra/src/setup/main.mjs [start|all]`: installs the packages that a script needs, before it
 * runs. Runs before anything is installed: plain JavaScript for Node.js 20, without dependencies.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { codeOf, takeSetupLock } from './lock.mjs';
import { hashOfManifests, installArguments, scopes, scopeToInstall, stampPath } from './plan.mjs';
import { Progress } from './progress.mjs';

/** @import { Scope } from './plan.mjs' */

const root = fileURLToPath(new URL('../../..', import.meta.url));
const outputLinesMax = 40;
const progress = new Progress(process.stderr);
const wanted = process.argv[2] ?? 'all';

if (!scopes.includes(wanted)) {
  process.stderr.write(`setup: unknown scope ${wanted}; use one of ${scopes.join(', ')}\n`);
  process.exit(2);
}
try {
  process.exitCode = await setUp(/** @type {Scope} */ (wanted));
} catch (error) {
  const isReadOnly = ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '');
  if (!isReadOnly) throw error;
  progress.say(`cannot write to ${join(root, 'node_modules')}. Use a checkout that you can write to.`);
  process.exitCode = 1;
}

/**
 * @param {Scope} scope
 * @returns {Promise<number>} the exit code
 */
async function setUp(scope) {
  if (scopeToInstall(root, scope) === undefined) return 0;
  const release = await takeSetupLock(root, () => progress.say('waiting for another setup of this checkout'));
  try {
    // The other setup may have installed what is missing, or more.
    const missing = scopeToInstall(root, scope);
    return missing === undefined ? 0 : await install(missing);
  } finally {
    release();
  }
}

/**
 * @param {Scope} scope
 * @returns {Promise<number>} the exit code
 */
async function install(scope) {
  const startedAt = performance.now();
  const hash = hashOfManifests(root);
  // If this is interrupted, the next run must not install less.
  writeFileSync(stampPath(root), JSON.stringify({ scope }));
  const code = await runPnpm(installArguments(scope));
  if (code !== 0) return code;
  writeFileSync(stampPath(root), JSON.stringify({ scope, hash }));
  progress.say(`done in ${Math.ceil((performance.now() - startedAt) / 1_000)} s`);
  return 0;
}

/**
 * Shows how far pnpm is, and what it wrote only if it failed.
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function runPnpm(args) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  progress.say(`starting ${packageManager.replace('@', ' ')} (the first time downloads it)`);
  const child = spawn('npx', ['--yes', packageManager, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that an interrupted setup ends all of it.
    detached: true,
    // npm would announce a newer npm, and say nothing of an error in `npm run --silent`. pnpm would
    // ask before it replaces packages.
    env: { ...process.env, npm_config_update_notifier: 'false', npm_config_loglevel: 'error', CI: 'true' },
  });
  /** @type {NodeJS.Signals | undefined} */
  let interruption;
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.once(signal, () => {
      interruption ??= signal;
      endGroup(child.pid);
    });
  }
  /** @type {string[]} */
  const output = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      if (/^Scope:|^Lockfile is/.test(line) && output.length === 0) progress.say('installing packages');
      output.push(line);
      progress.read(line);
    });
  }
  try {
    const [code] = await once(child, 'close');
    if (interruption !== undefined) return 128 + constants.signals[interruption];
    if (code !== 0) showFailure(packageManager, output);
    return code ?? 1;
  } catch (error) {
    showFailure(packageManager, [String(error)]);
    return 1;
  }
}

/** @param {number | undefined} pid */
function endGroup(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGTERM');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/**
 * @param {string} packageManager
 * @param {string[]} output
 */
function showFailure(packageManager, output) {
  progress.say(`${packageManager} could not install the packages:`);
  process.stderr.write(`${output.slice(-outputLinesMax).join('\n')}\n`);
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT/.test(output.join('\n'))) {
    progress.say('the npm registry does not answer. Check the network and the registry setting of npm.');
  }
}
