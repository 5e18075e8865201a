import { closeSync, openSync, readSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';

const windowMs = 10_000;
const linesMax = 20;
const readBytesMax = 256 * 1024;

/**
 * Shows the warnings and errors in the logs of processes, in a number that can be read: more than
 * `linesMax` in `windowMs` are only counted. Lines that are not structured (a crash) count as
 * errors. Earlier lines in the logs are never shown.
 */
export function watchLogs(options: { folder: string; names: string[]; show: (line: string) => void }): {
  start(): void;
  stop(): void;
} {
  const { folder, names } = options;
  const show = limited(options.show, folder);
  const readers = new Map(names.map((name) => [`${name}.log`, logReader(join(folder, `${name}.log`))]));

  function showNew(file: string): void {
    const reader = readers.get(file);
    for (const line of reader?.() ?? []) {
      const message = noteworthy(line);
      if (message !== undefined) show(`${file.slice(0, -'.log'.length)}: ${message}`);
    }
  }

  let watcher: ReturnType<typeof watch> | undefined;
  return {
    start() {
      // Watch the folder, not the files: a log is replaced if it is too large.
      watcher = watch(folder, (_event, file) => {
        if (file !== null) showNew(file);
      });
      for (const file of readers.keys()) showNew(file);
    },
    stop() {
      watcher?.close();
    },
  };
}

/** Returns the complete lines since the last call, or since the file was replaced. */
function logReader(path: string): () => string[] {
  let offset = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let rest = '';
  return () => {
    // A deleted log has no new lines.
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return [];
    const descriptor = openSync(path, 'r');
    try {
      if (size < offset) offset = 0;
      // After very many lines, read only the end.
      offset = Math.max(offset, size - readBytesMax);
      const chunk = Buffer.alloc(size - offset);
      offset += readSync(descriptor, chunk, 0, chunk.length, offset);
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      return lines;
    } finally {
      closeSync(descriptor);
    }
  };
}

/**
 * The text of a line that should be shown: a warning or worse, or a line that is not a log entry.
 */
export function noteworthy(line: string): string | undefined {
  if (line.trim() === '') return undefined;
  let entry: { level?: string; msg?: string; err?: { message?: string } } | null;
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return line;
  }
  if (entry === null || !['warn', 'error', 'fatal'].includes(entry.level ?? '')) return undefined;
  const reason = entry.err?.message;
  return `${entry.level} ${entry.msg}${reason === undefined ? '' : `: ${reason}`}`;
}

function limited(show: (line: string) => void, folder: string): (line: string) => void {
  let windowStart = 0;
  let shown = 0;
  return (line) => {
    if (performance.now() - windowStart > windowMs) {
      windowStart = performance.now();
      shown = 0;
    }
    shown += 1;
    if (shown <= linesMax) show(line);
    if (shown === linesMax + 1) show(`more such lines are in ${folder}`);
  };
}
