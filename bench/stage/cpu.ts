import { readFileSync } from 'node:fs';

/** On Linux with Node, the kernel counts CPU time in hundredths of a second. */
const TICK_US = 10_000;

/** CPU time of a process, µs; undefined if the system does not report it (Linux does). */
export function cpuUs(pid: number | undefined): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may contain spaces. User and system time are the 14th and 15th
    // field.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return undefined;
  }
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
