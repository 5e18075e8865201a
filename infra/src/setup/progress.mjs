/** A piped output gets the number of packages at this interval; a terminal gets every change. */
const intervalMs = 3_000;

/**
 * Prints in one line each what is being done, from the output of
 * `pnpm install --reporter=append-only`. On stderr, so that the output of a script can be piped.
 */
export class Progress {
  #output;
  #now;
  #isLineOpen = false;
  #toldAt = -Infinity;
  #stage = '';

  /**
   * @param {{ write: (text: string) => unknown, isTTY?: boolean }} output
   * @param {() => number} now
   */
  constructor(output, now = Date.now) {
    this.#output = output;
    this.#now = now;
  }

  /** @param {string} text */
  say(text) {
    this.#endLine();
    this.#output.write(`setup: ${text}\n`);
  }

  /**
   * Takes one line of pnpm's output.
   * @param {string} line
   */
  read(line) {
    const [, total, added, done] = /^Progress: resolved (\d+),.* added (\d+)(, done)?/.exec(line) ?? [];
    if (total !== undefined) this.#count(`${added} of ${total} packages`, done !== undefined);
    const [, version] = /node@([\d.]+)\/node_modules\/node preinstall\$/.exec(line) ?? [];
    if (version !== undefined) this.say(`downloading Node.js ${version}`);
  }

  /**
   * @param {string} text
   * @param {boolean} isLast
   */
  #count(text, isLast) {
    if (text === this.#stage) return;
    if (!this.#output.isTTY) {
      if (!isLast && this.#now() - this.#toldAt < intervalMs) return;
      this.#toldAt = this.#now();
      this.say(text);
    } else {
      // Back to the start of the line, and clear it.
      this.#output.write(`\r\u001b[Ksetup: ${text}`);
      this.#isLineOpen = true;
    }
    this.#stage = text;
  }

  #endLine() {
    if (this.#isLineOpen) this.#output.write('\n');
    this.#isLineOpen = false;
  }
}
