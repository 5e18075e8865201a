import { readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const CUT_BYTES_MAX = 256 * 1024;

/**
 * Cuts the end off the incremental append-only file of a stopped Redis, like a disk that
 * acknowledged too early. The cut is usually inside a command; Redis drops the incomplete part when
 * it loads the file (`aof-load-truncated yes`).
 *
 * @param folder the `appendonlydir`
 * @param share how much of the file to cut, from 0 to 1; at least a byte, at most a quarter of a
 * megabyte
 * @returns how many bytes were cut
 */
export function truncateAof(folder: string, share: number): number {
  const path = join(folder, incrementalFile(readFileSync(join(folder, 'appendonly.aof.manifest'), 'utf8')));
  const { size } = statSync(path);
  const cutBytes = Math.min(size, Math.max(1, Math.min(CUT_BYTES_MAX, Math.round(size * share))));
  truncateSync(path, size - cutBytes);
  return cutBytes;
}

/** The file to which Redis was appending: the last incremental one (`type i`) of the manifest. */
export function incrementalFile(manifest: string): string {
  const files = [...manifest.matchAll(/^file (\S+) seq \d+ type i/gm)];
  const last = files.at(-1)?.[1];
  if (last === undefined) throw new Error('the manifest names no incremental file');
  return last;
}
