import { exitWithUsage, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { temporaryFolder } from './temporary-folder.ts';

/**
 * Runs `work` with a temporary folder. Everything that was started is recorded in the folder and
 * ended with it at any point of the run.
 *
 * @returns the exit code of `work`, or that of the signal
 */
export async function runInFolder(name: string, work: (folder: string) => Promise<number>): Promise<number> {
  const folder = temporaryFolder(name);
  let interrupted: number | undefined;
  // A terminal and npm may both send a signal.
  const interrupt = (code: number): void => {
    interrupted ??= code;
    void folder.close().then(() => exitProcess(interrupted));
  };
  process.on('SIGINT', () => interrupt(130));
  process.on('SIGTERM', () => interrupt(143));
  try {
    return await work(folder.path);
  } catch (error) {
    // After an interrupt, servers end and so the run fails: ignore that.
    if (interrupted === undefined) throw error;
    return interrupted;
  } finally {
    await folder.close();
  }
}

/**
 * The options of this process's command line. Ends the process if they do not fit, or if a text was
 * asked for instead of a run.
 */
export async function optionsOrExit<Options extends object>(
  readOptions: (args: readonly string[]) => Options | string,
  usage: string,
): Promise<Options> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (typeof options !== 'string') return options;
    process.stdout.write(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return exitWithUsage(error, usage);
  }
  return exitProcess(0);
}
