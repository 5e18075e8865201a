import { readdirSync, readFileSync } from 'node:fs';

/** On Linux with Node, the kernel counts CPU time in hundredths of a second. */
const TICK_US = 10_000;

/** CPU time of a process, µs; undefined if the system does not report it (Linux does). */
export function cpuUs(pid: number | undefined): number | undefined {
  try {
    // User and system time are the 14th and 15th field.
    const fields = fieldsOf(pid);
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return undefined;
  }
}

/** The fields of `/proc/<pid>/stat` from the third one on. */
function fieldsOf(pid: number | undefined): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name, in parentheses. It may contain spaces.
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Undefined if the process has ended. */
function parentOf(pid: number): number | undefined {
  try {
    return Number(fieldsOf(pid)[1]);
  } catch {
    return undefined;
  }
}

/** CPU time, µs: of all programs on the machine, and of this process with those that it started. */
export interface MachineCpu {
  readonly allUs: number;
  readonly ownUs: number;
  readonly atMs: number;
}

/** Undefined if the system does not report it. */
export function machineCpu(): MachineCpu | undefined {
  try {
    // The sums of all cores: user, nice, system, idle, iowait, irq, softirq.
    const [user, nice, system, , , irq, softirq] = /^cpu +(.+)$/m
      .exec(readFileSync('/proc/stat', 'utf8'))![1]!
      .split(' ')
      .map(Number) as [number, number, number, number, number, number, number];
    const atMs = performance.now();
    const pids = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    const own = pids.filter((pid) => pid === process.pid || parentOf(pid) === process.pid);
    const ownUs = own.reduce((sum, pid) => sum + (cpuUs(pid) ?? 0), 0);
    return { allUs: (user + nice + system + irq + softirq) * TICK_US, ownUs, atMs };
  } catch {
    return undefined;
  }
}

/**
 * How many cores other programs kept busy from `before` to `after`. They take time from what is
 * measured.
 */
export function othersCores(before: MachineCpu, after: MachineCpu): number {
  const othersUs = after.allUs - before.allUs - (after.ownUs - before.ownUs);
  return Math.max(0, othersUs) / ((after.atMs - before.atMs) * 1_000);
}

/** Resident memory of a process, bytes. */
export function memoryBytes(pid: number | undefined): number | undefined {
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found === null ? undefined : Number(found[1]) * 1_024;
  } catch {
    return undefined;
  }
}
